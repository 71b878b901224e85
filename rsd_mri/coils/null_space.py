"""Noise of a scan from the null space of its fully sampled centre.

Neighbouring samples of all coils obey linear relations, because coil maps are smooth and the object has an outline: the
null space of ESPIRiT's calibration matrix (Uecker et al. 2014, doi:10.1002/mrm.24751). Signal obeys them, noise does
not.
"""

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.coils.whitening import whitening_matrix
from rsd_mri.machine.randomness import generator, normal

MAX_COLUMNS = 160
"""Columns of the calibration matrix: bounds time and memory. With more coils than it has room for, parts of them."""
MAX_ROWS = 4000
"""Neighbourhoods used per slice."""
MAX_WIDTH = 10
SKIPPED = 0.2
"""Share of a long readout, its middle, that is left out: the relations hold best where there is least to relate."""
ROUNDS = 3
"""Rounds of whitening with the covariance found so far."""
SHARES = np.geomspace(0.03, 0.7, 16)
"""Shares of the directions, those with the least power, that are tried as free of signal."""
TOLERANCE = 1.1
"""The most directions are taken whose noise power is within this of the least."""
STEPS = 8
"""Steps of conjugate gradients for the covariance, from white noise: few, so that what is undetermined stays white."""


def null_space_covariance(
    calibration: NDArray[np.complexfloating], start: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Estimate the noise covariance from fully sampled k-space.

    The directions with the least power hold less than the noise, since they were chosen for it, and by how much depends
    on the signal, the number of samples and how the neighbourhoods overlap. So noise of known power is added and the
    same directions are looked for again: the share by which their power rises is the share of the noise that they hold.

    Parameters
    ----------
    calibration
        [slice, coil, readout, phase_encode] complex, fully sampled and not filtered.
    start
        [coil, coil]: a first guess, too high rather than too low.

    Returns
    -------
    NDArray
        [coil, coil], E[n n^H], mean over the slices and two sizes of neighbourhood. With too many coils
        for the data the start, scaled by what two halves of them show; `start` itself where there are too few data.
    """
    n_coils, width = calibration.shape[1], kernel_width(calibration.shape[1:])
    if width == 0:
        if n_coils < 4 or min(calibration.shape[2:]) < 4:
            return start
        halves = [np.arange(first, n_coils, 2) for first in (0, 1)]
        scales = []
        for half in halves:
            own = start[np.ix_(half, half)]
            whiten = whitening_matrix(own)[0]
            found_here = whiten @ null_space_covariance(calibration[:, half], own) @ whiten.conj().T
            scales.append(np.trace(found_here).real / len(half))
        return start * float(np.mean(scales))
    found = []
    for number, side in product(range(len(calibration)), {width, max(width - 1, 2)}):
        kspace, covariance = calibration[number], start
        for _ in range(ROUNDS):
            whitening, unwhiten = whitening_matrix(covariance)
            whitened = np.einsum("vc,cyx->vyx", whitening, kspace.astype(np.complex128))
            values, vectors = np.linalg.eigh(_white_covariance(whitened, side, number))
            root = unwhiten @ (vectors * np.sqrt(values))
            covariance = root @ root.conj().T
        found.append(covariance)
    mean: NDArray[np.complex128] = np.mean(found, axis=0).reshape(n_coils, n_coils)
    return mean


def kernel_width(shape: tuple[int, ...]) -> int:
    """Side of the neighbourhoods for data [coil, readout, phase_encode]: 0 where they are too few for any."""
    n_coils, *size = shape
    widest = 0
    for width in range(2, MAX_WIDTH + 1):
        columns = n_coils * width**2
        enough = (size[0] - width + 1) * (size[1] - width + 1) >= 2 * columns and min(size) >= 2 * width
        if enough and columns <= MAX_COLUMNS:
            widest = width
    return widest


def _moments(whitened: NDArray[np.complex128], width: int) -> NDArray[np.complex128]:
    """Second moments [column, column] of all width x width neighbourhoods, a column per coil and sample."""
    blocks = np.lib.stride_tricks.sliding_window_view(whitened, (width, width), axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    n_readout, n_lines = whitened.shape[1:]
    if n_readout >= 4 * n_lines:
        away = np.abs(np.arange(len(blocks)) + (width - n_readout) / 2)
        blocks = blocks[away >= SKIPPED * n_readout / 2]
    step = -(-blocks.shape[0] * blocks.shape[1] // MAX_ROWS)
    rows = blocks[::step].reshape(-1, whitened.shape[0] * width**2)
    moments: NDArray[np.complex128] = rows.T @ rows.conj() / len(rows)
    return moments


def _white_covariance(whitened: NDArray[np.complex128], width: int, number: int) -> NDArray[np.complex128]:
    """The noise covariance [coil, coil] of one slice whose noise is nearly white."""
    n_coils, n = len(whitened), len(whitened) * width**2
    values, vectors = np.linalg.eigh(_moments(whitened, width))
    added = max(float(values[max(2 * n_coils, n // 20) - 1]), 1e-12 * float(values[-1]))
    noise = normal(whitened.shape, generator("null space", number), torch.complex128).numpy()
    risen = np.linalg.eigvalsh(_moments(whitened + np.sqrt(added) * noise, width))
    counts = np.unique(np.clip(np.round(SHARES * n).astype(int), min(2 * n_coils, n), n))
    own = np.array([values[:count].mean() for count in counts])
    held = np.array([risen[:count].mean() for count in counts]) - own
    levels = own * added / np.maximum(held, 1e-3 * added)
    chosen = int(np.flatnonzero(levels <= TOLERANCE * levels.min())[-1])
    null = vectors[:, : counts[chosen]]
    shares = values[: counts[chosen]] * added / max(float(held[chosen]), 1e-3 * added)
    power = np.diag(shares).astype(np.complex128)
    return _explain(null, power, n_coils, float(levels[chosen]))


def _explain(
    null: NDArray[np.complex128], power: NDArray[np.complex128], n_coils: int, level: float
) -> NDArray[np.complex128]:
    """Find the covariance C with N^H (C x 1) N = the power in the null space N, by least squares from `level`."""
    side = len(null) // n_coils

    def back(inner: NDArray[np.complex128]) -> NDArray[np.complex128]:
        full = (null @ inner @ null.conj().T).reshape(n_coils, side, n_coils, side)
        traced: NDArray[np.complex128] = np.einsum("apbp->ab", full)
        return traced

    def normal_equations(covariance: NDArray[np.complex128]) -> NDArray[np.complex128]:
        parts = np.tensordot(covariance, null.reshape(n_coils, side, -1), 1).reshape(len(null), -1)
        return back(null.conj().T @ parts)

    found = level * np.eye(n_coils, dtype=np.complex128)
    residual = back(power) - normal_equations(found)
    direction, energy = residual, np.vdot(residual, residual).real
    for _ in range(STEPS):
        if energy <= (1e-9 * level) ** 2:
            break
        applied = normal_equations(direction)
        step = energy / np.vdot(direction, applied).real
        found, residual = found + step * direction, residual - step * applied
        energy, before = np.vdot(residual, residual).real, energy
        direction = residual + energy / before * direction
    values, vectors = np.linalg.eigh((found + found.conj().T) / 2)
    # One round may take a combination of coils neither to zero nor away.
    bounded: NDArray[np.complex128] = (vectors * np.clip(values, 0.3 * level, 3 * level)) @ vectors.conj().T
    return bounded
