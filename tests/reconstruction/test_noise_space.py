"""Sampling in a generator's noise space, against the exact posterior of a linear generator."""

import pytest
import torch

from rsd_mri.operators import sense_operator
from rsd_mri.reconstruction.posterior.problem import Problem
from rsd_mri.reconstruction.posterior.samplers import NoiseSpace

SIGMA, SHAPE, N = 0.3, (3, 4), 1500


def normal(*shape, seed):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model():
    """A, y, a linear generator B of rank 8 and the exact law of B z given y: mean and covariance by noise level."""
    csm = normal(1, 2, *SHAPE, seed=0)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    operator = sense_operator(csm, torch.tensor([1, 0, 0, 1]))
    size = SHAPE[0] * SHAPE[1]
    b = normal(size, size, seed=1) / size**0.5
    b[:, 8:] = 0
    y = operator((b @ normal(size, seed=2)).reshape(1, *SHAPE))
    y = y + SIGMA * operator.sampling(normal(*y.shape, seed=3))
    eye = torch.eye(size, dtype=torch.complex128)
    gram = operator.gram(eye.reshape(size, *SHAPE)).reshape(size, size).T

    def law(sigma):
        inner = torch.linalg.inv(b.mH @ gram @ b / sigma**2 + eye)
        return b @ inner @ b.mH @ operator.adjoint(y).flatten() / sigma**2, b @ inner @ b.mH

    return operator, y, b, law


def chains(model, count, **settings):
    operator, y, b, _ = model
    rng = torch.Generator().manual_seed(7)

    def noise(step, what, like):
        return torch.randn(like.shape, dtype=like.dtype, generator=rng)

    start = torch.zeros(count, *SHAPE, dtype=torch.complex128)
    problem = Problem(
        operator, y, SIGMA, lambda x, t, step: (x.flatten(1) @ b.T).reshape(x.shape), noise, start, 1.0, level=1.0
    )
    return NoiseSpace(**settings).sample(problem).flatten(1)


def errors(samples, mean, covariance):
    """Of mean and covariance, relative to the posterior's spread."""
    scale = covariance.diagonal().real.sum()
    centred = samples - samples.mean(0)
    found = centred.T @ centred.conj() / len(samples)
    return float((samples.mean(0) - mean).abs().square().sum() / scale), float(
        torch.linalg.matrix_norm(found - covariance) / torch.linalg.matrix_norm(covariance)
    )


@pytest.mark.long
def test_a_linear_generator_gives_the_exact_posterior(model):
    samples = chains(model, N, warm=20, levels=300)
    mean, covariance = errors(samples, *model[3](SIGMA))
    assert mean < 0.01
    assert covariance < 0.12
    # They are not those of another noise level.
    assert errors(samples, *model[3](2 * SIGMA))[1] > 0.3


def test_the_warm_start_alone_has_not_the_spread_of_the_posterior(model):
    """Adam on the potential ends near its minimum: images that agree with one another too much."""
    assert errors(chains(model, 200, warm=400, levels=0), *model[3](SIGMA))[1] > 0.5


def test_images_are_those_of_the_generator(model):
    samples = chains(model, 50, warm=5, levels=5)
    b = model[2]
    basis = torch.linalg.qr(b[:, :8]).Q
    outside = samples.T - basis @ (basis.mH @ samples.T)
    assert outside.abs().max() < 1e-12
