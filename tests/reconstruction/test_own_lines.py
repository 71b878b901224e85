"""The spread judged by the scan's own lines: exact where the posterior is, and finds what a wrong prior hides."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.operators import ifft2c, sense_operator
from rsd_mri.reconstruction.own_lines import LEAST, judge_spread, leave_out

SHAPE = (48, 64)


def draw(power, rng, count=1):
    """Gaussian images whose spectrum is `power` [readout, phase_encode]."""
    white = torch.randn(count, *SHAPE, dtype=torch.complex128, generator=rng)
    return ifft2c(power.sqrt() * white)


def falling():
    y, x = torch.meshgrid(torch.arange(48) - 24, torch.arange(64) - 32, indexing="ij")
    return 1.0 / (1 + (x**2 + y**2) / 16).double()


def posterior(power, operator, y, sigma, rng, count):
    """Exact samples for one coil of unit sensitivity: every frequency is by itself."""
    mask = operator.mask[0, 0].expand(SHAPE)
    gain = power / (power + sigma**2)
    mean = torch.where(mask, gain * y[0, 0], 0)
    variance = torch.where(mask, gain * sigma**2, power)
    white = torch.randn(count, *SHAPE, dtype=torch.complex128, generator=rng)
    return ifft2c(mean + variance.sqrt() * white)


def problem(sigma, seed, assumed=1.0, pattern="lines", samples=2):
    """Judge samples under a prior of `assumed` times the true power."""
    rng = torch.Generator().manual_seed(seed)
    csm = torch.ones(1, 1, *SHAPE, dtype=torch.complex128)
    if pattern == "lines":
        mask = (torch.arange(64) % 3 == 0) | ((torch.arange(64) - 32).abs() < 5)
        acs = (48, 9)
    else:
        mask = torch.rand(*SHAPE, generator=rng) < 0.3
        acs = (1, 1)
    operator = sense_operator(csm, mask)
    noise = sigma * operator.sampling(torch.randn(1, 1, *SHAPE, dtype=torch.complex128, generator=rng))
    y = operator(draw(falling(), rng)) + noise
    left = leave_out(mask, acs, (seed, "left"))
    short, tested = operator.with_mask(mask & ~left), operator.with_mask(left)
    found = posterior(assumed * falling(), short, short.sampling(y), sigma, rng, samples)
    return judge_spread(tested, tested.sampling(y), sigma, found)


@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize("samples", [2, 8])
def test_an_exact_posterior_has_the_factor_one(pattern, samples):
    found = [problem(0.05, seed, pattern=pattern, samples=samples) for seed in range(20)]
    squares = [one.factor**2 for one in found]
    assert sum(squares) / len(squares) == pytest.approx(1, abs=0.1)
    assert all(one.certain for one in found)


@pytest.mark.parametrize("assumed", [0.1, 0.5, 4.0])
def test_a_prior_wrong_by_a_known_factor_is_found(assumed):
    squares = [problem(0.05, seed, assumed).factor ** 2 for seed in range(20)]
    assert sum(squares) / len(squares) == pytest.approx(1 / assumed, rel=0.12)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_the_unit_of_the_scan_does_not_matter(seed, scale):
    rng = torch.Generator().manual_seed(seed)
    operator = sense_operator(torch.ones(1, 2, 16, 16, dtype=torch.complex128), torch.arange(16) % 4 == 0)
    samples = torch.randn(3, 16, 16, dtype=torch.complex128, generator=rng)
    y = operator(torch.randn(1, 16, 16, dtype=torch.complex128, generator=rng))
    one = judge_spread(operator, y, 0.1, samples)
    other = judge_spread(operator, scale * y, scale * 0.1, scale * samples)
    assert other.factor == pytest.approx(one.factor, rel=1e-9)
    assert other.error == pytest.approx(one.error, rel=1e-6)


def test_its_own_error_is_that_of_repeated_scans():
    found = [problem(0.05, seed) for seed in range(40)]
    factors = torch.tensor([math.log(one.factor) for one in found])
    said = sum(one.error for one in found) / len(found)
    assert 0.5 * float(factors.std()) < said < 2 * float(factors.std())


def test_too_few_lines_are_said_so():
    mask = torch.zeros(64, dtype=torch.bool)
    mask[24:40] = True
    mask[[2, 10, 50]] = True
    assert not leave_out(mask, (48, 16), (0,)).any()
    mask[[5, 55, 60]] = True
    left = leave_out(mask, (48, 16), (0,))
    assert int(left.sum()) == LEAST
    assert not (left & ~mask).any() and not left[24:40].any()
    assert torch.equal(left, leave_out(mask, (48, 16), (0,)))


def test_samples_without_spread_say_nothing():
    operator = sense_operator(torch.ones(1, 1, 16, 16, dtype=torch.complex128), torch.arange(16) % 4 == 0)
    same = torch.ones(2, 16, 16, dtype=torch.complex128)
    assert not judge_spread(operator, operator(same[:1]), 0.1, same).certain
