"""Trajectories: where samples lie in k-space, in which unit, and what they cover of it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError

SLACK = 0.05
"""Share by which a trajectory may reach beyond the edge of k-space."""
LEAST_MATRIX = 8
FULL_TURNS, STEP, CENTRE_GAP = 4, 0.8, 0.7
"""Turns of a spiral that misses nothing; the distance of its samples, and of its turns near the centre [cells]."""


def cells_of(trajectory: NDArray[np.float32], mask: NDArray[np.bool_], matrix: tuple[int, int]) -> NDArray[np.bool_]:
    """Cells of the Cartesian grid nearest to the samples acquired, [readout, phase_encode]."""
    found: NDArray[np.bool_] = np.zeros(matrix, dtype=bool)
    at = np.round(trajectory[np.broadcast_to(mask, trajectory.shape[:2])]).astype(int) + np.asarray(matrix) // 2
    inside = ((at >= 0) & (at < np.asarray(matrix))).all(axis=1)
    found[tuple(at[inside].T)] = True
    return found


def within_reach(trajectory: NDArray[np.float32], matrix: tuple[int, int]) -> NDArray[np.bool_]:
    """Cells no farther from the centre, in half-widths, than the farthest sample, [readout, phase_encode]."""
    farthest = float(radius(trajectory, matrix).max())
    rows, columns = ((np.arange(n) - n // 2) / (n / 2) for n in matrix)
    found: NDArray[np.bool_] = np.hypot(rows[:, None], columns) <= farthest + 1e-6
    return found


def radius(trajectory: NDArray[np.float32], matrix: tuple[int, int]) -> NDArray[np.float32]:
    """Distance of every sample from the centre of k-space in its half-widths, [sample, shot]."""
    found: NDArray[np.float32] = np.hypot(trajectory[..., 0] / (matrix[0] / 2), trajectory[..., 1] / (matrix[1] / 2))
    return found


def in_cycles(points: NDArray[np.floating], matrix: tuple[int, int], path: Path) -> tuple[NDArray[np.float32], str]:
    """Bring a trajectory of unknown unit to cycles per field of view, where the matrix is known.

    ISMRMRD does not say in which unit trajectories are. Three are common: cycles per field of view (to n / 2), cycles
    per pixel (to 1 / 2) and radians per pixel (to pi); they are told apart by how far the samples reach.

    Parameters
    ----------
    points
        [sample, shot, 2].
    matrix
        (readout, phase_encode) of the image.
    path
        Named in errors.

    Returns
    -------
    points
        [sample, shot, 2] float32, in cycles per field of view.
    evidence
        In words.

    Raises
    ------
    InputError
        If the samples reach beyond k-space in every unit, or stand still.
    """
    if not np.isfinite(points).all():
        raise InputError(f"{path}: the trajectory holds infinite or undefined numbers; export the scan again")
    farthest = float(np.abs(points).max())
    half = max(matrix) / 2
    for reach, scale, unit in (
        (0.5, np.asarray(matrix, float), "cycles per pixel"),
        (np.pi, np.asarray(matrix, float) / (2 * np.pi), "radians per pixel"),
        (half, np.ones(2), "cycles per field of view"),
    ):
        if 0 < farthest <= reach * (1 + SLACK):
            return (points * scale).astype(np.float32), f"{unit}: the samples reach {farthest:.4g}"
    raise InputError(
        f"{path}: the trajectory reaches {farthest:.4g}; expected cycles per field of view, from -n / 2 to n / 2 for a "
        f"matrix of {matrix[0]} x {matrix[1]}"
    )


def matrix_of(points: NDArray[np.floating], path: Path) -> tuple[int, int]:
    """The matrix of a trajectory in cycles per field of view, where nothing else says it: twice its reach, even.

    Raises
    ------
    InputError
        If it reaches no farther than four cycles: then it is in another unit.
    """
    if not np.isfinite(points).all():
        raise InputError(f"{path}: the trajectory holds infinite or undefined numbers; save it again")
    reach = np.abs(points).max(axis=(0, 1))
    n = 2 * int(np.ceil(float(reach.max()) * (1 - 1e-6)))
    if n < LEAST_MATRIX:
        raise InputError(
            f"{path}: the trajectory reaches {float(reach.max()):.4g}; expected cycles per field of view, from -n / 2 "
            "to n / 2: multiply one in cycles per pixel by the matrix size"
        )
    return n, n


def golden_radial(matrix: tuple[int, int], acceleration: float = 1.0) -> NDArray[np.float32]:
    """Spokes through the centre at the golden angle (Winkelmann et al. 2007, doi:10.1109/TMI.2006.885337).

    Parameters
    ----------
    matrix
        (readout, phase_encode).
    acceleration
        Of pi / 2 times the matrix size spokes, between the ends of which lies one cell, so many are left.

    Returns
    -------
    ndarray
        [sample, spoke, 2], cycles per field of view; twice oversampled, sample n // 2 of n is the centre.
    """
    samples, spokes = 2 * max(matrix), max(round(np.pi / 2 * max(matrix) / acceleration), 1)
    along = (np.arange(samples) - samples // 2) / samples
    angle = np.arange(spokes) * np.pi * 2 / (1 + np.sqrt(5))
    way = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * np.asarray(matrix)
    points: NDArray[np.float32] = (along[:, None, None] * way).astype(np.float32)
    return points


def archimedean_spiral(matrix: tuple[int, int], acceleration: float = 1.0, centre: float = 16.0) -> NDArray[np.float32]:
    """Interleaved spirals from the centre outwards, sampled at even distances along the arm.

    Parameters
    ----------
    matrix
        (readout, phase_encode).
    acceleration
        Distance of the turns outside the centre, in cells; as many fewer interleaves are taken.
    centre
        Radius within which the turns lie less than a cell apart, for calibration.

    Returns
    -------
    ndarray
        [sample, interleave, 2], cycles per field of view.
    """
    half = max(matrix) / 2
    interleaves = max(round(half / FULL_TURNS / acceleration), 1)
    radius = np.linspace(0, half, 20001)
    # Over one turn of an arm the others pass in between, each a gap farther out.
    gap = np.where(radius < centre, CENTRE_GAP, acceleration)
    step = np.diff(radius)
    angle = np.concatenate([[0.0], np.cumsum(2 * np.pi / (interleaves * gap[1:]) * step)])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(step, radius[1:] * np.diff(angle)))])
    at = np.arange(0, length[-1], STEP)
    r, turned = np.interp(at, length, radius), np.interp(at, length, angle)
    turned = turned[:, None] + 2 * np.pi * np.arange(interleaves) / interleaves
    way = np.stack([np.cos(turned), np.sin(turned)], axis=-1) * (np.asarray(matrix) / max(matrix))
    points: NDArray[np.float32] = (r[:, None, None] * way).astype(np.float32)
    return points


TRAJECTORIES = {"radial": golden_radial, "spiral": archimedean_spiral}
"""Made trajectories by name: functions of the matrix and the acceleration."""
