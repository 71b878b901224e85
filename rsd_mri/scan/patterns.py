"""Sampling patterns: which lines or points of k-space are acquired, and which further ones training drops."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rsd_mri.errors import InputError
from rsd_mri.protocol import MaskSettings
from rsd_mri.scan.middle import centre_slice, centre_window

SEARCH, ATTEMPTS = 50, 30
"""Of Poisson discs: densities that are tried, and places tried around a point."""
NEAR, CLOSE = 0.1, 0.05
"""Difference of the acceleration with which the search ends, and share of it that is taken where it does not end."""

POINTS = ("poisson", "elliptical", "caipi")
"""Laws of points in two directions; the others are of lines."""
LEAST_LINES, LEAST_SIDE = 8, 16
"""Default of the fully sampled centre, at least: lines, and the side of a square of points, which costs little."""


@dataclass(frozen=True)
class SamplingPattern:
    """A mask and where it came from."""

    mask: Tensor
    """[phase_encode] for lines or [readout, phase_encode] for a 2-D pattern, boolean."""
    kind: str
    """The law it was drawn from, as in `MaskSettings.kind`."""
    acceleration: float
    """Acceleration asked for."""
    acs_lines: int
    """Fully sampled centre [lines]; for a 2-D pattern the side of the centre square [points]."""
    seed: int | None = None
    """Seed of the generator it was drawn from."""

    @property
    def realised_acceleration(self) -> float:
        """All lines (or points) over those kept."""
        return self.mask.numel() / max(int(self.mask.sum()), 1)

    def __repr__(self) -> str:
        return (
            f"<SamplingPattern {self.kind} {'x'.join(map(str, self.mask.shape))} "
            f"R={self.realised_acceleration:.2f} (asked {self.acceleration:g}) acs_lines={self.acs_lines}>"
        )


def settings_for_size(settings: MaskSettings, phase_encode: int) -> MaskSettings:
    """Fill in what a mask law leaves open, for a number of phase-encode lines.

    `acs_lines` becomes the published 20 lines of 320 in proportion, at least 8 and at most half the lines
    kept (of laws of points the side of a square, at least 16); `extra_lines` becomes what takes the acceleration
    from R to R + 1, which gives the published 54, 16, 8 and 5 lines at R = 2, 4, 6 and 8.

    Raises
    ------
    InputError
        If there is no such acceleration, or the lines cannot hold the centre and at least one more.
    """
    if not settings.acceleration >= 1:
        raise InputError(f"mask.acceleration: expected at least 1, got {settings.acceleration:g}")
    kept = math.floor(phase_encode / settings.acceleration)
    if kept < 2:
        raise InputError(
            f"mask.acceleration: {settings.acceleration:g} leaves {kept} of {phase_encode} lines; take a lower one"
        )
    acs = settings.acs_lines
    if acs is None:
        points = settings.kind in POINTS
        # A square of half the points kept, of a grid as wide as it is high.
        most = int(phase_encode / math.sqrt(2 * settings.acceleration)) if points else kept // 2
        acs = max(1, min(max(round(phase_encode * 20 / 320), LEAST_SIDE if points else LEAST_LINES), most))
    extra = settings.extra_lines
    if extra is None:
        extra = kept - math.floor(phase_encode / (settings.acceleration + 1))
    return replace(settings, acs_lines=acs, extra_lines=min(max(extra, 1), max(kept - acs, 1)))


def draw_mask(settings: MaskSettings, size: tuple[int, int], rng: torch.Generator) -> SamplingPattern:
    """Draw a sampling pattern.

    Parameters
    ----------
    settings
        Law, acceleration and centre lines. `uniform` keeps exactly floor(phase_encode / acceleration)
        lines: the centre, and outer lines drawn without replacement. `variable-density` does the same with
        outer lines likelier near the centre. `random`, `equispaced` and `magic` are fastMRI's laws
        (Zbontar et al. 2018, arXiv 1811.08839) with the centre count exact. Laws of points, for two phase encodes:
        `poisson` is a variable-density Poisson disc (Bridson 2007, as in `sigpy.mri.poisson`), `elliptical` the same
        with nothing outside the ellipse that the axes span, `caipi` a sheared lattice (Breuer et al. 2006,
        doi:10.1002/mrm.20787), to which the centre comes in addition.
    size
        (readout, phase_encode).
    rng
        Where the randomness comes from.

    Raises
    ------
    InputError
        If the centre alone takes more than the acceleration allows, or the law cannot give what is asked.
    """
    readout, n = size
    settings = settings_for_size(settings, n)
    acceleration, acs_lines = settings.acceleration, settings.acs_lines or 0
    if acs_lines < 0:
        raise InputError(f"mask.acs_lines: expected 0 or more, got {acs_lines}")
    two_d = settings.kind in POINTS
    budget = int(readout * n / acceleration) if two_d else int(n / acceleration)
    wanted = acs_lines**2 if two_d else acs_lines
    if wanted > budget or acs_lines > (min(readout, n) if two_d else n):
        unit = "points" if two_d else "lines"
        raise InputError(
            f"mask.acs_lines: the centre takes {wanted} {unit}, more than the {budget} of "
            f"{readout * n if two_d else n} that an acceleration of {acceleration:g} allows; "
            "lower mask.acs_lines or mask.acceleration"
        )
    seed = rng.initial_seed()
    asked = _Asked(settings.kind, acceleration, acs_lines, (readout, n), budget)
    mask = _KINDS[settings.kind](asked, rng)
    mask[centre_window(mask.shape, (acs_lines,) * mask.ndim)] = True
    return SamplingPattern(mask, settings.kind, acceleration, acs_lines, seed)


def further_mask(mask: SamplingPattern | Tensor, acs_lines: int, extra_lines: int, rng: torch.Generator) -> Tensor:
    """Drop acquired outer lines from a mask, never the centre.

    From a 2-D pattern as many points are dropped as `extra_lines` full readouts hold.

    Parameters
    ----------
    mask
        [phase_encode] or [readout, phase_encode], True where acquired.
    acs_lines
        Centre lines (for a 2-D pattern: side of the centre square) that always stay.
    extra_lines
        Lines to drop; `settings_for_size` gives the number for a rate.
    rng
        Where the randomness comes from.

    Returns
    -------
    Tensor
        A boolean mask of the same shape, a subset of the one given.

    Raises
    ------
    InputError
        If there are fewer outer lines than are to be dropped.
    """
    kept = mask.mask if isinstance(mask, SamplingPattern) else mask != 0
    if kept.ndim not in (1, 2):
        raise ValueError(f"mask must be [phase_encode] or [readout, phase_encode], got {list(kept.shape)}")
    outer = kept.clone()
    outer[centre_window(kept.shape, (acs_lines,) * kept.ndim)] = False
    candidates = outer.flatten().nonzero()[:, 0]
    drop = extra_lines * (kept.shape[0] if kept.ndim == 2 else 1)
    if not 0 <= drop <= len(candidates):
        raise InputError(
            f"mask.extra_lines: cannot drop {drop} of {len(candidates)} acquired outer "
            f"{'points' if kept.ndim == 2 else 'lines'}; lower mask.extra_lines"
        )
    order = torch.randperm(len(candidates), generator=rng)[:drop]
    further = kept.flatten().clone()
    further[candidates[order.to(candidates.device)]] = False
    return further.reshape(kept.shape)


class _Asked(NamedTuple):
    """What a law has to meet."""

    kind: str
    acceleration: float
    acs_lines: int
    size: tuple[int, int]
    budget: int
    """Lines (or points) to keep, the centre included."""


def _outer_lines(asked: _Asked, rng: torch.Generator, power: float) -> Tensor:
    """Outer lines drawn without replacement, with weight (1 - distance from the centre)^power."""
    n = asked.size[1]
    position = torch.arange(n, dtype=torch.float64)
    weight = (1 - (position - n // 2).abs() / (n // 2 + 1)).pow(power)
    weight[centre_slice(n, asked.acs_lines)] = 0
    mask = torch.zeros(n, dtype=torch.bool)
    wanted = asked.budget - asked.acs_lines
    if wanted:
        mask[torch.multinomial(weight, wanted, replacement=False, generator=rng)] = True
    return mask


def _uniform(asked: _Asked, rng: torch.Generator) -> Tensor:
    return _outer_lines(asked, rng, power=0)


def _variable_density(asked: _Asked, rng: torch.Generator) -> Tensor:
    return _outer_lines(asked, rng, power=3)


def _fastmri(asked: _Asked, rng: torch.Generator) -> Tensor:
    from fastmri.data import subsample  # takes a second, and only these three laws need it

    n, acceleration = asked.size[1], asked.acceleration
    if asked.kind != "random":
        if not math.isclose(acceleration, round(acceleration)):
            raise InputError(
                f"mask.acceleration: '{asked.kind}' masks need a whole number, got {acceleration:g}; "
                "take another mask.kind or a whole number"
            )
        acceleration = round(acceleration)
    if asked.acs_lines == n:
        return torch.ones(n, dtype=torch.bool)
    theirs = subsample.create_mask_for_mask_type(asked.kind, [asked.acs_lines / n], [acceleration])
    with subsample.temp_seed(theirs.rng, _numpy_seed(rng)):
        # Only the outer lines: the centre is ours, so that its count is exact and it lies around n // 2.
        lines = theirs.calculate_acceleration_mask(n, acceleration, None, asked.acs_lines)
    return torch.from_numpy(lines != 0)


def _poisson(asked: _Asked, rng: torch.Generator) -> Tensor:
    return _disc(asked, asked.acceleration, (asked.acs_lines, asked.acs_lines), False, _numpy_seed(rng))


def _elliptical(asked: _Asked, rng: torch.Generator) -> Tensor:
    """Within the ellipse exactly, which sigpy has only where it knows of no centre; so many fewer for the centre."""
    seed, area = _numpy_seed(rng), asked.size[0] * asked.size[1]
    points = _disc(asked, asked.acceleration, (0, 0), True, seed)
    added = asked.acs_lines**2 - int(points[centre_window(asked.size, (asked.acs_lines,) * 2)].sum())
    return _disc(asked, area / max(asked.budget - added, 1), (0, 0), True, seed) if added else points


def _disc(asked: _Asked, acceleration: float, calib: tuple[int, int], cropped: bool, seed: int) -> Tensor:
    """Sigpy's discs, by the search of its `poisson`, which does not end where no density gives the acceleration."""
    from sigpy.mri.samp import _poisson

    size, longest = asked.size, max(asked.size)
    across = [np.maximum(abs(np.arange(n) - n / 2) - c / 2, 0) for n, c in zip(size, calib, strict=True)]
    y, x = (one / one.max() if one.any() else one for one in across)
    r = np.hypot(x[None], y[:, None])
    lowest, highest, nearest, best = 0.0, float(longest), CLOSE * acceleration, None
    for _ in range(SEARCH if acceleration > 1 else 0):
        slope = (lowest + highest) / 2
        radii = [np.clip((1 + r * slope) * n / longest, 1, None) for n in (size[1], size[0])]
        points = _poisson(size[1], size[0], ATTEMPTS, *radii, calib, seed).reshape(size) * (r < 1 if cropped else 1)
        if points.sum() == calib[0] * calib[1]:
            # Its first point fell within the centre, where none has room beside it: at any density.
            seed += 1
            continue
        found = size[0] * size[1] / max(points.sum(), 1)
        if abs(found - acceleration) < nearest:
            nearest, best = abs(found - acceleration), torch.from_numpy(points != 0)
        if nearest < NEAR:
            break
        lowest, highest = (slope, highest) if found < acceleration else (lowest, slope)
    if best is not None:
        return best
    raise InputError(
        f"mask.acceleration: no Poisson disc of {size[0]}x{size[1]} points has an acceleration of "
        f"{asked.acceleration:g} with a centre of {asked.acs_lines}; change one of them"
    )


def _caipi(asked: _Asked, rng: torch.Generator) -> Tensor:  # noqa: ARG001 - nothing is drawn
    """Every point of a lattice with `acceleration` points a cell, as square as it can be, each row shifted by half."""
    acceleration = round(asked.acceleration)
    if not math.isclose(asked.acceleration, acceleration):
        raise InputError(
            f"mask.acceleration: 'caipi' masks need a whole number, got {asked.acceleration:g}; take another mask.kind "
            "or a whole number"
        )
    rows = max(n for n in range(1, math.isqrt(acceleration) + 1) if acceleration % n == 0)
    columns = acceleration // rows
    y, z = (torch.arange(n) - n // 2 for n in asked.size)
    shift = max(columns // 2, 1) * (y // rows)
    return (y[:, None] % rows == 0) & ((z[None] - shift[:, None]) % columns == 0)


def _numpy_seed(rng: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=rng))


_KINDS: dict[str, Callable[[_Asked, torch.Generator], Tensor]] = {
    "uniform": _uniform,
    "variable-density": _variable_density,
    "random": _fastmri,
    "equispaced": _fastmri,
    "magic": _fastmri,
    "poisson": _poisson,
    "elliptical": _elliptical,
    "caipi": _caipi,
}
