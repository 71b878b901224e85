"""What of a scan holds data of its own: a dead coil, a copy of others or a slice of zeros says nothing of the noise."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.passband import MOST_SLICES
from rsd_mri.coils.whitening import noise_covariance
from rsd_mri.machine.evenly import evenly
from rsd_mri.scan.scan import Scan

ROUNDING = 1e-13
"""Energy of a combination of coils over that of the strongest, below which it is rounding errors."""
MOST_POINTS = 1 << 14
"""Points of a slice that are looked at."""


def heard(scan: Scan) -> tuple[Scan, NDArray[np.complex128] | None]:
    """Leave out slices of zeros, and combinations of coils in which nothing was measured.

    Parameters
    ----------
    scan
        With at least one value that is not zero.

    Returns
    -------
    scan
        A few of its other slices, seen by as many combinations of coils as are independent; `scan` itself where all
        are.
    combinations
        [combination, coil], orthonormal rows; None where the coils are as they were.
    """
    filled = np.flatnonzero([(one != 0).any() for one in scan.kspace])
    kept = filled[evenly(len(filled), MOST_SLICES)]
    acquired = np.broadcast_to(scan.mask, scan.size)
    step = -(-int(acquired.sum()) // MOST_POINTS)
    points = np.concatenate([scan.kspace[index][:, acquired][:, ::step] for index in kept], axis=1)
    values, vectors = np.linalg.eigh(noise_covariance(points))
    independent = values > ROUNDING * values[-1]
    if independent.all() and len(filled) == scan.n_slices:
        return scan, None
    # The strongest first, as coils are sorted elsewhere.
    combinations = None if independent.all() else vectors[:, independent][:, ::-1].conj().T
    few = np.stack([scan.kspace[index] for index in kept])
    if combinations is not None:
        few = np.einsum("vc,scyx->svyx", combinations.astype(np.complex64), few, optimize=True)
    return replace(scan, kspace=few, noise=None, calibration=None), combinations


def of_all_coils(
    covariance: NDArray[np.complex128], combinations: NDArray[np.complex128] | None
) -> NDArray[np.complex128]:
    """Covariance of all coils from that of what was `heard`: the rest is as noisy as usual, and independent.

    Parameters
    ----------
    covariance
        [combination, combination].
    combinations
        [combination, coil], orthonormal rows; or None.
    """
    if combinations is None:
        return covariance
    back = combinations.conj().T
    rest = np.eye(len(back)) - back @ combinations
    found: NDArray[np.complex128] = back @ covariance @ combinations + np.median(np.diag(covariance).real) * rest
    return found
