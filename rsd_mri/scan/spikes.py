"""Samples of k-space that stand alone: spikes, which leave stripes over the image and are no centre of k-space."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.slices import Slices
from rsd_mri.machine.evenly import evenly

ALONE = 1e4
"""Energy of a sample over that of those beside it, and over the typical one, from which it is a spike."""
ON_DISK = 16
"""Slices looked at where reading them takes long."""
MIDDLE = 2
"""Distance from n // 2 along both axes up to which a sample is the echo and no spike [points]."""


def spikes(energy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which samples are far stronger than those before and after them in the readout.

    The echo of an object has neighbours of its kind, unless the object fills the field of view evenly.

    Parameters
    ----------
    energy
        [readout, phase_encode], over coils; zero where not measured.
    """
    found = np.zeros(energy.shape, bool)
    if len(energy) < 3:
        return found
    beside = np.maximum(energy[:-2], energy[2:])
    known = (energy[:-2] > 0) & (energy[2:] > 0)
    found[1:-1] = known & (energy[1:-1] > ALONE * beside)
    if not found.any():  # as of nearly all slices: the median takes longer than the rest
        return found
    found &= energy > ALONE * float(np.median(energy[energy > 0]))
    rows, columns = (slice(max(n // 2 - MIDDLE, 0), n // 2 + MIDDLE + 1) for n in energy.shape)
    found[rows, columns] = False
    return found


def energy_of(one: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Energy of a slice [coil, readout, phase_encode] over its coils."""
    with np.errstate(over="ignore", invalid="ignore"):  # found by the checks of values
        power: NDArray[np.float32] = np.einsum("cyx,cyx->yx", one.real, one.real)
        power = power + np.einsum("cyx,cyx->yx", one.imag, one.imag)
    return power.astype(np.float64)


def without_spikes(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy [readout, phase_encode] with spikes as weak as what is typical."""
    alone = spikes(energy)
    return np.where(alone, float(np.median(energy[energy > 0])), energy) if alone.any() else energy


def spikes_in_words(kspace: NDArray[np.complex64]) -> tuple[str, ...]:
    """A note on the spikes of [slice, coil, readout, phase_encode], where there are any.

    Of slices that lie on disk a few are looked at: those of a volume, transformed, all show its spikes.
    """
    n = len(kspace)
    looked_at = evenly(n, ON_DISK) if isinstance(kspace, Slices) else range(n)
    found = [(int(index), *np.argwhere(spikes(energy_of(kspace[index])))) for index in looked_at]
    with_any = [one for one in found if len(one) > 1]
    if not with_any:
        return ()
    count = sum(len(one) - 1 for one in with_any)
    index, first, *_ = with_any[0]
    return (
        f"{count} samples of k-space stand alone, more than {ALONE**0.5:.0f} times as large as those beside them (the "
        f"first: slice {index}, sample {first[0]}, line {first[1]}): spikes, which leave stripes over the image; set "
        "them to zero, or measure again",
    )
