"""Posterior samplers against the exact posterior of Gaussian images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rsd_mri.operators import sense_operator
from rsd_mri.reconstruction import posterior_method
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.posterior.annealing import denoised_variance
from rsd_mri.reconstruction.posterior.consistency import measured_consistency
from rsd_mri.reconstruction.posterior.problem import Problem
from rsd_mri.reconstruction.posterior.samplers import Annealing, DiffPIR, Guided, Langevin

C, SIGMA = 0.8, 0.15
SHAPE = (3, 8)


def linear_model(sets):
    """A small operator and data, with the exact posterior mean and covariance of CN(0, C^2) images."""
    rng = torch.Generator().manual_seed(0)
    image = SHAPE if sets == 1 else (sets, *SHAPE)
    csm = torch.randn(1, sets, 2, *SHAPE, dtype=torch.complex128, generator=rng)
    csm = csm / csm.abs().square().sum((1, 2), keepdim=True).sqrt()
    operator = sense_operator(csm if sets > 1 else csm[:, 0], torch.tensor([0, 1, 0, 1, 1, 0, 0, 1]))
    x = C * torch.randn(1, *image, dtype=torch.complex128, generator=rng)
    y = operator(x)
    y = y + SIGMA * operator.sampling(torch.randn(y.shape, dtype=y.dtype, generator=rng))
    n = x.numel()
    gram = operator.gram(torch.eye(n, dtype=torch.complex128).reshape(n, *image)).reshape(n, n).T
    covariance = torch.linalg.inv(gram / SIGMA**2 + torch.eye(n) / C**2)
    mean = covariance @ (operator.adjoint(y).reshape(n) / SIGMA**2)
    return operator, y, mean, covariance


@pytest.fixture(scope="module", params=[1, 2], ids=["one set", "two sets"])
def model(request):
    return linear_model(request.param)


def gaussian(x, t, step):
    """The optimal denoiser of CN(0, C^2) images."""
    return x * (C**2 / (C**2 + t**2)).reshape(-1, *(1,) * (x.ndim - 1))


def noise_source(seed):
    rng = torch.Generator().manual_seed(seed)
    return lambda step, what, like: torch.randn(like.shape, dtype=like.dtype, generator=rng)


def problem(model, n, seed, sigma=SIGMA):
    operator, y, _, _ = model
    start = torch.zeros(n, *operator.adjoint(y).shape[1:], dtype=torch.complex128)
    return Problem(operator, y, sigma, gaussian, noise_source(seed), start, C)


def check(samples, mean, covariance, tolerance):
    flat = samples.reshape(len(samples), -1)
    size = flat.shape[1]
    spread = covariance.diagonal().real
    assert ((flat.mean(0) - mean).abs() ** 2 / spread).mean() < 4 / len(samples) + tolerance**2
    centred = flat - flat.mean(0)
    empirical = centred.T @ centred.conj() / len(samples)
    # Relative to the exact covariance, in its own metric: 0 where equal, O(sqrt(size / n)) by chance.
    factor = torch.linalg.inv(torch.linalg.cholesky(covariance))
    error = torch.linalg.eigvalsh(factor @ empirical @ factor.conj().T) - 1
    assert error.mean().abs() < tolerance
    assert error.abs().max() < 3 * (size / len(samples)) ** 0.5 + tolerance


def test_decoupled_annealing_samples_the_exact_posterior(model):
    sampler = Annealing(levels=12, sigma_min=0.003, sigma_max=3.0, iterations=40, tolerance=1e-5)
    samples = sampler.sample(problem(model, 2000, 1))
    check(samples, *model[2:], 0.03)


def test_decoupled_annealing_is_exact_at_its_default_accuracy(model):
    """The last level need not be below the noise: the last draw holds the spread that is left there."""
    samples = Annealing(levels=8, sigma_min=0.05, sigma_max=3.0).sample(problem(model, 2000, 1))
    check(samples, *model[2:], 0.04)


@pytest.mark.parametrize(("width", "noise", "extrapolation"), [(0.4, 1.0, 0.0), (1.0, 1.0, 0.0), (0.4, 0.2, 0.7)])
def test_diffpir_settles_on_the_posterior_mean_of_a_wider_prior(model, width, noise, extrapolation):
    """At a fixed level t the mean's fixed point is that of the exact posterior with the power w^2 (C^2 + t^2)."""
    operator, y, exact, _ = model
    t, n = 0.4, 500
    sampler = DiffPIR(
        levels=40, sigma_min=t, sigma_max=t, width=width, iterations=30, tolerance=1e-5,
        noise=noise, extrapolation=extrapolation,
    )  # fmt: skip
    samples = sampler.sample(problem(model, n, 1))
    seen = operator.adjoint(y).flatten() / SIGMA**2
    eye = torch.eye(len(seen), dtype=torch.complex128)
    gram = operator.gram(eye.reshape(len(seen), *samples.shape[1:])).reshape(len(seen), -1).T
    expected = torch.linalg.solve(gram / SIGMA**2 + eye / (width**2 * (C**2 + t**2)), seen)
    mean, spread = samples.flatten(1).mean(0), samples.flatten(1).var(0)
    assert ((mean - expected).abs() ** 2 / spread).mean() < 4 / n
    if width < 1:  # a narrow width is a narrow prior: another mean is seen
        assert ((mean - exact).abs() ** 2 / spread).mean() > 6 / n


@pytest.mark.parametrize("own", [1, 20])
def test_samples_that_part_late_have_the_same_mean_and_after_some_levels_the_same_spread(model, own):
    """What they share is drawn for each of two slices once, and forgotten in the levels that each goes alone."""
    t, n, levels = 0.4, 400, 40
    sampler = DiffPIR(
        levels=levels, sigma_min=t, sigma_max=t, width=1.0, iterations=30, tolerance=1e-6, noise=1.0,
        extrapolation=0.0, apart=own,
    )  # fmt: skip
    common = problem(model, 2, 3)
    shown = []
    counted = replace(common, denoise=lambda x, t, step: (shown.append((len(x), step)), gaussian(x, t, step))[1])
    samples = sampler.sample(replace(problem(model, 2 * n, 1), common=counted)).unflatten(0, (2, n)).flatten(2)
    assert shown == [(2, step) for step in range(levels - own)]
    alone = replace(sampler, apart=None).sample(problem(model, n, 2)).flatten(1)
    spread = [one.var(0).mean() for one in (*samples, alone)]
    if own == 1:
        # Common noise: the slices differ, and samples of a slice by the last level's noise alone.
        assert max(spread[:2]) < 0.9 * spread[2]
        return
    assert spread[0] == pytest.approx(spread[2].item(), rel=0.05)
    for one in samples:
        error = (one.mean(0) - alone.mean(0)).abs() ** 2 / alone.var(0)
        assert error.mean() < 8 / n


def test_without_the_last_draw_the_spread_is_too_small(model):
    samples = Annealing(levels=8, sigma_min=0.3, sigma_max=3.0, final_noise=False).sample(problem(model, 1000, 1))
    with pytest.raises(AssertionError):
        check(samples, *model[2:], 0.05)


def test_preconditioned_langevin_samples_the_exact_posterior(model):
    sampler = Langevin(levels=40, sigma_min=0.1, sigma_max=3.0, step_size=0.3, iterations=25, steps_per_level=2)
    samples = sampler.sample(problem(model, 300, 2))
    check(samples, *model[2:], 0.15)


def test_a_wrong_noise_level_is_caught(model):
    """The check can fail: with twice the noise the covariance is wrong."""
    sampler = Annealing(levels=12, sigma_min=0.003, sigma_max=3.0, iterations=40)
    samples = sampler.sample(problem(model, 1000, 1, 2 * SIGMA))
    with pytest.raises(AssertionError):
        check(samples, *model[2:], 0.03)


def test_the_denoiser_measures_its_own_variance():
    shape, t = (2, 128, 128), 0.4
    x, n = (torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    # Two regions of different power: the variance is another one in each.
    power = torch.where(torch.arange(128) < 64, 1.0, 0.09)
    x = power.sqrt() * x
    gain = power / (power + t**2)
    found = denoised_variance(n, gain * (x + t * n) - x, t, window=31)
    exact = t**2 * gain
    for half in (slice(0, 48), slice(80, 128)):
        assert found[..., half].mean() == pytest.approx(exact[half].mean().item(), rel=0.03)


def test_measured_variance_gives_the_exact_spread_of_a_large_image():
    """One coil of unit sensitivity: measured frequencies have a posterior variance, the others the prior's."""
    size = 64
    mask = torch.arange(size) % 2 == 0
    operator = sense_operator(torch.ones(1, 1, size, size, dtype=torch.complex128), mask)
    rng = torch.Generator().manual_seed(0)
    x = C * torch.randn(1, size, size, dtype=torch.complex128, generator=rng)
    y = operator(x)
    y = y + SIGMA * operator.sampling(torch.randn(y.shape, dtype=y.dtype, generator=rng))
    start = torch.zeros(16, size, size, dtype=torch.complex128)
    samples = Annealing(levels=10, sigma_min=0.05, sigma_max=3.0).sample(
        Problem(operator, y, SIGMA, gaussian, noise_source(5), start, C, whole=True)
    )
    spread = samples.var(0)
    transformed = sense_operator(torch.ones(1, 1, size, size, dtype=torch.complex128), torch.ones(size))(samples)[:, 0]
    by_frequency = transformed.var(0).mean(0)
    assert by_frequency[~mask].mean() == pytest.approx(C**2, rel=0.05)
    assert by_frequency[mask].mean() == pytest.approx(1 / (1 / C**2 + 1 / SIGMA**2), rel=0.05)
    assert spread.mean() == pytest.approx(by_frequency.mean().item(), rel=1e-6)


@pytest.mark.parametrize("stochastic", [True, False], ids=["dps", "a-dps"])
def test_guided_samples_the_prior_without_data(stochastic):
    sampler = Guided(levels=120, sigma_min=0.01, sigma_max=20.0, weight=0.0, stochastic=stochastic)
    samples = sampler.sample(problem(linear_model(1), 800, 3))
    size = samples[0].numel()
    # The probability flow starts at t_max, not at infinity, and takes finite steps: within a few percent.
    check(samples, torch.zeros(size, dtype=torch.complex128), C**2 * torch.eye(size, dtype=torch.complex128), 0.08)


@pytest.mark.parametrize("stochastic", [True, False], ids=["dps", "a-dps"])
def test_guided_follows_the_data_with_its_weight(model, stochastic):
    operator, y, _, _ = model
    sampler = Guided(levels=150, sigma_min=0.01, sigma_max=20.0, stochastic=stochastic)
    misfit = [
        float((operator(replace(sampler, weight=weight).sample(problem(model, 50, 4))) - y).norm())
        for weight in (0.0, 0.05, 0.3)
    ]
    assert misfit[0] > 1.2 * misfit[1] > 1.4 * misfit[2]


def test_measured_consistency_leaves_the_null_space_alone():
    mask = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1])
    # One coil, so that there is a null space.
    operator = sense_operator(torch.ones(1, 1, *SHAPE, dtype=torch.complex128), mask)
    z, truth = noise_source(3)(0, "", torch.zeros(2, 1, *SHAPE, dtype=torch.complex128))
    seen = operator.adjoint(operator(truth))
    out = measured_consistency(operator, z, seen, iterations=50)
    assert (operator(out) - operator(truth)).abs().max() < 1e-2
    moved = out - z
    values, vectors = torch.linalg.eigh(
        operator.gram(torch.eye(24, dtype=torch.complex128).reshape(24, *SHAPE)).reshape(24, 24).T
    )
    null = vectors[:, values < 1e-8]
    assert null.shape[1] == 12
    assert (null.conj().T @ moved.reshape(24)).abs().max() < 1e-6


def test_small_slices_begin_together_as_each_would_alone(monkeypatch):
    rng = np.random.default_rng(0)
    csm = torch.from_numpy(rng.normal(size=(3, 2, 16, 16)) + 1j * rng.normal(size=(3, 2, 16, 16))).to(torch.complex64)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.from_numpy(rng.random((3, 1, 16)) < [[[0.4]], [[0.6]], [[1.0]]])
    mask[..., 6:10] = True
    operator = sense_operator(csm, mask)
    images = torch.zeros(3, 16, 16, dtype=torch.complex64)
    images[0, 4:12, 3:9], images[1, 5:8, 2:14], images[2] = 1.0, 1j, 0.3
    kspace = operator.forward(images)
    sigma = torch.tensor([0.01, 0.03, 0.002])
    together = posterior_method._starts(CLASSICAL["tv"], operator, kspace, sigma)
    monkeypatch.setattr(posterior_method, "SMALL", 0)
    assert torch.allclose(together, posterior_method._starts(CLASSICAL["tv"], operator, kspace, sigma), atol=1e-5)
