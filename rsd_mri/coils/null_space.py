"""Noise of a scan whose object fills the field of view, from the null space of its calibration data.

Neighbouring samples of several coils obey linear relations: the null space of ESPIRiT's calibration matrix
(Uecker et al. 2014, doi:10.1002/mrm.24751). Signal obeys them wherever the object is; noise does not.
"""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.whitening import whitening_matrix

MAX_ROWS = 4000
"""Neighbourhoods used per slice and half of the readout."""
NULL_SHARE = 0.5
"""Share of the directions, those with the least power, taken as free of signal."""
ROUNDS = 3
"""Rounds of whitening with the covariance found so far."""


def null_space_covariance(
    calibration: NDArray[np.complexfloating], start: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Estimate the noise covariance from fully sampled k-space.

    The directions with the least power are found in one half of the readout. Their power there is too low,
    since they were chosen for it; in the other half it is too high by as much, since they are not exactly
    free of signal. The mean of the two is taken, and the coil covariance that explains it best.

    Parameters
    ----------
    calibration
        [slice, coil, readout, phase_encode] complex, fully sampled and not filtered.
    start
        [coil, coil]: a first guess, too high rather than too low.

    Returns
    -------
    NDArray
        [coil, coil], E[n n^H]; `start` where the data are too few or have no such null space.
    """
    n_coils, middle = calibration.shape[1], calibration.shape[2] // 2
    width = 4 if n_coils <= 12 else 3
    n_columns = n_coils * width**2
    if n_coils < 4 or (middle - width + 1) * (calibration.shape[3] - width + 1) < 2 * n_columns:
        return start
    halves = (
        _neighbourhoods(calibration[:, :, :middle], width, slice(None, MAX_ROWS)),
        _neighbourhoods(calibration[:, :, middle:], width, slice(-MAX_ROWS, None)),
    )
    covariance = start
    for _ in range(ROUNDS):
        whitening, unwhiten = whitening_matrix(covariance)
        whiten = np.kron(whitening, np.eye(width**2))
        whitened = [whiten @ half @ whiten.conj().T for half in halves]
        relations = [_relations(whitened[i], whitened[1 - i], n_coils) for i in (0, 1)]
        update = _solve(relations[0][0] + relations[1][0], relations[0][1] + relations[1][1])
        values, vectors = np.linalg.eigh(update)
        if not np.median(values) > 0:
            return start
        # A step may not take a combination of coils to zero.
        values = np.maximum(values, 0.05 * np.median(values))
        root = unwhiten @ (vectors * np.sqrt(values))
        covariance = root @ root.conj().T
    return covariance if np.trace(covariance).real < np.trace(start).real else start


def _neighbourhoods(part: NDArray[np.complexfloating], width: int, rows: slice) -> NDArray[np.complex128]:
    """Second moments [column, column] of all width x width neighbourhoods, a column per coil and sample."""
    blocks = np.lib.stride_tricks.sliding_window_view(part, (width, width), axis=(2, 3))
    n_columns = part.shape[1] * width**2
    moments = np.zeros((n_columns, n_columns), dtype=np.complex128)
    for one in blocks.transpose(0, 2, 3, 1, 4, 5):
        samples = one.reshape(-1, n_columns)[rows].astype(np.complex128)
        moments += samples.T @ samples.conj() / len(samples)
    moments /= len(part)
    return moments


def _relations(
    own: NDArray[np.complex128], other: NDArray[np.complex128], n_coils: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Set up the normal equations of N^H (C x 1) N = the power in the null space N, for the covariance C."""
    values, vectors = np.linalg.eigh(own)
    count = max(n_coils, round(NULL_SHARE * len(values)))
    null = vectors[:, :count]
    power = (np.diag(values[:count]) + null.conj().T @ other @ null) / 2
    parts = null.reshape(n_coils, -1, count)
    design = np.einsum("arp,brq->abpq", parts.conj(), parts, optimize=True).reshape(n_coils**2, count**2)
    return design.conj() @ design.T, design.conj() @ power.reshape(-1)


def _solve(products: NDArray[np.complex128], targets: NDArray[np.complex128]) -> NDArray[np.complex128]:
    n_coils = int(np.sqrt(len(targets)))
    ridge = 1e-9 * np.trace(products).real / len(products) * np.eye(len(products))
    found = np.linalg.solve(products + ridge, targets).reshape(n_coils, n_coils)
    made: NDArray[np.complex128] = (found + found.conj().T) / 2
    return made
