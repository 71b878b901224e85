"""Restored pictures beside plain methods."""

import json

import numpy as np
import pytest
import torch
from tiny_run import picture_run
from typer.testing import CliRunner

from data_prep.images import photographs
from rsd_mri.bench.restorations import TASKS, degraded, enlarged, plainly_restored
from rsd_mri.commands.bench import bench
from rsd_mri.datasets.images import scaled
from rsd_mri.priors.prior import load_prior
from rsd_mri.protocol import NoiseSettings
from rsd_mri.reconstruction.one_picture import restore
from rsd_mri.reconstruction.picture_samplers import PICTURE_SAMPLERS
from rsd_mri.reconstruction.pictures import quality


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return picture_run(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_plain_methods_are_a_fair_match(task):
    """Told what `restore` is told, they improve on the degraded picture; one that is only smaller stays as it is."""
    gains = []
    for i, picture in enumerate(scaled(photographs(6, 32, 1, "held-out"))):
        y, seen = degraded(task, torch.from_numpy(picture), 0, i)
        given = enlarged(y.numpy(), picture.shape[-1] // y.shape[-1])
        plain = plainly_restored(task, y.numpy(), None if seen is None else seen.numpy())
        gains.append(quality(picture, plain, "")["psnr"] - quality(picture, given, "")["psnr"])
        again, _ = degraded(task, torch.from_numpy(picture), 0, i)
        assert torch.equal(y, again)
        if seen is not None:
            assert float(y[:, ~seen].max()) == -1 and abs(float((~seen).float().mean()) - task.hidden) < 0.1
    if task.baseline == "cubic":
        assert gains == [0.0] * 6
    else:
        assert np.mean(gains) > 0.5


def test_a_picture_as_noisy_as_those_of_training_is_denoised_in_one_call(run):
    """The mean of x given y is the denoiser's answer at the noise of y; nothing of y is added to it again."""
    prior = load_prior(run, "teacher")
    picture = torch.from_numpy(scaled(photographs(1, 16, 0))[0])
    found = restore(prior, picture, NoiseSettings(sigma=0.2), None, [(0, "a"), (0, "b")], PICTURE_SAMPLERS["diffpir"])
    with torch.no_grad():
        expected = prior.denoiser(picture[None], torch.tensor([0.2]))
    assert torch.allclose(found, expected.expand_as(found), atol=1e-5)


@pytest.mark.long
def test_restore_bench_by_command(run, tmp_path):
    asked = ["run", "restore", "--set", f"prior={run}", "--out", str(tmp_path), "--set", "count=10"]
    done = CliRunner().invoke(bench, [*asked, "--device", "cpu", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout.splitlines()[-1])["restored"]
    assert [row["task"] for row in rows] == [task.name for task in TASKS]
    assert all(row["pictures"] == 10 and np.isfinite(row["psnr"]) and row["interval"] > 0 for row in rows)
    table = CliRunner().invoke(bench, ["table", str(tmp_path)])
    assert table.exit_code == 0 and all(task.name in table.stdout for task in TASKS)
    assert "Not for diagnostic use" in table.stdout
