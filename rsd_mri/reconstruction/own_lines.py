"""How far the spread of posterior samples can be trusted on this scan, from lines of its own.

Acquired lines that are left out are data with a known law. If the samples are drawn from the right posterior, what was
measured there differs from their mean by their own spread and the noise, no more. By how much more it does differ is a
factor on the spread that needs no full scan.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Sense
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.held_out import Trial, drawn_outside, outside
from rsd_mri.reconstruction.methods import Method

SHARE = 0.3
"""Share of the acquired outer lines that are left out: more than to choose a method, for each is one draw."""
LEAST = 3
"""Lines below which nothing is said of the spread."""
DRAWS = 64
"""Draws of lines, of which that with the smallest holes is taken."""
GROUPS = 16
"""Groups into which the points of a 2-D pattern are put, in place of lines."""
CERTAIN = 0.5
"""Relative error of the factor above which it is not used."""
SCATTER, WORTH = 0.3, 4
"""By how much the logarithm of the factor differs from line to line, on scans whose error is known (docs/choices.md);
and how many lines' own differences this is worth. Three lines that happen to agree do not know the factor well."""
RANGE = 0.9
"""Probability with which the factor lies in the range that is said."""


@dataclass(frozen=True)
class OwnLines:
    """What the lines left out say of the spread."""

    factor: float
    """Root mean square error over root mean square spread, both without the noise: 1 where the spread is right."""
    error: float
    """Standard error of the factor's logarithm: from what the lines differ by, and what lines usually do."""
    lines: int
    """Lines left out, or groups of points."""

    @classmethod
    def of(cls, errors: Tensor, spreads: Tensor) -> "OwnLines":
        """From what `compared` found on each line."""
        total, lines = (float(errors.sum()), float(spreads.sum())), len(errors)
        if lines == 0 or total[1] <= 0:
            return cls(float("nan"), float("inf"), lines)
        factor = math.sqrt(max(total[0], 0.0) / total[1])
        return cls(factor, _standard_error(errors, spreads), lines)

    @property
    def range(self) -> tuple[float, float]:
        """Where the factor lies with the probability `RANGE`, by Student's law for so few lines."""
        from scipy.special import stdtrit

        reach = math.exp(float(stdtrit(WORTH + self.lines - 1, (1 + RANGE) / 2)) * self.error)
        return self.factor / reach, self.factor * reach

    @property
    def certain(self) -> bool:
        """Whether the lines are enough to tell."""
        return self.lines >= LEAST and self.error <= CERTAIN and math.isfinite(self.factor) and self.factor > 0

    def checks(self) -> dict[str, float]:
        """As they are stored: `own_lines` and the rest; that alone, 0, where the lines are too few to tell."""
        if not self.certain:
            return {"own_lines": 0.0}
        low, high = self.range
        return {
            "own_lines": float(self.lines),
            "own_lines_factor": self.factor,
            "own_lines_error": self.error,
            "own_lines_low": low,
            "own_lines_high": high,
        }


def spread_on_own_lines(
    method: Method, prepared: PreparedSlice, name: str, seed: int, device: torch.device
) -> dict[str, float]:
    """Judge a method's spread on acquired lines of a slice, in about the time of one of its samples.

    Parameters
    ----------
    method
        Settled.
    prepared
        The slice.
    name, seed
        Of the scan and of the draws.
    device
        Where to compute.

    Returns
    -------
    dict
        `own_lines` (how many), `own_lines_factor`, `own_lines_error`, `own_lines_low` and `own_lines_high` (see
        `OwnLines`) and `own_lines_seconds`; with `own_lines` alone, 0, where there are too few; empty where the method
        has no spread.
    """
    known, pair = method.own_lines(), method.pair()
    if known is not None:
        return known
    if pair is None:
        return {}
    left = leave_out(torch.from_numpy(prepared.mask), prepared.acs, (seed, name, "own lines"))
    if not left.any():
        return {"own_lines": 0.0}
    begun = time.perf_counter()
    trial = Trial.of(*as_operator([prepared], device), prepared.sigma, left)
    samples = trial.run(pair, [(seed, name, "own lines", number) for number in range(pair.samples)])
    found = judge_spread(trial.tested, trial.expected, prepared.sigma, samples)
    return {**found.checks(), "own_lines_seconds": time.perf_counter() - begun}


def leave_out(mask: Tensor, acs: tuple[int, int], key: Sequence[int | str]) -> Tensor:
    """Choose the acquired outer lines (or points) by which the spread is judged.

    Of lines there are few, and what they say hangs on which they are: one is drawn of each share of them by distance
    from the centre, and of many such draws that with the smallest holes is taken, which is most like the scan itself.

    Parameters
    ----------
    mask
        [phase_encode] or [readout, phase_encode], boolean.
    acs
        Fully sampled centre (readout, phase_encode), which is kept.
    key
        Of the draw.

    Returns
    -------
    Tensor
        Boolean, in the shape of the mask; empty where half of the outer lines are fewer than `LEAST`.
    """
    if mask.ndim > 1:
        return drawn_outside(mask, acs, key, _wanted)
    places = outside(mask, acs)[:, 0]
    count = _wanted(len(places))
    if not count:
        return torch.zeros_like(mask)
    shares = places[(places - len(mask) // 2).abs().argsort(stable=True)].tensor_split(count)
    rng = generator(*key)
    draws = [
        torch.stack([share[int(torch.randint(len(share), (), generator=rng))] for share in shares])
        for _ in range(DRAWS)
    ]
    left = torch.zeros_like(mask)
    left[min(draws, key=lambda lines: _holes(mask, lines))] = True
    return left


def _wanted(places: int) -> int:
    """How many of the acquired outer lines (or points) are left out."""
    wanted = max(round(SHARE * places), LEAST)
    return wanted if wanted <= places // 2 else 0


def _holes(mask: Tensor, lines: Tensor) -> int:
    """Squared distances between neighbouring lines, summed, once some are left out."""
    kept = mask.clone()
    kept[lines] = False
    ends = torch.tensor([-1, len(mask)])
    return int(torch.cat([ends[:1], kept.nonzero()[:, 0], ends[1:]]).diff().square().sum())


def judge_spread(tested: Sense, expected: Tensor, sigma: float, samples: Tensor) -> OwnLines:
    """Compare the error of the samples' mean with their spread on lines that they have not seen; as `compared`."""
    return OwnLines.of(*compared(tested, expected, sigma, samples))


def compared(tested: Sense, expected: Tensor, sigma: float, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error of the samples' mean and squared spread of the samples, on each line that they have not seen.

    The mean of K samples of variance v scatters by v / K itself, and the measurement by the noise; what is left of the
    error is to be v. Sums run over all lines, so that two samples are enough.

    Parameters
    ----------
    tested
        The operator of the lines left out, a batch of one.
    expected
        What was measured there, [1, coil, readout, phase_encode].
    sigma
        Noise level of the k-space.
    samples
        [sample, (set,) readout, phase_encode], two or more.
    """
    predicted = torch.cat([tested.forward(one[None]) for one in samples])
    mean, count = predicted.mean(0), len(samples)
    points = tested.mask.expand(1, 1, *expected.shape[-2:])[0, 0]
    spread = (predicted - mean).abs().square().sum((0, 1)) / (count - 1)
    error = (expected[0] - mean).abs().square().sum(0) - expected.shape[1] * sigma**2 * points - spread / count
    # Samples that lie denser than cells say the same again: each cell counts once.
    _, weights = tested.transform.balanced()
    if weights is not None:
        spread, error = spread * weights.square(), error * weights.square()
    return by_line(error, points), by_line(spread, points)


def _standard_error(errors: Tensor, spreads: Tensor) -> float:
    """Of the logarithm of the factor, from the power of error and spread on each line.

    The variance of a ratio of sums by what leaving out one line after the other changes, with one degree of freedom
    fewer than lines, and the usual `SCATTER` with `WORTH` more: the scale of a chi-square law given these lines.
    """
    lines, share = len(errors), spreads / spreads.sum()
    if lines < 2 or float(errors.sum()) <= 0:
        return float("inf")
    # A line that holds most of the power agrees with the total whatever it is: what the others say counts the more.
    off = (errors / errors.sum() - share) / (1 - share).clamp_min(1e-3)
    # The factor is a root: half of the ratio's relative error.
    own = (lines - 1) / lines * float(off.square().sum()) / 4
    usual = SCATTER**2 * float(share.square().sum())
    return math.sqrt((WORTH * usual + (lines - 1) * own) / (WORTH + lines - 1))


def by_line(power: Tensor, points: Tensor) -> Tensor:
    """Sums over each line left out; of a pattern in two directions over `GROUPS` groups of its points.

    Parameters
    ----------
    power
        [readout, phase_encode].
    points
        Where it was left out, of the same shape.

    Returns
    -------
    Tensor
        [line or group], in double precision.
    """
    lines = points.any(0)
    if bool((points == lines).all()):
        return power.sum(0)[lines].double()
    flat = power[points].double()
    group = torch.arange(len(flat), device=flat.device) * GROUPS // len(flat)
    return flat.new_zeros(GROUPS).index_add_(0, group, flat)
