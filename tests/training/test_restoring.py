"""The step of expectation that comes before a denoiser: done once for each data set and each prior."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.experiment import restoring
from rsd_mri.experiment.restoring import restore
from rsd_mri.machine import device
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import WHOLE_IMAGES, build_denoiser, save_prior
from rsd_mri.protocol import DenoiserSettings, MaskSettings, NetworkSettings, Protocol

PROTOCOL = Protocol(
    network=NetworkSettings(channels=2, multipliers=(1, 2)), denoiser=DenoiserSettings(restored_by="posterior")
)


class Scans:
    """Two prepared slices of one coil."""

    items = ("a", "b")
    shapes = ((1, 16, 16), (1, 16, 16))

    def __len__(self):
        return 2

    def __getitem__(self, i):
        kspace = np.random.default_rng(i).normal(size=(1, 16, 16, 2)).astype(np.float32).view(np.complex64)[..., 0]
        csm, mask = np.ones((1, 16, 16), np.complex64), np.ones(16, bool)
        return {"kspace": kspace, "csm": csm, "mask": mask, "sigma": np.float32(0.1), "item": self.items[i]}


def prior(folder, seed):
    torch.manual_seed(seed)
    denoiser = build_denoiser(PROTOCOL, WHOLE_IMAGES)
    for parameter in denoiser.network.last.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save_prior(folder / "denoiser.safetensors", "denoiser", denoiser, PROTOCOL, WHOLE_IMAGES, Card())
    return folder


def test_restored_once_and_anew_under_another_prior(tmp_path):
    slices = UndersampledSlices(Scans(), MaskSettings(acceleration=2.0, acs_lines=4), 0)
    told = []
    for name in ("one", "other", "run"):
        (tmp_path / name).mkdir()
    one, other, run = prior(tmp_path / "one", 0), prior(tmp_path / "other", 1), tmp_path / "run"
    first = restore(slices, PROTOCOL, run, Progress.of(told.append), one)
    assert first.shape == (2, 16, 16) and told == [1.0]
    assert torch.equal(restore(slices, PROTOCOL, run, Progress.of(told.append), one), first) and len(told) == 1
    second = restore(slices, PROTOCOL, run, Progress.of(told.append), other)
    assert not torch.allclose(second, first, atol=1e-3) and len(told) == 2
    plain = replace(PROTOCOL, denoiser=DenoiserSettings(restored_by="tv"))
    restore(slices, plain, run, Progress.of(told.append), other)
    assert restore(slices, plain, run, Progress.of(told.append), one).shape == (2, 16, 16) and len(told) == 3
    assert torch.equal(restore(slices, PROTOCOL, run, Progress.of(told.append), other), second) and len(told) == 3


def test_without_another_prior_the_round_before_of_the_run_restores(tmp_path):
    slices = UndersampledSlices(Scans(), MaskSettings(acceleration=2.0, acs_lines=4), 0)
    run = prior(tmp_path, 0)
    first = restore(slices, PROTOCOL, run, SILENT)
    prior(tmp_path, 1)  # the round that these restorations trained
    assert torch.equal(restore(slices, PROTOCOL, run, SILENT), first)


def test_stopped_on_the_way_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "PIXELS", {"cpu": 256})  # one slice at a time
    monkeypatch.setattr(restoring, "CHECKPOINT_SECONDS", -1.0)
    slices = UndersampledSlices(Scans(), MaskSettings(acceleration=2.0, acs_lines=4), 0)
    for name in ("one", "run", "whole"):
        (tmp_path / name).mkdir()
    one, told = prior(tmp_path / "one", 0), []

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(slices, PROTOCOL, tmp_path / "run", Progress.of(stop), one)
    found = restore(slices, PROTOCOL, tmp_path / "run", Progress.of(told.append), one)
    assert told == [1.0]  # the first of the two slices was kept
    assert torch.equal(found, restore(slices, PROTOCOL, tmp_path / "whole", SILENT, one))
    assert [path.name for path in (tmp_path / "run").rglob("*.safetensors")] == ["restored-posterior.safetensors"]
