"""The bench commands."""

import json
import subprocess
import sys

from typer.testing import CliRunner

from rsd_mri.bench_cli import bench
from rsd_mri.rsd import linear


def invoke(*arguments):
    return CliRunner().invoke(bench, list(arguments))


def test_list_names_every_experiment_with_its_published_figure():
    done = invoke("list", "--json")
    assert done.exit_code == 0
    benches = json.loads(done.stdout.splitlines()[-1])["benches"]
    assert all(set(b) == {"name", "corruption", "data", "published", "source"} for b in benches)
    names = [b["name"] for b in benches]
    assert len(names) == len(set(names))
    assert {"linear", "mri-r2", "mri-r4", "mri-r6", "mri-r8", "noise-0.2-cifar10"} <= set(names)
    by_name = {b["name"]: b for b in benches}
    assert by_name["mri-r8"]["published"] == "FID 22.51 (teacher 48.15)"


def test_linear_holds_its_closed_forms(monkeypatch):
    small = linear.linear_cases(("identity",), (8,), (2,), (0.0, 0.5))
    monkeypatch.setattr(linear, "mini_cases", lambda seed=0: small)
    done = invoke("run", "linear", "--json")
    assert done.exit_code == 0
    values = json.loads(done.stdout.splitlines()[-1])
    assert values["max_error"] < 1e-3
    assert len(values["cases"]) == 6
    assert "largest difference from the closed forms" in done.stdout


def test_an_unknown_name_is_one_sentence():
    done = invoke("run", "nothing")
    assert done.exit_code == 2
    assert "no bench named 'nothing'" in done.stderr and "Traceback" not in done.output


def test_whole_experiment_says_its_cost():
    done = invoke("run", "noise-0.2-cifar10", "--scale", "paper", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["parameters"] > 4e7 and found["batch"] == {"teacher": 512, "distillation": 256}
    assert found["gpu_hours"]["teacher"] > 10 and "GPU hours" in done.stdout


def test_every_experiment_has_its_protocol():
    from rsd_mri.evaluation.benches import BENCHES
    from rsd_mri.protocol import load_protocol

    for one in BENCHES:
        if one.name not in ("linear", "recon"):
            assert load_protocol(one.name).name == one.name


def test_listing_does_not_import_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from rsd_mri.bench_cli import bench; "
        "CliRunner().invoke(bench, ['list']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
