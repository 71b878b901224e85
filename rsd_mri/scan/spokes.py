"""Shots of a trajectory in the place of lines: spokes and spirals all pass through the centre of k-space."""

import numpy as np
from numpy.typing import NDArray

LEAST, MANY = 6, 16
"""Shots from which they are looked at, and from which they are many."""
SAME_OF_FEW, SAME = 0.9, 0.6
"""Energy of the mean of all shots where they are strongest, over their mean energy there, from which they are the same.

Of lines of a Cartesian scan it is the share of the object's energy in one row of pixels, which few lines make wide."""


def looks_like_spokes(kspace: NDArray[np.complex64]) -> bool:
    """Whether all shots hold the same values where they are strongest, as lines of no object do.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode], either of the last two along the shots; the middle slice is looked at.
    """
    middle = np.asarray(kspace[len(kspace) // 2])
    return any(_same(shots) for shots in (middle, middle.swapaxes(-1, -2)))


def _same(shots: NDArray[np.complex64]) -> bool:
    """The same of [coil, sample, shot]."""
    energy = (np.abs(shots).astype(np.float64) ** 2).sum(axis=(0, 2))
    strongest = shots[:, int(energy.argmax())].astype(np.complex128)
    measured = strongest[:, strongest.any(axis=0)]
    if measured.shape[1] < LEAST:
        return False
    mean = float((np.abs(measured.mean(axis=1)) ** 2).sum())
    share = SAME if measured.shape[1] >= MANY else SAME_OF_FEW
    return mean > share * float((np.abs(measured) ** 2).sum(axis=0).mean())
