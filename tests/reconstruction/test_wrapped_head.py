"""A head larger than its field of view: two sets of maps through every method."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rsd_mri.bench.reconstructions import simulated_heads
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.machine.progress import Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.networks import UNet
from rsd_mri.operators import sense_operator
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import WHOLE_IMAGES, Prior
from rsd_mri.protocol import DataSettings, MaskSettings, NetworkSettings, PrepSettings, Protocol
from rsd_mri.reconstruction import reconstruct
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.methods import total_variation
from rsd_mri.reconstruction.finish import as_operator, finish
from rsd_mri.reconstruction.full_scans import full_image, undersampled
from rsd_mri.reconstruction.memory import Batches
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, DiffPIR
from rsd_mri.reconstruction.posterior.support import windows_of
from rsd_mri.reconstruction.posterior.teacher_step import TeacherStep
from rsd_mri.reconstruction.posterior_method import Posterior
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation.simulate import simulate_scan

SIZE = (96, 64)


class Smoothing(Denoiser):
    """The best linear shrinkage of white noise on images of power sd^2: a prior that knows nothing else."""

    def forward(self, u, sigma, condition=None):
        return u * (self.sigma_data**2 / (self.sigma_data**2 + sigma**2)).reshape(-1, 1, 1)


@pytest.fixture(scope="module")
def head():
    data = replace(DataSettings(), slices=1, coils=8, noise=0.01)
    pattern = draw_mask(MaskSettings(acceleration=2.0, acs_lines=20), SIZE, generator(3, "mask"))
    common = {"size": SIZE, "plane": "axial", "contrast": "T2", "fov": 0.6}
    scan, _ = simulate_scan(data, 11, "wrapped", pattern=pattern, **common)
    full, _ = simulate_scan(replace(data, noise=0.0), 11, "wrapped", **common)
    return scan, full_image(full)


@pytest.fixture(scope="module")
def prepared(head):
    """The scan under one set of maps, under two, and as it is settled: made once for all tests."""
    return {sets: PreparedScan.of(head[0], replace(PrepSettings(), sets=sets)) for sets in ("1", "2", "auto")}


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    protocol = Protocol(network=NetworkSettings(channels=4, multipliers=(1, 2)))
    denoiser = Smoothing(UNet(protocol.network, channels=1), 0.35)
    return Prior(denoiser, "denoiser", WHOLE_IMAGES, protocol, Card(), tmp_path_factory.mktemp("prior") / "x", "0" * 64)


CASES = [
    *((method, "diffpir") for method in ("cg-sense", "l1-wavelet", "tv", "one-step", "posterior")),
    pytest.param("posterior", "annealing", marks=pytest.mark.long),
    pytest.param("posterior", "langevin", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("method", "sampler"), CASES)
def test_two_sets_beat_one(head, prepared, prior, method, sampler):
    found = {}
    for sets in ("1", "2"):
        rec = reconstruct_scan(prepared[sets], method_of(method, prior, SAMPLERS[sampler], 2), held_out=False)
        assert rec.parameters["n_sets"] == int(sets)
        found[sets] = psnr(head[1], rec.magnitude)
    assert found["2"] > found["1"] + 0.5


def test_guided_samplers_and_consistency_take_two_sets(prepared, prior):
    for sampler in ("dps", "a-dps"):
        recs = []
        for consistency in (False, True):
            method = Posterior(prior, SAMPLERS[sampler].with_levels(4), 2, consistency)
            recs.append(reconstruct_scan(prepared["2"], method, held_out=False))
        assert recs[0].samples.shape == (2, 1, *SIZE)
        # Consistency replaces what was measured, whatever the sampler did.
        assert recs[1].residual[0] < 0.05 * recs[0].residual[0]
        assert recs[1].checks["measured_dispersion"] < 0.5 * recs[0].checks["measured_dispersion"]


def test_parts_and_checks_of_a_learned_reconstruction(prepared, prior):
    rec = reconstruct_scan(prepared["auto"], Posterior(prior, samples=2))
    assert rec.measured_part.shape == rec.prior_part.shape == rec.magnitude.shape
    assert 0 < rec.checks["prior_share"] < 0.5
    # A prior that knows nothing predicts as CG-SENSE does.
    assert 0 < rec.checks["held_out_error"] < 1.2 * rec.checks["held_out_error_cg_sense"]
    assert rec.checks["measured_dispersion"] < rec.checks["unmeasured_dispersion"]
    assert any("from the prior" in note for note in rec.notes)


@pytest.mark.long
def test_a_sample_depends_on_neither_the_batch_of_samples_nor_that_of_slices(prior, monkeypatch):
    data = replace(DataSettings(), slices=3, coils=4)
    pattern = draw_mask(MaskSettings(acceleration=2.0, acs_lines=12), (48, 40), generator(3, "mask"))
    scan = PreparedScan.of(simulate_scan(data, 5, 0, size=(48, 40), pattern=pattern)[0])
    images = []
    for slices, samples in ((1, 3), (1, 1), (2, 3), (3, 3)):
        batches = Batches(slices, samples, 1)
        monkeypatch.setattr(reconstruct, "plan_batches", lambda *_, batches=batches: batches)
        shares = []
        method = Posterior(prior, DiffPIR(levels=3), 3)
        rec = reconstruct_scan(scan, method, held_out=False, progress=Progress.of(shares.append))
        images.append(rec.samples)
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0)
    for other in images[1:]:
        assert np.allclose(images[0], other, atol=2e-3 * images[0].max())


def test_unknown_noise_does_not_break_the_samplers(prior):
    operator = sense_operator(torch.ones(1, 1, 48, 40, dtype=torch.complex64), torch.arange(40) % 2 == 0)
    image = torch.randn(1, 48, 40, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    for sampler in ("diffpir", "annealing", "langevin"):
        method = Posterior(prior, SAMPLERS[sampler].with_levels(3))
        out = method.run(operator, operator(image), 1e-6, [(0, 0)])
        assert torch.isfinite(torch.view_as_real(out)).all()
        assert (operator(out) - operator(image)).abs().mean() < 0.02


@pytest.mark.long
@pytest.mark.parametrize("good", [True, False])
def test_samplers_start_from_what_predicts_the_held_out_lines(prepared, prior, monkeypatch, good):
    """A teacher that knows the image is started from; one that says nothing is not."""
    scan = prepared["auto"]
    full = {}

    def teachers(given, operator, kspace, sigma, *_, **__):
        # What total variation makes of all lines is a better image than any method makes of fewer.
        if not full:
            full["image"] = total_variation(operator, kspace, sigma)
        return full["image"] if good else torch.zeros_like(full["image"])

    monkeypatch.setattr(TeacherStep, "run", teachers)
    operator, kspace = as_operator([scan[0]], torch.device("cpu"))
    teachers(prior, operator, kspace, scan[0].sigma)
    taught = replace(prior, teacher=prior)
    rec = reconstruct_scan(scan, Posterior(taught, DiffPIR(levels=2), 1))
    assert rec.parameters["start"] == ("teacher" if good else "tv")
    assert (rec.checks["held_out_error_teacher"] < rec.checks["held_out_error_tv"]) == good
    alone = reconstruct_scan(scan, Posterior(prior, DiffPIR(levels=2), 1))
    assert alone.parameters["start"] == "tv" and "held_out_error_tv" not in alone.checks


@pytest.mark.parametrize("good", [True, False])
def test_the_one_step_image_is_of_the_network_that_predicts_the_held_out_lines(prepared, prior, monkeypatch, good):
    """A teacher that says nothing of a scan is left to the denoiser."""

    def by_network(given, operator, kspace, sigma, *_, **__):
        image = total_variation(operator, kspace, sigma)
        return image if (given.prior.teacher is not None) == good else torch.zeros_like(image)

    monkeypatch.setattr(TeacherStep, "run", by_network)
    rec = reconstruct_scan(prepared["auto"], TeacherStep(replace(prior, teacher=prior)))
    assert rec.parameters["network"] == ("teacher" if good else "denoiser")
    assert rec.magnitude.max() > 0
    assert rec.checks["held_out_error"] < rec.checks["held_out_error_cg_sense"]


@pytest.mark.long
def test_the_one_step_network_sees_what_wraps_where_it_lies():
    """As it learned: cut out and put together over the edge, the parts that wrap cost half a decibel and more."""
    full, truth = simulated_heads(4, (160, 112), 74, "wrap trial", 0.55)[-1]
    one = PreparedScan.of(undersampled(full, 4.0, 0))[0]
    operator, kspace = as_operator([one], torch.device("cpu"))
    method = method_of("one-step")
    steps = method.reconstructor.protocol.reconstructor.iterations
    with torch.no_grad():
        level = torch.tensor([one.sigma])
        cut = method.reconstructor.model(operator, kspace, level, steps, windows_of(operator.csm))[-1].image
    made = method.estimate(operator, kspace, one.sigma).images
    found = [psnr(truth, finish(one, Made(image), 0.0, parted=False).magnitude[None]) for image in (cut, made)]
    assert found[1] > found[0] + 0.5
