"""Noise and calibration from files beside the scan."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.findings import Finding, merged
from rsd_mri.scan.hdf5 import check_size
from rsd_mri.scan.header import Header
from rsd_mri.scan.middle import centre_of_last
from rsd_mri.scan.noise_band import CUT, in_band
from rsd_mri.scan.noise_records import noise_indices
from rsd_mri.scan.records import HEAD_TYPE, NOISE, Records
from rsd_mri.scan.sampling import MIN_CENTRE, fully_sampled_centre
from rsd_mri.scan.scan import Scan

NEAR = 0.1
"""Difference of two fields of view, relative, up to which they are the same."""


def noise_array(path: Path, budget: int | None = None) -> Records:
    """Noise samples [coil, sample] of a `.npy` file as one record.

    Raises
    ------
    InputError
        If it holds anything else.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError) as error:
        raise InputError(f"{path}: not a whole .npy array of noise samples; save it again") from error
    check_size(path, "the array", array.shape, array.dtype.itemsize, budget)
    if array.dtype.kind != "c" or array.ndim != 2 or array.shape[0] > min(array.shape[1], 256):
        raise InputError(f"{path}: has type {array.dtype}, shape {list(array.shape)}; expected noise [coil, sample]")
    noise = np.array(array, np.complex64)
    head: NDArray[np.void] = np.zeros(1, HEAD_TYPE)
    head["flags"], head["active_channels"] = np.uint64(1) << np.uint64(NOISE - 1), noise.shape[0]

    def samples(chosen: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.complex64]]]:
        return ((int(index), noise) for index in chosen)

    return Records(head, samples, Header(), None, path, "npy")


def with_noise(scans: tuple[Scan, ...], source: Records) -> tuple[Scan, ...]:
    """Give scans of arrays the noise of another file, in its unit: nothing says at which bandwidth it was measured.

    Raises
    ------
    InputError
        If it has another number of coils.
    """
    flagged = noise_indices(source)
    chosen = flagged if len(flagged) else np.arange(len(source))
    n_coils = scans[0].n_coils
    chosen = chosen[source.head["active_channels"][chosen] == n_coils]
    if len(chosen) == 0:
        raise InputError(f"{source.source}: has no noise of {n_coils} coils, as {scans[0].source.name} has")
    noise = np.concatenate([samples for _, samples in source.samples(chosen)], axis=1)
    if not np.isfinite(noise.view(np.float32)).all() or not noise.any():
        raise InputError(f"{source.source}: the noise is zero or not finite; expected noise samples")
    band = in_band(noise)
    noise = band.samples
    said = f"noise was taken from {source.source.name}; its bandwidth is taken to be that of the lines"
    notes = (said, CUT) if band.cut else (said,)
    finding = Finding("noise", f"{noise.shape[1]} samples a coil", source.source.name, {"samples": int(noise.shape[1])})
    return tuple(
        replace(one, noise=noise, notes=(*one.notes, *notes), findings=merged(one.findings, [finding])) for one in scans
    )


def with_calibration(scans: tuple[Scan, ...], source: tuple[Scan, ...]) -> tuple[Scan, ...]:
    """Give scans the fully sampled centre of another scan to learn the coil maps from.

    Raises
    ------
    InputError
        If it has other coils, another field of view, or no slice where the scans have theirs.
    """
    other = source[0]
    width = fully_sampled_centre(other.mask, other.size)
    lines = other.calibration if other.calibration is not None else other.kspace
    if other.calibration is None:
        if min(width) < MIN_CENTRE:
            raise InputError(
                f"{other.source}: only {min(width)} lines around the centre are complete; a calibration scan needs "
                f"{MIN_CENTRE}"
            )
        lines = lines[centre_of_last(other.size, width)]
    found = []
    for one in scans:
        if other.n_coils != one.n_coils:
            raise InputError(f"{other.source}: has {other.n_coils} coils, {one.source.name} has {one.n_coils}")
        _check_field_of_view(one, other)
        chosen = np.ascontiguousarray(lines[_slices_of(one, other)])
        note = f"the coil maps are learned from {other.source.name}"
        value = {"readout": int(chosen.shape[-2]), "phase_encode": int(chosen.shape[-1])}
        finding = Finding("calibration", f"{chosen.shape[-2]} x {chosen.shape[-1]}", other.source.name, value)
        found.append(
            replace(one, calibration=chosen, notes=(*one.notes, note), findings=merged(one.findings, [finding]))
        )
    return tuple(found)


def _check_field_of_view(one: Scan, other: Scan) -> None:
    ours, theirs = (
        None if s.geometry.voxel_size is None else np.array(s.geometry.voxel_size[:2]) * s.size for s in (one, other)
    )
    if ours is not None and theirs is not None and (np.abs(theirs / ours - 1) > NEAR).any():
        raise InputError(
            f"{other.source}: its field of view is {theirs[0]:.0f} x {theirs[1]:.0f} mm, that of {one.source.name} "
            f"{ours[0]:.0f} x {ours[1]:.0f} mm; expected a calibration scan of the same field of view"
        )


def _slices_of(one: Scan, other: Scan) -> list[int]:
    """Slice of the calibration scan for each slice of a scan: the nearest by position, else by number."""
    ours, theirs = np.asarray(one.geometry.positions, float), np.asarray(other.geometry.positions, float)
    if len(ours) == one.n_slices and len(theirs) == other.n_slices and one.geometry.slice_direction is not None:
        normal = np.asarray(one.geometry.slice_direction)
        away = np.abs((ours @ normal)[:, None] - (theirs @ normal))
        thick = (one.geometry.voxel_size or (0.0, 0.0, 10.0))[2] + one.geometry.slice_gap
        if away.min(axis=1).max() > max(thick, 1e-3):
            raise InputError(
                f"{other.source}: its slices lie {away.min(axis=1).max():.0f} mm from those of {one.source.name}; "
                "expected a calibration scan of the same place"
            )
        return [int(i) for i in away.argmin(axis=1)]
    if other.n_slices != one.n_slices:
        raise InputError(
            f"{other.source}: has {other.n_slices} slices, {one.source.name} has {one.n_slices}; expected as many"
        )
    return list(range(one.n_slices))
