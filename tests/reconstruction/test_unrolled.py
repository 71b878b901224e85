"""The unrolled network: closed forms, any size, learning, and what becomes of it as a method."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.machine.progress import SILENT
from rsd_mri.networks import UNet
from rsd_mri.operators import sense_operator
from rsd_mri.operators.fourier import fft2c
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import load_prior
from rsd_mri.protocol import DenoiserSettings, NetworkSettings, Protocol, ReconstructorSettings, TeacherSettings
from rsd_mri.reconstruction.finish import as_operator, magnitude_std
from rsd_mri.reconstruction.held_out import brightest_band
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.unrolled import data_step as steps
from rsd_mri.reconstruction.unrolled.examples import RestoredScans
from rsd_mri.reconstruction.unrolled.network import FEATURES, Unrolled, start_weights
from rsd_mri.reconstruction.unrolled.train import train_reconstructor
from rsd_mri.rsd.train import TrainOptions, train_denoiser

SETTINGS = NetworkSettings(channels=4, multipliers=(1, 2), fold=2)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def scan(size=(9, 12), coils=3, sets=1, dtype=torch.complex64, seed=0):
    """A random operator under a mask of lines, and k-space."""
    shape = (1, coils, *size) if sets == 1 else (1, sets, coils, *size)
    csm = torch.randn(shape, dtype=dtype, generator=rng(seed))
    csm = csm / csm.abs().square().sum(-3, keepdim=True).sqrt()
    operator = sense_operator(csm, torch.arange(size[1]) % 3 != 1)
    image = torch.randn((1, *size) if sets == 1 else (1, sets, *size), dtype=dtype, generator=rng(seed + 1))
    return operator, operator(image), image


def dense(operator, shape, dtype):
    """A^H A as a matrix."""
    n = math.prod(shape)
    units = torch.eye(n, dtype=dtype).reshape(n, *shape)
    return torch.stack([operator.gram(one[None]).flatten() for one in units], 1)


@pytest.mark.parametrize("sets", [1, 2])
def test_a_data_step_is_the_mean_of_a_gaussian_given_the_data(sets, monkeypatch):
    monkeypatch.setattr(steps, "TOLERANCE", 1e-11)
    operator, kspace, image = scan(sets=sets, dtype=torch.complex128)
    shape, sigma = image.shape[1:], 0.3
    variance = torch.rand(image.shape, dtype=torch.float64, generator=rng(5)) + 0.1
    expected = torch.randn(image.shape, dtype=torch.complex128, generator=rng(6))
    precision = torch.full((1, *(1,) * len(shape)), sigma**-2, dtype=torch.float64)
    found = steps.data_step(operator.gram, operator.adjoint(kspace), precision, expected, variance, 300)
    matrix = dense(operator, shape, torch.complex128) / sigma**2 + torch.diag(1 / variance.flatten()).to(image.dtype)
    right = operator.adjoint(kspace).flatten() / sigma**2 + (expected / variance).flatten()
    assert torch.allclose(found.flatten(), torch.linalg.solve(matrix, right), atol=1e-8)


def test_its_derivative_is_that_of_the_closed_form(monkeypatch):
    monkeypatch.setattr(steps, "TOLERANCE", 1e-13)
    operator, kspace, image = scan((4, 6), dtype=torch.complex128)
    precision = torch.full((1, 1, 1), 4.0, dtype=torch.float64)
    expected = torch.randn(image.shape, dtype=torch.complex128, generator=rng(6)).requires_grad_()
    variance = (torch.rand(image.shape, dtype=torch.float64, generator=rng(5)) + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z, v: steps.data_step(operator.gram, operator.adjoint(kspace), precision, z, v, 200),
        (expected, variance),
        fast_mode=True,
    )


def without_output(calls=1):
    """A network that predicts nothing: its denoiser is the linear one of Gaussian images."""
    model = Unrolled(SETTINGS, 0.5, calls)
    for part in (model.network.last, model.network.maps):
        for weight in part.parameters():
            torch.nn.init.zeros_(weight)
    return model


def test_for_gaussian_images_it_is_the_linear_posterior_mean(monkeypatch):
    monkeypatch.setattr(steps, "TOLERANCE", 1e-6)
    operator, kspace, image = scan()
    model, sigma = without_output(), torch.tensor([0.05])
    with torch.no_grad():
        (found,) = model(operator, kspace, sigma, 200)
    # What the data step conditions is CN(call, trust^2): the network's image and the width it starts with.
    acceleration = 1 / float(operator.mask.float().mean())
    t = math.exp(float(model.levels[0].detach() @ torch.tensor([1.0, math.log(acceleration / 4), math.log(2.5)])))
    trust = t * math.exp(float(model.trust[0].detach()))
    matrix = dense(operator, image.shape[1:], image.dtype) / 0.05**2 + torch.eye(image.numel()) / trust**2
    right = operator.adjoint(kspace).flatten() / 0.05**2 + found.call.flatten() / trust**2
    assert torch.allclose(found.image.flatten(), torch.linalg.solve(matrix, right), atol=2e-3)
    assert torch.allclose(found.std, torch.full_like(found.std, t * 0.4))


def test_the_last_image_agrees_with_the_data():
    operator, kspace, _ = scan((24, 32), coils=6)
    model = Unrolled(SETTINGS, 0.5, 2)
    for weight in model.network.last.parameters():
        torch.nn.init.normal_(weight, std=2.0, generator=rng(7))
    with torch.no_grad():
        found = model(operator, kspace, torch.tensor([0.01]), 50)
    misfit = [float((operator(one) - kspace).norm() / kspace.norm()) for one in (found[-1].call, found[-1].image)]
    assert misfit[1] < 0.1
    assert misfit[1] < misfit[0] / 3


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (9, 40)])
@pytest.mark.parametrize("sets", [1, 2])
def test_any_size_and_each_slice_by_itself(size, sets):
    model = Unrolled(SETTINGS, 0.5, 2)
    one, y, image = scan(size, sets=sets)
    other = one(image.flip(-1))
    with torch.no_grad():
        alone = model(one, y, torch.tensor([0.02]))[-1]
        together = model(one, torch.cat([y, other]), torch.tensor([0.02, 0.1]))[-1]
    assert alone.image.shape == alone.std.shape == image.shape
    assert bool((alone.std > 0).all())
    assert torch.allclose(together.image[:1], alone.image, atol=1e-4)


def test_a_phase_of_the_image_changes_nothing_else():
    operator, kspace, _ = scan((16, 24))
    model, turn = Unrolled(SETTINGS, 0.5, 2), torch.polar(torch.ones(()), torch.tensor(0.7))
    for weight in model.network.parameters():
        torch.nn.init.normal_(weight, std=0.1, generator=rng(2))
    with torch.no_grad():
        plain, turned = (model(operator, y, torch.tensor([0.02]))[-1] for y in (kspace, turn * kspace))
    assert torch.allclose(turned.image, turn * plain.image, atol=1e-3 * float(plain.image.abs().max()))
    assert torch.allclose(turned.std, plain.std, rtol=1e-3)


def test_it_begins_as_the_denoiser():
    denoiser = Denoiser(UNet(SETTINGS), 0.5)
    for weight in denoiser.parameters():
        torch.nn.init.normal_(weight, std=0.1, generator=rng(4))
    model = Unrolled(SETTINGS, 0.5, 2)
    start_weights(model, denoiser.state_dict())
    shown = torch.randn(2, 3, 16, 16, dtype=torch.complex64, generator=rng())
    t = torch.tensor([0.1, 0.02])
    with torch.no_grad():
        image, _ = model._denoised(shown, t, torch.randn(2, FEATURES, generator=rng(1)))
        assert torch.allclose(image, denoiser(shown[:, 0], t), atol=1e-5)


def blobs(count=4, side=48):
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    angles = torch.arange(count)[:, None, None] * 0.9
    inside = torch.sigmoid(20 * (0.6 - (x * angles.cos() + y * angles.sin()).abs() - 0.5 * (x**2 + y**2)))
    return (inside * (1 + 0.5 * torch.sin(9 * x + angles))).to(torch.complex64) * torch.polar(torch.ones(()), 0.5 * x)


TINY = ReconstructorSettings(
    images=16, batch=4, warmup=4, cooldown=0, rows=16, widths=(40, 48), point_rows=24, learning_rate=2e-3
)


def test_scans_are_keyed_by_number_and_obey_their_operator():
    scans = RestoredScans(blobs(), replace(TINY, map_error=(1e-6, 2e-6), noise=(1e-6, 2e-6)), 0)
    seen = set()
    for number in range(12):
        batch = scans.batch(number, [2 * number, 2 * number + 1])
        again = scans.batch(number, [2 * number + 1])
        assert torch.equal(batch.kspace[1:], again.kspace)
        support = (batch.operator.csm != 0).any(-3)
        error = batch.operator(batch.images * support) - batch.kspace
        # What lies where the maps are not known is dim.
        assert float(error.norm() / batch.kspace.norm()) < 0.1
        seen.add((batch.images.ndim, batch.operator.mask.shape[-2] > 1))
    assert {(3, False), (4, False)} <= seen


@pytest.mark.long
def test_a_tiny_training_learns_resumes_and_becomes_a_method(tmp_path):
    images = blobs()
    protocol = Protocol(
        teacher=TeacherSettings(sigma_data=0.5),
        network=SETTINGS,
        denoiser=DenoiserSettings(images=16, batch=8, patch=16, variety=0.0),
        reconstructor=TINY,
    )
    options = TrainOptions(device="cpu")
    train_denoiser(images, protocol, tmp_path, options, SILENT, Card(data="test"))
    prior = load_prior(tmp_path)
    assert method_of("one-step", prior).name == "teacher"

    def run(count):
        longer = replace(protocol, reconstructor=replace(TINY, images=count))
        return train_reconstructor(images, prior, longer, tmp_path, options, SILENT, Card(data="test"))

    def errors():
        """Mean PSNR over scans that were not learned from, and error over standard deviation."""
        method, psnr, ratio = method_of("one-step", prior), [], []
        for number in range(1000, 1006):
            batch = RestoredScans(images, TINY, 0).batch(number, [4 * number])
            made = method.estimate(batch.operator, batch.kspace, batch.sigma)
            support = (batch.operator.csm != 0).any(-3)
            error = (made.images - batch.images).abs().square()[support]
            psnr.append(-10 * math.log10(float(error.mean())))
            ratio.append(float((error / made.std.square()[support]).mean()))
        return np.mean(psnr), np.exp(np.mean(np.log(ratio)))

    assert run(16) == 16
    assert run(16) == 0
    before, _ = errors()
    assert run(320) == 304
    after, calibrated = errors()
    assert after > before + 0.5
    assert 0.4 < calibrated < 2.5


def test_a_band_is_a_scan_of_its_own():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 24), indexing="ij")
    image = torch.exp(-8 * ((y - 0.3) ** 2 + x**2)).to(torch.complex64)
    csm = torch.stack([torch.ones_like(image), torch.polar(1 + 0.3 * x, y)]) / 2
    mask = torch.arange(24) % 2 == 0
    kspace = torch.where(mask, fft2c(csm * image), torch.zeros((), dtype=torch.complex64))
    one = PreparedSlice(
        kspace.numpy(), csm.numpy(), mask.numpy(), image.numpy(), 0.01, 1.0, np.eye(2, dtype=np.complex64), (40, 24),
        (40, 8), 8, 1.0, "scan", "",
    )  # fmt: skip
    band = brightest_band(one, 16)
    operator, y_band = as_operator([band], torch.device("cpu"))
    peak = int(image.abs().sum(1).argmax())
    rows = next(i for i in range(25) if torch.allclose(torch.from_numpy(band.csm), csm[:, i : i + 16]))
    assert rows <= peak < rows + 16
    assert torch.allclose(operator(image[None, rows : rows + 16]), y_band, atol=1e-6)
    assert brightest_band(replace(one, mask=np.ones((40, 24), bool)), 16).kspace.shape == (2, 40, 24)


def test_the_magnitude_of_a_complex_error_is_half_its_power():
    noise = torch.randn(200, 200, dtype=torch.complex64, generator=rng())
    image = torch.full((200, 200), 3.0 + 0j)
    found = float(magnitude_std(image, torch.full((200, 200), 0.1))[0, 0])
    assert found == pytest.approx(float((image + 0.1 * noise).abs().std()), rel=0.02)
