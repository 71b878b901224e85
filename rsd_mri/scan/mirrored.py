"""Lines that ran backwards without a flag that says so, as converters that drop it leave them."""

import numpy as np
from numpy.typing import NDArray

PAIRS = 12
"""Neighbouring lines about the strongest one that are compared."""
LATE = 2
"""Largest shift between lines read forth and back [samples]."""
CLEAR = 1.4
"""By how much turned neighbours have to be more alike than neighbours as they are, in the geometric mean."""


def looks_mirrored(kspace: NDArray[np.complex64]) -> bool:
    """Whether lines resemble the next one only once that is turned round, as in an echo-planar scan without flags.

    A line of k-space and the next are coils times columns that differ by one step of phase: alike, unless the object
    is that of its mirror image, for which this says no.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode]; the middle slice is looked at.
    """
    middle = np.asarray(kspace[kspace.shape[0] // 2])
    energy = (np.abs(middle) ** 2).sum(axis=(0, 1))
    strongest = int(energy.argmax())
    first = max(strongest - PAIRS // 2, 0)
    lines = np.moveaxis(middle[..., first : first + PAIRS + 1], -1, 0)
    shares = []
    for one, other in zip(lines[:-1], lines[1:], strict=True):
        if one.any() and other.any():
            shares.append(_likeness(one, other[:, ::-1]) / max(_likeness(one, other), 1e-30) + 1e-30)
    if len(shares) < PAIRS // 2:
        return False
    return float(np.exp(np.log(shares).mean())) > CLEAR and float(np.quantile(shares, 0.25)) >= 1


def _likeness(one: NDArray[np.complex64], other: NDArray[np.complex64]) -> float:
    """Largest correlation of two lines [coil, sample] over small shifts."""
    return max(float(np.abs(np.vdot(one, np.roll(other, shift, axis=-1)))) for shift in range(-LATE, LATE + 1))
