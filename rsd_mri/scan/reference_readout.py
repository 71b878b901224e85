"""Calibration lines whose readout has another number of samples than the image's, in one encoding."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.placement import Grid, lines_of
from rsd_mri.scan.records import REVERSE, Records, flagged

POINTS = 64
"""Points along the readout at which where the object lies is compared."""
LINES = 64
"""Lines of either that are looked at, those in the middle."""
STEPS = ("kspace_encode_step_1", "kspace_encode_step_2")
CLEAR = 0.05
"""By how much one field of view has to fit better than the usual one."""


def grid_of_calibration(records: Records, chosen: NDArray[np.intp], image: NDArray[np.intp], grid: Grid) -> Grid | None:
    """The image's grid with the readout of calibration lines; None where they have as many samples as the image.

    Parameters
    ----------
    records
        Of the measurement.
    chosen, image
        Indices of the calibration lines and of the image's.
    grid
        Of the image.
    """
    theirs, ours = (_sides(records.head[one]) for one in (chosen, image))
    if theirs is None or ours is None or sum(theirs) == sum(ours):
        return None
    readout = max(sum(theirs), 2 * max(theirs))
    return replace(grid, readout=readout, samples=readout, echo=theirs, shift=0)


def _sides(head: NDArray[np.void]) -> tuple[int, int] | None:
    """Samples before the echo, and from it on, where all records keep as many."""
    kept = head["number_of_samples"].astype(int) - head["discard_pre"] - head["discard_post"]
    if len(kept) == 0 or kept.min() != kept.max():
        return None
    centre = head["center_sample"].astype(int) - head["discard_pre"]
    before = np.where(flagged(head, REVERSE), kept - 1 - centre, centre)
    first = int(np.median(before)) if centre.any() else int(kept[0]) // 2
    return (first, int(kept[0]) - first) if 0 < first < kept[0] else None


def field_of_view_share(
    records: Records, chosen: NDArray[np.intp], image: NDArray[np.intp], theirs: Grid, ours: Grid
) -> float:
    """Field of view along the readout of calibration lines over that of the image's.

    Lines of one encoding with other numbers of samples differ in resolution, or, where one of the two is oversampled,
    in their field of view: where the object lies along the readout tells which.

    Parameters
    ----------
    records, chosen, image
        As `grid_of_calibration` takes them.
    theirs, ours
        Grids of the two.
    """
    at = (np.arange(POINTS) - POINTS // 2) / POINTS * max(1.0, theirs.readout / ours.readout)
    profile = _profile(records, image, ours, at)
    fits = {}
    for share in (1.0, theirs.readout / ours.readout):
        other = _profile(records, chosen, theirs, at / share)
        fits[share] = float(profile @ other / max(np.linalg.norm(profile) * np.linalg.norm(other), 1e-30))
    usual, changed = fits.values()
    return theirs.readout / ours.readout if changed > usual + CLEAR else 1.0


def _profile(records: Records, chosen: NDArray[np.intp], grid: Grid, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """How bright the object is along the readout, at places in fields of view; zero beyond."""
    steps = np.stack([records.head["idx"][name][chosen].astype(float) for name in STEPS])
    distance = ((steps - np.median(steps, axis=1, keepdims=True)) ** 2).sum(axis=0)
    middle = np.sort(chosen[np.argsort(distance, kind="stable")[:LINES]])
    rows = np.zeros((len(middle), grid.n_coils, grid.readout), np.complex64)
    for row, (_, kept, centre) in zip(rows, lines_of(records, middle, grid.said[0]), strict=True):
        start = min(max(grid.readout // 2 - centre, 0), max(grid.readout - kept.shape[1], 0))
        row[:, start : start + kept.shape[1]] = kept[:, : grid.readout - start]
    shifted = np.fft.ifftshift(rows, axes=-1)
    power = (np.abs(np.fft.fftshift(np.fft.ifft(shifted, axis=-1), axes=-1)) ** 2).sum(axis=(0, 1))
    bright = np.sqrt(np.maximum(power - 2 * np.sort(power)[: max(len(power) // 10, 1)].mean(), 0))
    own = (np.arange(grid.readout) - grid.readout // 2) / grid.readout
    found: NDArray[np.float64] = np.interp(at, own, bright, left=0.0, right=0.0)
    return found
