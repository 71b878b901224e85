"""Posterior samplers against the exact posterior of Gaussian images."""

import pytest
import torch

from rsd_mri.diffusion.noise_levels import geometric
from rsd_mri.operators import sense_operator
from rsd_mri.reconstruction.posterior import decoupled_annealing, measured_consistency, preconditioned_langevin

C, SIGMA = 0.8, 0.15
SHAPE = (6, 8)


@pytest.fixture(scope="module")
def problem():
    rng = torch.Generator().manual_seed(0)
    csm = torch.randn(1, 2, *SHAPE, dtype=torch.complex128, generator=rng)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1])
    operator = sense_operator(csm, mask)
    x = C * torch.randn(1, *SHAPE, dtype=torch.complex128, generator=rng)
    y = operator(x)
    y = y + SIGMA * operator.sampling(torch.randn(y.shape, dtype=y.dtype, generator=rng))
    basis = torch.eye(48, dtype=torch.complex128).reshape(48, *SHAPE)
    gram = operator.gram(basis).reshape(48, 48).T
    covariance = torch.linalg.inv(gram / SIGMA**2 + torch.eye(48) / C**2)
    mean = covariance @ (operator.adjoint(y).reshape(48) / SIGMA**2)
    return operator, y, mean, covariance


def gaussian(x, t, step):
    """The optimal denoiser of CN(0, C^2) images."""
    return x * (C**2 / (C**2 + t**2)).reshape(-1, 1, 1)


def noise_source(seed):
    rng = torch.Generator().manual_seed(seed)
    return lambda step, what, like: torch.randn(like.shape, dtype=like.dtype, generator=rng)


def check(samples, mean, covariance, tolerance):
    flat = samples.reshape(len(samples), -1)
    spread = covariance.diagonal().real
    assert ((flat.mean(0) - mean).abs() ** 2 / spread).mean() < 4 / len(samples) + tolerance**2
    centred = flat - flat.mean(0)
    empirical = centred.T @ centred.conj() / len(samples)
    # Relative to the exact covariance, in its own metric: 0 where equal, O(sqrt(48 / n)) by chance.
    factor = torch.linalg.inv(torch.linalg.cholesky(covariance))
    error = torch.linalg.eigvalsh(factor @ empirical @ factor.conj().T) - 1
    assert error.mean().abs() < tolerance
    assert error.abs().max() < 3 * (48 / len(samples)) ** 0.5 + tolerance


def test_decoupled_annealing_samples_the_exact_posterior(problem):
    operator, y, mean, covariance = problem
    n = 2000
    samples = decoupled_annealing(
        gaussian, operator, y.expand(n, *y.shape[1:]), torch.tensor(SIGMA), geometric(12, 0.003, 3.0), noise_source(1),
        C, torch.zeros(n, *SHAPE, dtype=torch.complex128), iterations=40,
    )
    check(samples, mean, covariance, 0.03)


def test_preconditioned_langevin_samples_the_exact_posterior(problem):
    operator, y, mean, covariance = problem
    n = 600
    samples = preconditioned_langevin(
        gaussian, operator, y.expand(n, *y.shape[1:]), torch.tensor(SIGMA), geometric(40, 0.1, 3.0), noise_source(2),
        torch.zeros(n, *SHAPE, dtype=torch.complex128), step_size=0.3, iterations=25, steps_per_level=2,
    )
    check(samples, mean, covariance, 0.15)


def test_a_wrong_noise_level_is_caught(problem):
    """The check can fail: with twice the noise the covariance is wrong."""
    operator, y, mean, covariance = problem
    n = 1000
    samples = decoupled_annealing(
        gaussian, operator, y.expand(n, *y.shape[1:]), torch.tensor(2 * SIGMA), geometric(12, 0.003, 3.0),
        noise_source(1), C, torch.zeros(n, *SHAPE, dtype=torch.complex128), iterations=40,
    )
    with pytest.raises(AssertionError):
        check(samples, mean, covariance, 0.03)


def test_measured_consistency_leaves_the_null_space_alone(problem):
    operator, _, _, _ = problem
    # One coil, so that there is a null space.
    operator = sense_operator(torch.ones(1, 1, *SHAPE, dtype=torch.complex128), operator.mask[:, 0])
    z, truth = noise_source(3)(0, "", torch.zeros(2, 1, *SHAPE, dtype=torch.complex128))
    seen = operator.adjoint(operator(truth))
    out = measured_consistency(operator, z, seen, iterations=50)
    assert (operator(out) - operator(truth)).abs().max() < 1e-2
    moved = out - z
    values, vectors = torch.linalg.eigh(operator.gram(torch.eye(48, dtype=torch.complex128).reshape(48, *SHAPE))
                                        .reshape(48, 48).T)
    null = vectors[:, values < 1e-8]
    assert null.shape[1] == 24
    assert (null.conj().T @ moved.reshape(48)).abs().max() < 1e-6
