"""Slices that lack lines of the others: the measurement was broken off, or records were lost."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.slices import change_each
from rsd_mri.scan.sampling import contiguous_centre

FEW = 1 / 16
"""Share of the lines up to which those that any slice lacks are left out of all slices."""
CENTRE = 24
"""Width of the centre that is not given up for that [lines]."""
SHOWN = 8
Flags = NDArray[np.bool_]


def without_incomplete(kspace: NDArray[np.complex64], points: Flags) -> tuple[str, ...]:
    """Leave out, in place, what only some slices have, so that all that stay have the same lines.

    A few lines are left out of all slices, as long as the centre stays; a slice that lacks more than a few is left out
    itself: zeros. Nothing is changed where no slice has all lines, or half of the slices would go: those were
    undersampled differently.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode].
    points
        `filled_points` of it; changed with it.

    Returns
    -------
    tuple of str
        One sentence for each thing left out, and on slices that were zero before.
    """
    lines: Flags = np.asarray(points.any(axis=1))
    there: Flags = np.asarray(lines.any(axis=1))
    every: Flags = np.asarray(lines.any(axis=0))
    notes = []
    if there.any() and not there.all():
        notes.append(f"{_named(~there, 'slice', 'holds', 'hold')} zeros only")
    lacking = np.where(there, (every & ~lines).sum(axis=1), 0)
    if not lacking.any() or not (there & (lacking == 0)).any():
        return tuple(notes)
    few = FEW * every.sum()
    broken: Flags = lacking > few
    lost: Flags = every & ~lines[there & ~broken].all(axis=0)
    narrower = contiguous_centre(every & ~lost) < min(contiguous_centre(every), CENTRE)
    if lost.sum() > few or narrower:
        broken, lost = lacking > 0, np.zeros_like(lost)
    if 2 * broken.sum() >= there.sum():
        return tuple(notes)
    if broken.any():
        change_each(kspace, np.zeros_like, broken)
        points[broken] = False
        notes.append(
            f"{_named(broken, 'slice', 'lacks', 'lack')} up to {int(lacking[broken].max())} of the {int(every.sum())} "
            "lines that the others have (a measurement broken off, or records lost): left out, zero in the image"
        )
    if lost.any():
        change_each(kspace, lambda one: np.where(lost, np.complex64(0), one))
        points[..., lost] = False
        notes.append(f"{_named(lost, 'line', 'is', 'are')} missing from some slices: left out of all of them")
    return tuple(notes)


def _named(which: Flags, what: str, one: str, several: str) -> str:
    numbers = np.flatnonzero(which).tolist()
    listed = ", ".join(map(str, numbers[:SHOWN])) + (", ..." if len(numbers) > SHOWN else "")
    return f"{what} {listed} {one}" if len(numbers) == 1 else f"{what}s {listed} {several}"
