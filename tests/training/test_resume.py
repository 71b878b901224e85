"""A run that was killed and continued ends with the weights of one that was not."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rsd_mri.coils.prepare import calibrate_volume, prepare_slice
from rsd_mri.corruption.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.protocol import (
    DistillationSettings,
    MaskSettings,
    NetworkSettings,
    PrepSettings,
    Protocol,
    TeacherSettings,
)
from rsd_mri.rsd.train import TrainOptions, train

PROTOCOL = Protocol(
    name="tiny",
    mask=MaskSettings(acceleration=3.0, acs_lines=8),
    prep=PrepSettings(virtual_coils=3, calib_width=8, kernel_width=4),
    network=NetworkSettings(channels=4, multipliers=(1, 2)),
    teacher=TeacherSettings(images=16, batch=4, warmup=8),
    distillation=DistillationSettings(images=8, batch=4),
)


class Slices:
    """Prepared slices in memory, as `PreparedDataset` gives them."""

    def __init__(self, scan):
        volume = calibrate_volume(scan, PROTOCOL.prep)
        self.rows = [prepare_slice(scan, i, PROTOCOL.prep, volume) for i in range(scan.n_slices)]
        self.items = [f"{scan.source.name}:{i}" for i in range(scan.n_slices)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        row = self.rows[i]
        return {"kspace": row.kspace, "csm": row.csm, "mask": row.mask, "sigma": row.sigma, "item": self.items[i]}


@pytest.fixture(scope="module")
def slices(full_scan):
    return Slices(full_scan[0])


def run(slices, folder, protocol=PROTOCOL, **options):
    data = UndersampledSlices(slices, protocol.mask, protocol.seed)
    return train(data, protocol, folder, TrainOptions(device="cpu", **options), lambda *_: None, {"data": "test"})


def with_lengths(teacher, generator):
    return PROTOCOL.with_values({"teacher.images": str(teacher), "distillation.images": str(generator)})


def test_stopped_and_continued_equals_uninterrupted(slices, tmp_path):
    whole = run(slices, tmp_path / "whole")
    assert whole["images"] == {"teacher": 16, "generator": 8}
    run(slices, tmp_path / "parts", with_lengths(8, 8), stage="teacher")
    seen = run(slices, tmp_path / "parts", stage="teacher")
    assert seen["images"] == {"teacher": 8}
    run(slices, tmp_path / "parts", with_lengths(16, 4), stage="generator")
    run(slices, tmp_path / "parts", stage="generator")
    for name in ("teacher", "generator"):
        a = load_file(tmp_path / "whole" / f"{name}.safetensors")
        b = load_file(tmp_path / "parts" / f"{name}.safetensors")
        assert all(torch.equal(a[k], b[k]) for k in a), name
        assert any(not torch.equal(a[k], torch.zeros_like(a[k])) for k in a)


def test_training_never_reads_outside_the_mask(slices, tmp_path):
    """What a retrospective mask hides cannot change the weights."""
    data = UndersampledSlices(slices, PROTOCOL.mask, PROTOCOL.seed)
    one = data.batch([0])
    assert one.operator.mask.sum() == 56 // 3
    spoiled = Slices.__new__(Slices)
    spoiled.items = slices.items
    spoiled.rows = []
    for i in range(len(slices)):
        row = slices[i]
        hidden = data.batch([sorted(range(len(slices)), key=lambda j: slices.items[j]).index(i)]).operator.mask[0, 0]
        kspace = np.where(hidden.numpy(), row["kspace"], 1e3).astype(np.complex64)
        spoiled.rows.append(type("Row", (), {**row, "kspace": kspace}))
    run(slices, tmp_path / "a", with_lengths(8, 4), stage="teacher")
    run(spoiled, tmp_path / "b", with_lengths(8, 4), stage="teacher")
    a, b = (load_file(tmp_path / n / "teacher.safetensors") for n in "ab")
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_other_protocol_is_refused_and_fresh_starts_over(slices, tmp_path):
    run(slices, tmp_path, with_lengths(8, 4), stage="teacher")
    other = with_lengths(8, 4).with_values({"teacher.learning_rate": "0.5"})
    with pytest.raises(InputError, match="another protocol; continue it with the same one, or start over with --fresh"):
        run(slices, tmp_path, other, stage="teacher")
    assert run(slices, tmp_path, other, stage="teacher", fresh=True)["images"] == {"teacher": 8}


def test_log_has_no_row_twice(slices, tmp_path):
    run(slices, tmp_path, with_lengths(8, 4), stage="teacher")
    run(slices, tmp_path, stage="teacher")
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows[0] == "stage,images,seconds,name,value"
    seen = [(int(r.split(",")[1]), r.split(",")[3]) for r in rows[1:]]
    assert len(set(seen)) == len(seen)
    images = [i for i, name in seen if name == "teacher loss"]
    assert images == sorted(images)
    assert images[-1] == 16
    assert any(name.startswith("teacher loss sigma ") for _, name in seen)


def test_damaged_checkpoint_is_one_sentence(slices, tmp_path):
    run(slices, tmp_path, with_lengths(8, 4), stage="teacher")
    path = tmp_path / "checkpoint" / "teacher.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        run(slices, tmp_path, stage="teacher")


@pytest.mark.slow
def test_kill_minus_nine_in_training(tmp_path):
    """The command line, killed at some moment, run again: the weights of an uninterrupted run."""

    def command(out):
        return [
            sys.executable, "-m", "rsd_mri", "train", "--protocol", "demo", "--stage", "teacher", "--images", "96",
            "--out", str(out), "--data", str(tmp_path / "prepared"), "--set", "network.channels=4",
        ]

    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    make = [sys.executable, "-m", "rsd_mri"]
    scans = ["simulate", str(tmp_path / "raw"), "--volumes", "2", "--slices", "2", "--matrix", "64"]
    subprocess.run([*make, *scans], check=True, env=env)
    subprocess.run([*make, "prep", str(tmp_path / "raw"), "--out", str(tmp_path / "prepared")], check=True, env=env)
    subprocess.run(command(tmp_path / "whole"), check=True, env=env)
    process = subprocess.Popen(command(tmp_path / "killed"), env=env)
    log = tmp_path / "killed" / "metrics.csv"
    while process.poll() is None and (not log.is_file() or len(log.read_text().splitlines()) < 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "teacher.safetensors").exists()
    subprocess.run(command(tmp_path / "killed"), check=True, env=env)
    a, b = (load_file(tmp_path / n / "teacher.safetensors") for n in ("whole", "killed"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_hidden_error_is_the_error_on_what_is_not_shown(slices):
    """For a denoiser that gives back what it sees, the error is the signal of the hidden lines."""
    from rsd_mri.rsd.stages import hidden_error

    class Echo(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, u, t, condition=None):
            return 0 * u

    data = UndersampledSlices(slices, PROTOCOL.mask, PROTOCOL.seed)
    found = hidden_error(Echo(), data, PROTOCOL.seed, [0, 1])
    batch = data.batch([0, 1])
    keys = [(PROTOCOL.seed, "hidden error", i) for i in range(2)]
    hidden = batch.operator.mask & ~data.corruption.further(batch.operator, keys).mask
    power = (batch.y.abs().square().sum(1, keepdim=True) * hidden).sum((1, 2, 3)) / (hidden.sum((1, 2, 3)) * 64)
    expected = (power - 3 * batch.sigma**2).mean().sqrt()
    assert found == pytest.approx(float(expected), rel=1e-3)
