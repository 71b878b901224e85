"""Adaptation to a scan: a spoiled prior is mended, one that gains nothing is kept, nothing is changed in place."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction import adapt as module
from rsd_mri.reconstruction.adapt import adapt, adaptable, agreed, movable
from rsd_mri.reconstruction.full_scans import full_image
from rsd_mri.reconstruction.methods import find_prior, method_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation import simulate_scan

CPU = torch.device("cpu")
SIZE = (40, 48)
SHORT = replace(SAMPLERS["varied"], levels=2, start="tv")


@pytest.fixture(scope="module")
def scan_and_truth():
    law = {"size": SIZE, "plane": "axial", "contrast": "T2"}
    data = DataSettings(slices=1, coils=6, noise=0.01)
    full, _ = simulate_scan(data, 5, "adapt", **law)
    truth = full_image(simulate_scan(replace(data, noise=0.0), 5, "adapt", **law)[0])
    mask = draw_mask(MaskSettings(acceleration=2.0, acs_lines=12), SIZE, generator(5, "mask")).mask.numpy()
    return replace(full, kspace=full.kspace * mask, mask=mask, mask_source="file"), truth


@pytest.fixture(scope="module")
def prepared(scan_and_truth):
    """The scan with its maps: made once for all tests."""
    return PreparedScan.of(scan_and_truth[0])


@pytest.fixture(scope="module")
def spoiled():
    """The package's prior with an output of 0.4 of its strength."""
    prior = find_prior(None, "posterior")
    denoiser = copy.deepcopy(prior.denoiser)
    with torch.no_grad():
        for weight in denoiser.network.last.parameters():
            weight.mul_(0.4)
    return replace(prior, denoiser=denoiser)


@pytest.mark.long
def test_a_spoiled_prior_is_mended_by_the_scan_itself(scan_and_truth, prepared, spoiled, monkeypatch):
    for name, value in {"RATE": 1e-3, "STEPS": 24, "EVERY": 6}.items():
        monkeypatch.setattr(module, name, value)
    method = method_of("posterior", spoiled, SHORT, 1)
    before = copy.deepcopy(spoiled.denoiser.state_dict())
    found = adapt(method, prepared[0], "a scan", 0, CPU)
    assert found.steps > 0 and found.after < 0.98 * found.before and "was adapted" in found.note()
    # What was given is as it was, and no gradient is asked of what comes back.
    assert all(torch.equal(value, before[name]) for name, value in spoiled.denoiser.state_dict().items())
    assert not any(weight.requires_grad for weight in found.method.prior.denoiser.parameters())
    few = sum(weight.numel() for weight in movable(spoiled.denoiser))
    assert few < 0.4 * sum(weight.numel() for weight in spoiled.denoiser.parameters())
    recs = [reconstruct_scan(prepared, how, held_out=False) for how in (method, found.method)]
    qualities = [psnr(scan_and_truth[1], rec.magnitude) for rec in recs]
    assert qualities[1] > qualities[0] + 0.1


@pytest.mark.long
def test_the_same_seed_gives_the_same_weights(prepared, spoiled, monkeypatch):
    for name, value in {"RATE": 1e-3, "STEPS": 1, "EVERY": 1, "LEAST_GAIN": -1.0, "agreed": lambda gains: True}.items():
        monkeypatch.setattr(module, name, value)
    method = method_of("posterior", spoiled, SHORT, 1)
    first, second = (adapt(method, prepared[0], "a scan", 0, CPU) for _ in range(2))
    assert (first.steps, first.before, first.after) == (second.steps, second.before, second.after)
    states = [found.method.prior.denoiser.state_dict() for found in (first, second)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_weights_that_gain_nothing_are_not_kept(prepared, monkeypatch):
    monkeypatch.setattr(module, "STEPS", 2)
    monkeypatch.setattr(module, "EVERY", 1)
    monkeypatch.setattr(module, "LEAST_GAIN", 1.0)
    method = method_of("posterior", None, SHORT, 1)
    rec = reconstruct_scan(prepared, method, adapt=True, held_out=False)
    assert rec.checks["adapted_steps"] == 0 and any("was not adapted" in note for note in rec.notes)
    plain = reconstruct_scan(prepared, method, held_out=False)
    assert (rec.magnitude == plain.magnitude).all()


def test_a_gain_on_one_line_alone_is_none():
    assert agreed(torch.tensor([1.0, 2.0, 1.5])) and agreed(torch.tensor([0.0, 0.0, 33.0, 3.0, 2.0]))
    assert not agreed(torch.tensor([-4.0, -2.0, 18.0, 0.0])) and not agreed(torch.tensor([0.0, 0.0, 0.0, 9.0]))
    assert not agreed(torch.tensor([9.0])) and not agreed(torch.zeros(4))


@pytest.mark.long
@pytest.mark.parametrize("agree", [True, False])
def test_a_prior_stays_where_lines_do_not_agree(prepared, spoiled, monkeypatch, agree):
    for name, value in {"RATE": 1e-3, "STEPS": 6, "EVERY": 6, "agreed": lambda gains: agree}.items():
        monkeypatch.setattr(module, name, value)
    method = method_of("posterior", spoiled, SHORT, 1)
    found = adapt(method, prepared[0], "a scan", 0, CPU)
    assert (found.steps > 0) == agree and (found.method is method) != agree and (found.after < found.before) == agree


def test_too_few_lines_are_said(scan_and_truth):
    scan, _ = scan_and_truth
    mask = scan.mask.copy()
    mask[:], mask[24 - 8 : 24 + 8], mask[[2, 44]] = False, True, True
    few = replace(scan, kspace=scan.kspace * mask, mask=mask)
    found = adapt(method_of("posterior", None, SHORT, 1), PreparedScan.of(few)[0], "few", 0, CPU)
    assert math.isnan(found.before) and found.checks() == {"adapted_steps": 0.0} and "too few lines" in found.note()


def test_what_has_no_denoiser_is_refused(tmp_path):
    with pytest.raises(InputError, match="--method tv has no denoiser"):
        adaptable(method_of("tv"))
    prior = find_prior(None, "posterior")
    with pytest.raises(InputError, match="is a teacher; only a denoiser"):
        adaptable(method_of("posterior", prior.teacher))
    done = CliRunner().invoke(app, ["recon", str(tmp_path / "scan.h5"), "--method", "tv", "--adapt"])
    assert done.exit_code == 2 and "has no denoiser to adapt" in done.output
