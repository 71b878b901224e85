"""Which axis of an array is which: named by the user, or found by what the numbers do along it.

K-space is concentrated around its centre along its two axes. Receivers see the same object through smooth
sensitivities, so one can be predicted from the next by a small kernel in k-space, and not by a factor; slices and
echoes are alike to begin with, or cannot be predicted as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.machine.evenly import evenly

SPACE = ("slice", "coil", "readout", "phase")
FRAMES = ("average", "contrast", "echo", "repetition", "time", "set", "frame")
PARTITION = "partition"
"""Second phase encode of a volume, in the place of the slices."""
NAMES = (*SPACE, PARTITION, *FRAMES)
OWN_ORDER, ASKED = "the format's own order", "named by --axes"
SMALLEST = 24
"""Points along both axes of k-space from which its numbers tell anything about axes and origin."""
FEWEST_PARTITIONS, OUTSIDE, BESIDES = 8, 0.1, 2.0
"""Partitions from which they are told from slices; energy of the outer half, of all; that of three over the others'."""
CONCENTRATED = 3.0
"""Energy in the middle of an axis over that of even energy, from which it counts as one of k-space."""
CLEARER = 1.5
"""Ratio of two measures from which the smaller one decides."""
WINDOW, KERNEL = 32, 5
"""Middle of k-space that is looked at, and the kernel's width [points]."""
GAIN = 5.0
"""How much better than a factor a kernel predicts one coil from another, at least, where an order is changed."""
NO_COILS = 0.3
"""Share of the energy that neighbouring coils leave unexplained, at least, where they are none."""
MOST_LOOKED_AT = 8
"""Indices of an axis that are looked at."""
MOST_COILS = 256


@dataclass(frozen=True)
class Axes:
    """The order of an array's axes."""

    names: tuple[str, ...]
    """One of `NAMES` for each axis."""
    evidence: str
    """Why they are these."""
    doubt: str | None = None
    """What cannot be told, if anything."""


def named(text: str, shape: Sequence[int], path: object) -> Axes:
    """Names that a user gave, as in `slice,coil,readout,phase`.

    Raises
    ------
    InputError
        If they are not as many as the axes, not known, or one of readout and phase is missing.
    """
    names = tuple(word.strip().lower() for word in text.split(","))
    unknown = [name for name in names if name not in NAMES]
    if unknown or len(set(names)) != len(names):
        raise InputError(f"--axes {text}: {(unknown or names)[0]!r}; expected each once of {', '.join(NAMES)}")
    if len(names) != len(shape):
        raise InputError(f"{path}: the array has {len(shape)} axes {list(shape)}, --axes names {len(names)}")
    if {"slice", PARTITION} <= set(names):
        raise InputError(f"--axes {text}: slice and partition; expected slices of images, or partitions of a volume")
    if not {"readout", "phase"} <= set(names):
        raise InputError(f"--axes {text}: readout and phase are needed; expected as in slice,coil,readout,phase")
    return Axes(names, ASKED)


def _power(array: NDArray[Any]) -> NDArray[np.float32]:
    return array.real.astype(np.float32) ** 2 + array.imag.astype(np.float32) ** 2


def concentration(power: NDArray[np.float32], axis: int) -> float:
    """Largest share of the energy in a twelfth of an axis (wherever it lies), over that of even energy."""
    energy = power.sum(axis=tuple(i for i in range(power.ndim) if i != axis), dtype=np.float64)
    width = max(1, round(len(energy) / 12))
    around = np.concatenate([energy, energy[: width - 1]])
    best = np.convolve(around, np.ones(width), "valid").max()
    return float(best / max(energy.sum(), 1e-300) * len(energy) / width)


def unexplained(kspace: NDArray[Any], axis: int, kernel: int = KERNEL) -> float:
    """Share of the energy along an axis that the next index does not predict by a kernel; about the noise for coils.

    Parameters
    ----------
    kspace
        [..., y, x], the middle of k-space along the last two axes.
    axis
        The one to look at.
    kernel
        Width; 1 for a factor.
    """
    moved = np.moveaxis(kspace, axis, -3).reshape(-1, kspace.shape[axis], *kspace.shape[-2:])
    middle = moved[evenly(len(moved), 4)]
    half = kernel // 2
    inside = (slice(half, middle.shape[-2] - half), slice(half, middle.shape[-1] - half))
    rest = total = 0.0
    for one in middle if min(middle.shape[-2:]) > kernel else ():
        for j in range(min(one.shape[0], MOST_LOOKED_AT)):
            target, source = one[j], one[(j + 1) % one.shape[0]]
            windows = np.lib.stride_tricks.sliding_window_view(source, (kernel, kernel)).reshape(-1, kernel**2)
            wanted = target[inside].ravel()
            windows, wanted = windows[wanted != 0], wanted[wanted != 0]
            normal = windows.conj().T @ windows
            normal += max(1e-6 * np.trace(normal).real / len(normal), 1e-30) * np.eye(len(normal))
            weights = np.linalg.solve(normal, windows.conj().T @ wanted)
            rest += float((np.abs(windows @ weights - wanted) ** 2).sum())
            total += float((np.abs(wanted) ** 2).sum())
    return rest / total if total > 0 else 1.0


def middle_of(kspace: NDArray[Any], power: NDArray[np.float32]) -> NDArray[np.complex128]:
    """Window around the largest energy along the last two axes, as wide as `WINDOW` where there is room.

    Parameters
    ----------
    kspace
        [..., y, x].
    power
        Energy of some of it, [..., y, x].
    """
    energy = power.sum(axis=tuple(range(power.ndim - 2)), dtype=np.float64)
    found = []
    for axis in (0, 1):
        profile = energy.sum(axis=1 - axis)
        width = min(WINDOW, len(profile))
        start = int(np.clip(profile.argmax() - width // 2, 0, len(profile) - width))
        found.append(slice(start, start + width))
    return kspace[..., found[0], found[1]].astype(np.complex128)


def settle_axes(array: NDArray[Any], usual: tuple[str, ...]) -> Axes:
    """Find the order of an array's axes; the usual one where nothing speaks against it.

    Parameters
    ----------
    array
        Complex, 3 to 6 axes.
    usual
        The order that the format has.
    """
    if sorted(array.shape)[-2] < SMALLEST:
        return Axes(usual, OWN_ORDER)
    power = _power(array) if usual[0] in ("readout", "coil") else _power(array[:: -(-len(array) // MOST_LOOKED_AT)])
    share = [concentration(power, axis) if array.shape[axis] > 1 else 0.0 for axis in range(array.ndim)]
    wanted = tuple(usual.index(name) for name in ("readout", "phase"))
    first, second = sorted(sorted(range(array.ndim), key=lambda axis: -share[axis])[:2])
    third = sorted(share)[-3]
    clear = min(share[first], share[second]) > max(CONCENTRATED, 2 * third)
    if not clear:
        first, second = sorted(wanted)
    moved = set(wanted) != {first, second}
    order = [name for name in usual if name in ("readout", "phase")]
    flat = np.moveaxis(array, (first, second), (-2, -1))
    powers = _power(flat[:: -(-len(flat) // MOST_LOOKED_AT)])
    others = [axis for axis in range(array.ndim) if axis not in (first, second)]
    rest = [name for name in usual if name not in ("readout", "phase")]
    evidence = ["energy of k-space is concentrated along both axes"] if moved else []
    given, said, doubt = _settle_others(middle_of(flat, powers), [array.shape[axis] for axis in others], rest, moved)
    names = dict(zip(others, given, strict=True))
    lines = _lines_along(powers)
    if lines is not None and order[lines] != "phase":
        order = order[::-1]
        evidence.append("lines are missing along the phase encode")
    names.update(zip((first, second), order, strict=True))
    found = tuple(names[axis] for axis in range(array.ndim))
    if array.ndim == 3 and (coil := _partition_for_coil(array, found)) is not None:
        return Axes(tuple(PARTITION if name == "coil" else name for name in found), coil)
    if found == usual:
        return Axes(found, OWN_ORDER, doubt)
    return Axes(found, "; ".join([*evidence, *said]), doubt)


def is_partitioned(kspace: NDArray[Any]) -> bool:
    """Whether the first axis of [slice, coil, readout, phase_encode] is a phase encode of its own.

    Its energy is then concentrated in its middle as along the other two; slices through an object hold alike.
    """
    if len(kspace) < FEWEST_PARTITIONS or min(kspace.shape[2:]) < SMALLEST:
        return False
    return peaks_as_partitions(np.array([float(_power(one[:, ::2, ::2]).sum(dtype=np.float64)) for one in kspace]))


def peaks_as_partitions(energy: NDArray[np.float64]) -> bool:
    """Whether energy [partition or slice] is that of a phase encode: concentrated about its middle."""
    n = len(energy)
    if n < FEWEST_PARTITIONS or not np.isfinite(energy).all() or not energy.any():
        return False
    quarter = n // 4
    outside = energy.sum() - energy[quarter : n - quarter].sum()
    peaked = abs(int(energy.argmax()) - n // 2) <= 1 and outside < OUTSIDE * energy.sum()
    # Half of the energy in a few of many: no stack of slices has one that outshines its neighbours so.
    return bool(peaked and np.sort(energy)[-3:].sum() > BESIDES * np.sort(energy)[:-3].sum())


def _partition_for_coil(array: NDArray[Any], names: tuple[str, ...]) -> str | None:
    """Why what would be coils are the partitions of a volume of one coil; None where they are coils."""
    if "coil" not in names:
        return None
    moved = np.moveaxis(array, names.index("coil"), 0)
    if not is_partitioned(moved[:, None]) or unexplained(middle_of(moved, _power(moved)), 0) < NO_COILS:
        return None
    return (
        f"along the axis of {len(moved)}, which would be coils, energy lies in the middle as along a phase encode, and "
        "none foretells the next: a volume of one coil"
    )


def _settle_others(
    flat: NDArray[Any], shape: list[int], rest: list[str], moved: bool
) -> tuple[list[str], list[str], str | None]:
    """Names of the axes that are not of k-space (the first ones of `flat`), why, and what stays in doubt."""
    free = [i for i, n in enumerate(shape) if n > 1]
    usual_coil = rest.index("coil") if "coil" in rest else None
    given, said, doubt = list(rest), [], None
    free = [i for i in free if shape[i] <= MOST_COILS or given[i] == "coil"]
    if len(free) > 1 and usual_coil is not None:
        bad = {i: unexplained(flat, i) for i in free}
        usual = bad.get(usual_coil, 1.0)
        best = min(bad, key=lambda i: bad[i])
        sizes = " and ".join(str(shape[i]) for i in free)
        clear = usual > CLEARER * bad[best] and unexplained(flat, best, 1) > GAIN * bad[best]
        if clear and given[best] in FRAMES and usual_coil in bad:
            # Averages with a phase of their own predict one another as coils do; the usual coils do so as well then.
            clear = unexplained(flat, usual_coil, 1) < GAIN * usual
        if best != usual_coil and clear:
            given.insert(best, given.pop(usual_coil))
            said.append(
                f"of the axes of {sizes}, the {shape[best]} predict one another as coils do "
                f"({bad[best]:.2g} unexplained against {usual:.2g})"
            )
        elif len(free) == 2 and any(bad[i] < CLEARER * usual for i in free if i != usual_coil):
            doubt = f"which axis of {sizes} is that of the coils cannot be told; {shape[usual_coil]} coils are taken"
    if moved and not said:
        said.append(f"the other axes keep their order ({', '.join(given)})")
    return given, said, doubt


def _lines_along(power: NDArray[Any]) -> int | None:
    """Which of the last two axes (of energy) misses lines between others (0 or 1); None where neither or both do."""
    points = (power != 0).any(axis=tuple(range(power.ndim - 2)))
    gaps = []
    for axis in (0, 1):
        filled = np.flatnonzero(points.any(axis=1 - axis))
        gaps.append(len(filled) > 0 and filled[-1] - filled[0] + 1 > len(filled))
    return None if gaps[0] == gaps[1] else int(gaps[1])


def arranged(array: NDArray[Any], axes: Axes) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Bring an array to [frame..., slice, coil, readout, phase_encode].

    Returns
    -------
    array, frames
        Missing axes of slices and coils have one entry; the names of the frames' axes.
    """
    frames = tuple(name for name in axes.names if name in FRAMES)
    space = [PARTITION if name == "slice" and PARTITION in axes.names else name for name in SPACE]
    order = [axes.names.index(name) for name in (*frames, *(n for n in space if n in axes.names))]
    found = array.transpose(order)
    for place, name in enumerate(space[:2]):
        if name not in axes.names:
            found = np.expand_dims(found, len(frames) + place)
    return found, frames
