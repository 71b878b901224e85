"""Values that rounding leaves where nothing was measured: they are no data, and would count as measured."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.slices import change_each
from rsd_mri.machine.evenly import evenly

LOOKED_AT = 4
"""Slices looked at."""
APART = 100.0
"""Weakest of what was measured over the strongest of what rounding left, at least."""
SMALL = 1e-6
"""Largest of what rounding leaves, over the largest value of k-space."""
ONE_SIDE = 8
"""Lines of rounding at one end alone from which they are no decay of k-space, which is that of both ends."""


def residues(kspace: NDArray[np.complex64]) -> NDArray[np.bool_] | None:
    """Where values are rounding and no data: [phase_encode] of lines, [readout, phase_encode] of points.

    They are far weaker than everything else, and lie between what was measured, or at one end of k-space only: values
    of an image without noise, which may become as small, do so towards all ends.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode].

    Returns
    -------
    ndarray or None
        None where there are none.
    """
    chosen = evenly(len(kspace), LOOKED_AT)
    points = np.max([np.abs(kspace[index]).max(axis=0) for index in chosen], axis=0).astype(np.float64)
    most = SMALL * float(points.max())
    lines = np.sqrt(np.square(points).mean(axis=0))
    split = _widest_gap(lines, most)
    if split is not None and (_inside(lines, split) or _at_one_end(lines, split)):
        return np.asarray((lines > 0) & (lines <= split))
    split = _widest_gap(points, most)
    if split is not None and any(_inside(one, split) for one in (*points, *points.T)):
        return np.asarray((points > 0) & (points <= split))
    return None


def _widest_gap(levels: NDArray[np.float64], most: float) -> float | None:
    """The largest of the levels below the widest gap among those that are not zero, where that is rounding."""
    ordered = np.sort(levels[levels > 0])
    if len(ordered) < 2 or ordered[0] > most:
        return None
    ratios = ordered[1:] / ordered[:-1]
    widest = int(ratios.argmax())
    return float(ordered[widest]) if ratios[widest] >= APART and ordered[widest] <= most else None


def _inside(levels: NDArray[np.float64], split: float) -> bool:
    """Whether a level up to the split lies between stronger ones."""
    strong = np.flatnonzero(levels > split)
    between = levels[strong[0] : strong[-1]] if len(strong) else strong
    return bool(((between > 0) & (between <= split)).any())


def _at_one_end(levels: NDArray[np.float64], split: float) -> bool:
    strong = np.flatnonzero(levels > split)
    ends = (int(strong[0]), len(levels) - 1 - int(strong[-1])) if len(strong) else (0, 0)
    return max(ends) >= ONE_SIDE and min(ends) == 0


def without_residues(kspace: NDArray[np.complex64]) -> tuple[str, ...]:
    """Set values that rounding left to zero, in place; return a note where there were any."""
    weak = residues(kspace)
    if weak is None:
        return ()
    change_each(kspace, lambda one: np.where(weak, np.complex64(0), one))
    what = "lines" if weak.ndim == 1 else "points"
    return (
        f"{int(weak.sum())} {what} of k-space hold values a millionth of the largest and less, far below all others, "
        "as rounding leaves them where nothing was measured: they are taken as not measured",
    )
