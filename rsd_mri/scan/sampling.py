"""Which points of k-space were acquired."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.slices import change_each
from rsd_mri.scan.masks import settled_mask
from rsd_mri.scan.middle import centre_window

MIN_CENTRE = 8
"""Narrowest fully sampled centre that coil maps are learned from [points]."""
STRAY = 0.1
"""Share of exact zeros that an acquired line may have, as integer converters leave them."""


def filled_points(kspace: NDArray[np.complex64]) -> NDArray[np.bool_]:
    """Points where any coil is not zero, [slice, readout, phase_encode]."""
    return np.stack([(one != 0).any(axis=0) for one in kspace])


def find_mask(points: NDArray[np.bool_], path: Path) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Find the mask from the zeros of k-space.

    A point is acquired if any slice is filled there. Lines are told from a 2-D pattern by whether every
    line is either (almost) filled or empty.

    Parameters
    ----------
    points
        `filled_points` of the k-space.
    path
        Named in errors.

    Returns
    -------
    mask
        [phase_encode] for lines, [readout, phase_encode] for a 2-D pattern.
    notes
        What was unusual, one sentence each.

    Raises
    ------
    InputError
        If slices were undersampled differently.
    """
    pattern = np.asarray(points.any(axis=0))
    notes: list[str] = []
    rows = np.asarray(pattern.any(axis=1))
    window = pattern[rows]
    share = window.mean(axis=0)
    lines: NDArray[np.bool_] = share > 0
    as_lines = bool((share[lines] >= 1 - STRAY).all())
    mask = lines if as_lines else pattern
    if as_lines and not window[:, lines].all():
        notes.append(f"{int((~window[:, lines]).sum())} stray zeros inside acquired lines are taken as measured")
    if as_lines and not rows.all():
        mask = rows[:, None] & lines
        first, last = np.flatnonzero(rows)[[0, -1]]
        notes.append(f"readout samples outside {first}..{last} are zero (asymmetric echo or zero padding)")
    _refuse_changing(points, mask, lines if as_lines else None, path)
    return mask, tuple(notes)


def _refuse_changing(
    points: NDArray[np.bool_], mask: NDArray[np.bool_], lines: NDArray[np.bool_] | None, path: Path
) -> None:
    """Refuse slices whose masks differ: a scan has one mask. Slices of zeros have none."""
    for index, one in enumerate(points):
        if not one.any():
            continue
        missing = (lines & ~one.any(axis=0)).any() if lines is not None else (mask & ~one).mean() > STRAY * mask.mean()
        if missing:
            raise InputError(
                f"{path}: slice {index} was undersampled differently from the others; expected one mask for "
                "all slices; save slices of the same mask in a file of their own"
            )


def settle_mask(
    kspace: NDArray[np.complex64],
    points: NDArray[np.bool_],
    stored: NDArray[Any] | None,
    path: Path,
) -> tuple[NDArray[np.bool_], str, tuple[str, ...]]:
    """Decide the mask of a scan: the stored one, else the zeros of k-space; zero k-space outside it in place.

    Returns
    -------
    mask, mask_source, notes
        As in `Scan`.

    Raises
    ------
    InputError
        If no usable mask comes out.
    """
    if stored is None:
        mask, notes = find_mask(points, path)
        return mask, "full" if mask.all() else "zeros", notes
    mask, said = settled_mask(stored, points, path)
    found = points.any(axis=0)
    notes_ = list(said)
    outside = found & ~mask
    if outside.any():
        notes_.append(
            f"{int(outside.sum())} points of k-space outside the stored mask are not zero; the mask was applied"
        )
        change_each(kspace, lambda one: one * np.broadcast_to(mask, one.shape[-2:]))
    lines = mask if mask.ndim == 1 else None
    empty = (lines & ~found.any(axis=0)) if lines is not None else (mask & ~found)
    if empty.any() and empty.mean() > (0 if lines is not None else STRAY * mask.mean()):
        what = "lines" if lines is not None else "points"
        notes_.append(f"{int(empty.sum())} {what} of the stored mask hold zeros only; they are taken as not acquired")
        mask = mask & ~empty
        if not mask.any():
            raise InputError(f"{path}: kspace is zero wherever mask is 1; expected data at the acquired points")
    _refuse_changing(points, mask, mask if mask.ndim == 1 else None, path)
    return mask, "file", tuple(notes_)


def fully_sampled_centre(mask: NDArray[np.bool_], size: tuple[int, int]) -> tuple[int, int]:
    """Find the largest fully sampled window around the centre of k-space, as near to a square as it can be.

    Parameters
    ----------
    mask
        [phase_encode] or [readout, phase_encode].
    size
        (readout, phase_encode) of k-space.

    Returns
    -------
    tuple
        Its (readout, phase_encode) size, (0, 0) where the centre is missing; it lies as `centre_window` has it.
    """
    full = np.broadcast_to(mask, size)

    def holds(window: list[int]) -> bool:
        return window[0] <= size[0] and window[1] <= size[1] and bool(full[centre_window(size, window)].all())

    window = [1, 1]
    if not holds(window):
        return 0, 0
    growing = {0, 1}
    while growing:
        axis = min(growing, key=lambda a: window[a])
        window[axis] += 1
        if not holds(window):
            window[axis] -= 1
            growing.remove(axis)
    return window[0], window[1]


def contiguous_centre(lines: NDArray[np.bool_]) -> int:
    """Width of the block of lines around index n // 2; it lies as `centre_slice` has it."""
    middle = lines.size // 2
    below, above = lines[:middle][::-1], lines[middle:]
    low = len(below) if below.all() else int(below.argmin())
    high = len(above) if above.all() else int(above.argmin())
    return 2 * low + 1 if high > low else 2 * high
