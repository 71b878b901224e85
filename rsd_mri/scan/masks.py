"""Masks as data sets store them, brought to one for all slices and coils."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError


def settled_mask(
    mask: NDArray[Any], points: NDArray[np.bool_], path: Path
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Bring a stored mask to [phase_encode] or [readout, phase_encode], True where acquired.

    A mask may be stored for each slice, coil or frame, transposed, with any one value for True, as complex numbers, or
    with True where nothing was acquired: k-space tells.

    Parameters
    ----------
    mask
        As stored.
    points
        [slice, readout, phase_encode]: where k-space is not zero.
    path
        Named in errors.

    Returns
    -------
    mask, notes
        What it means, and what was unusual about it.

    Raises
    ------
    InputError
        If its shape does not fit, it has more than two values, or keeps nothing.
    """
    notes: list[str] = []
    two = _two_values(np.asarray(mask), path, notes)
    fitted = _fitted(two, points.shape, path, notes)
    if not fitted.any():
        raise InputError(f"{path}: mask keeps no point; expected 1 where k-space was acquired")
    found = np.asarray(points.any(axis=0))
    if _inverted(fitted, found):
        notes.append("the mask is 1 where k-space was not acquired: it was inverted")
        fitted = ~fitted
    if (fitted == fitted[:1]).all():
        fitted = fitted[0]
    return np.array(fitted), tuple(notes)


def _two_values(mask: NDArray[Any], path: Path, notes: list[str]) -> NDArray[np.bool_]:
    wrong = InputError(f"{path}: mask holds values other than 0 and 1; expected 1 where k-space was acquired")
    if mask.dtype.names and len(mask.dtype.names) == 2:
        mask = mask[mask.dtype.names[0]] + 1j * mask[mask.dtype.names[1]]
    if mask.dtype.kind == "c":
        if np.any(mask.imag != 0):
            raise wrong
        mask = mask.real
    if mask.dtype.kind not in "biuf" or mask.size == 0 or not np.isfinite(mask).all():
        raise wrong
    top = float(mask.max())
    if top not in (0.0, 1.0):
        notes.append(f"the mask holds 0 and {top:g}; {top:g} is taken as acquired")
    if not np.isin(mask, (0, top)).all():
        raise wrong
    return np.asarray(mask == top) if top > 0 else np.zeros(mask.shape, bool)


def _fitted(mask: NDArray[np.bool_], shape: tuple[int, ...], path: Path, notes: list[str]) -> NDArray[np.bool_]:
    """[readout, phase_encode]; the union where it was stored for several slices, coils or frames."""
    _, readout, phase = shape
    plain = mask.reshape([n for n in mask.shape if n != 1] or [1])
    if plain.shape in ((phase,), (1,) if phase == 1 else (phase,)):
        return np.broadcast_to(plain, (readout, phase))
    for one, turned in ((plain, False), (plain.swapaxes(-1, -2) if plain.ndim > 1 else plain, True)):
        if one.shape[-2:] == (readout, phase) and one.ndim > 1:
            if turned:
                notes.append("the mask was stored with its axes the other way round")
            return _union(one.reshape(-1, readout, phase), notes)
    if plain.ndim > 1 and plain.shape[-1] == phase:
        rows = _union(plain.reshape(-1, 1, phase), notes)
        return np.broadcast_to(rows, (readout, phase))
    raise InputError(
        f"{path}: mask has shape {list(mask.shape)}; expected [{phase}] or [{readout}, {phase}] "
        f"to fit kspace of {list(shape)}; write it again, or remove it: it is then found from zeros in k-space"
    )


def _union(masks: NDArray[np.bool_], notes: list[str]) -> NDArray[np.bool_]:
    if len(masks) > 1 and (masks != masks[:1]).any():
        notes.append(f"the mask changes over the {len(masks)} it is stored for; what any of them keeps counts")
    return np.asarray(masks.any(axis=0))


def _inverted(mask: NDArray[np.bool_], found: NDArray[np.bool_]) -> bool:
    """Whether k-space is filled just where the mask is not, or the mask leaves out the centre of a full k-space."""
    if mask.all() or not found.any():
        return False
    if not (mask & found).any():
        return True
    readout, phase = (n // 2 for n in mask.shape)
    core = np.s_[max(readout - 1, 0) : readout + 2, max(phase - 1, 0) : phase + 2]
    return bool(not mask[core].any() and found[core].all() and found[mask].all() and found[~mask].all())
