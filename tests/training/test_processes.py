"""Two processes learn what one does, and stop together."""

import os
import subprocess
import sys

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from rsd_mri.commands.app import app

SMALL = ["--device", "cpu"]
for _one in (
    "network.channels=4",
    "teacher.images=16",
    "distillation.images=8",
    "teacher.batch=4",
    "distillation.batch=4",
    "monitor.images=16",
    "monitor.held_out=0.8",
    "monitor.cost=30.0",
):
    SMALL += ["--set", _one]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

NOT_FINITE = """
import torch
from torch import nn
from rsd_mri.training.descent import ItemLosses, descend
from rsd_mri.training.fabric import TrainOptions, make_fabric

fabric = make_fabric(TrainOptions(device="cpu"))
net = nn.Linear(1, 1)
module, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=1.0))
before = net.weight.detach().clone()
bad = float("nan") if fabric.global_rank == 1 else 1.0

def losses(part):
    return ItemLosses(module(torch.ones(1, 1))[:, 0] * bad, torch.tensor([0.7]), [("item", fabric.global_rank)])

try:
    descend(fabric, module, optimizer, [0, 1], losses, 1.0, "teacher after 320 images")
except FloatingPointError as error:
    print(f"{fabric.global_rank} {torch.equal(net.weight, before)} {error}\\n", end="", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("starter", ["torchrun", "devices"])
def test_two_processes_equal_one(tmp_path, starter):
    """Weights, choice of weights and log; the processes simulate and prepare the scans once."""
    scans = ["--set", "data.volumes=5", "--set", "data.slices=4", "--set", "data.coils=4"]
    recipe = ["--protocol", "demo", *scans, *SMALL]
    one = CliRunner().invoke(app, ["train", *recipe, "--out", str(tmp_path / "one")])
    assert one.exit_code == 0, one.output
    start = TORCHRUN if starter == "torchrun" else [sys.executable]
    more = [] if starter == "torchrun" else ["--devices", "2", "--accumulate", "2"]
    done = subprocess.run(
        [*start, "-m", "rsd_mri", "train", *recipe, *more, "--out", str(tmp_path / "two")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained teacher: 16 images") == 1
    for name in ("teacher", "generator"):
        a, b = (load_file(tmp_path / n / f"{name}.safetensors") for n in ("one", "two"))
        assert max(float((a[k] - b[k]).abs().max()) for k in a) < 1e-5
    logs = []
    for n in ("one", "two"):
        rows = [r.split(",") for r in (tmp_path / n / "metrics.csv").read_text().splitlines()[1:]]
        logs.append({(r[0], r[1], r[3]): float(r[4]) for r in rows})
    assert logs[0].keys() == logs[1].keys()
    assert any("proximal distance" in key for key in logs[0])
    assert all(logs[1][k] == pytest.approx(v, rel=1e-3) for k, v in logs[0].items())


@pytest.mark.slow
def test_a_non_finite_loss_stops_every_process(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(NOT_FINITE)
    done = subprocess.run([*TORCHRUN, str(script)], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "320" in line]
    sentence = "teacher after 320 images: loss is nan at sigma 0.7, item ('item', 1)"
    assert sorted(said) == [f"{rank} True {sentence}" for rank in (0, 1)]
