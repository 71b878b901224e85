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
from rsd_mri.reconstruction.held_out import Trial
from rsd_mri.reconstruction.methods import Method

SHARE = 0.3
"""Share of the acquired outer lines that are left out: more than to choose a method, for each is one draw."""
LEAST = 3
"""Lines below which nothing is said of the spread."""
GROUPS = 16
"""Groups into which the points of a 2-D pattern are put, in place of lines."""
CERTAIN = 0.5
"""Relative error of the factor above which it is not used."""


@dataclass(frozen=True)
class OwnLines:
    """What the lines left out say of the spread."""

    factor: float
    """Root mean square error over root mean square spread, both without the noise: 1 where the spread is right."""
    error: float
    """Relative standard error of the factor, from leaving out one line after the other."""
    lines: int
    """Lines left out, or groups of points."""

    @classmethod
    def of(cls, errors: Tensor, spreads: Tensor) -> "OwnLines":
        """From what `compared` found on each line."""
        total, lines = (float(errors.sum()), float(spreads.sum())), len(errors)
        if lines == 0 or total[1] <= 0:
            return cls(float("nan"), float("inf"), lines)
        factor = math.sqrt(max(total[0], 0.0) / total[1])
        # Left out one by one.
        others = ((total[0] - errors).clamp_min(0) / (total[1] - spreads).clamp_min(1e-30)).sqrt()
        scatter = float((others - others.mean()).square().sum()) * (lines - 1) / lines
        return cls(factor, math.sqrt(scatter) / factor if factor else float("inf"), lines)

    @property
    def certain(self) -> bool:
        """Whether the lines are enough to tell."""
        return self.lines >= LEAST and self.error <= CERTAIN and math.isfinite(self.factor) and self.factor > 0

    def checks(self) -> dict[str, float]:
        """`own_lines`, `own_lines_factor` and `own_lines_error`; the first alone, 0, where they are too few to tell."""
        if not self.certain:
            return {"own_lines": 0.0}
        return {
            "own_lines": float(self.lines),
            "own_lines_factor": self.factor,
            "own_lines_error": self.error,
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
        `own_lines` (how many), `own_lines_factor`, `own_lines_error` (see `OwnLines`) and `own_lines_seconds`; with
        `own_lines` alone, 0, where there are too few; empty where the method has no spread.
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
    outer = mask.clone()
    centre = tuple(
        slice(max(n // 2 - width // 2, 0), n // 2 - width // 2 + width)
        for n, width in zip(mask.shape, acs[-mask.ndim :], strict=True)
    )
    outer[centre] = False
    places = outer.nonzero()
    count = max(round(SHARE * len(places)), LEAST)
    left = torch.zeros_like(mask)
    if count <= len(places) // 2:
        chosen = places[torch.randperm(len(places), generator=generator(*key))[:count]]
        left[tuple(chosen.T)] = True
    return left


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
    return _by_line(error, points), _by_line(spread, points)


def _by_line(power: Tensor, points: Tensor) -> Tensor:
    """Sums over each line left out; of a pattern in two directions over `GROUPS` groups of its points."""
    lines = points.any(0)
    if bool((points == lines).all()):
        return power.sum(0)[lines].double()
    flat = power[points].double()
    group = torch.arange(len(flat), device=flat.device) * GROUPS // len(flat)
    return flat.new_zeros(GROUPS).index_add_(0, group, flat)
