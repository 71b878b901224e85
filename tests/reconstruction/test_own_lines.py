"""The spread judged by the scan's own lines: exact where the posterior is, and finds what a wrong prior hides."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.operators import ifft2c, sense_operator
from rsd_mri.reconstruction.held_out import drawn_outside, outside
from rsd_mri.reconstruction.own_lines import LEAST, SCATTER, judge_spread, leave_out

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


def problem(sigma, seed, assumed=1.0, pattern="lines", samples=2, every=3, scatter=0.0):
    """Judge samples under a prior of `assumed` times the true power, which may itself scatter from line to line."""
    rng = torch.Generator().manual_seed(seed)
    csm = torch.ones(1, 1, *SHAPE, dtype=torch.complex128)
    if pattern == "lines":
        mask = (torch.arange(64) % every == 0) | ((torch.arange(64) - 32).abs() < 5)
        acs = (48, 9)
    else:
        mask = torch.rand(*SHAPE, generator=rng) < 0.3
        acs = (1, 1)
    operator = sense_operator(csm, mask)
    noise = sigma * operator.sampling(torch.randn(1, 1, *SHAPE, dtype=torch.complex128, generator=rng))
    # A log-normal number has the mean 1 with this median: the prior stays right on average.
    lines = torch.exp(2 * scatter * torch.randn(64, dtype=torch.float64, generator=rng) - 2 * scatter**2)
    y = operator(draw(falling() * (lines if scatter else 1), rng)) + noise
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


def share_in_range(**problem_of):
    found = [problem(0.05, seed, **problem_of) for seed in range(120)]
    return sum(one.range[0] <= 1 <= one.range[1] for one in found) / len(found), found


@pytest.mark.parametrize(("every", "lines"), [(8, 3), (4, 4), (3, 6)])
def test_the_range_holds_an_exact_posterior_and_one_whose_lines_scatter_as_usual(every, lines):
    """Whatever the few lines happen to agree on."""
    exact, found = share_in_range(every=every)
    assert exact >= 0.95 and {one.lines for one in found} == {lines}
    scattered, _ = share_in_range(every=every, scatter=SCATTER)
    assert 0.8 <= scattered <= 0.97


@pytest.mark.long
def test_many_groups_of_points_know_the_factor_well():
    share, found = share_in_range(pattern="points", samples=8)
    assert 0.83 <= share <= 0.97
    few = [problem(0.05, seed, every=8, samples=8) for seed in range(120)]
    assert sum(one.error for one in found) < 0.6 * sum(one.error for one in few)


def test_lines_that_differ_more_than_usual_widen_the_range():
    calm, wild = ([problem(0.05, seed, scatter=s).error for seed in range(40)] for s in (SCATTER, 3 * SCATTER))
    assert sum(wild) > 1.5 * sum(calm)


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


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), centre=st.integers(4, 20))
def test_lines_left_out_are_of_every_distance_and_leave_small_holes(seed, centre):
    rng = torch.Generator().manual_seed(seed)
    mask = torch.rand(128, generator=rng) < 0.25
    mask[64 - centre // 2 : 64 - centre // 2 + centre] = True
    left = leave_out(mask, (1, centre), (seed,))
    outer = outside(mask, (1, centre))[:, 0]
    ranks = (outer - 64).abs().argsort(stable=True).argsort(stable=True)
    chosen = sorted(ranks[left[outer]].tolist())
    bounds = [len(part) for part in outer.tensor_split(len(chosen))]
    ends = [sum(bounds[: i + 1]) for i in range(len(bounds))]
    assert all(end - size <= rank < end for rank, size, end in zip(chosen, bounds, ends, strict=True))

    def holes(lines):
        kept = [-1, *(mask & ~lines).nonzero()[:, 0].tolist(), 128]
        return sum((b - a) ** 2 for a, b in zip(kept, kept[1:], strict=False))

    others = sorted(
        holes(drawn_outside(mask, (1, centre), (seed, number), lambda _: len(chosen))) for number in range(21)
    )
    assert holes(left) <= others[10]
