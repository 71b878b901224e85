"""From raw arrays and a header to a checked `Scan`: the last step of every reader."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.header import Header
from rsd_mri.scan.sampling import filled_points, settle_mask
from rsd_mri.scan.scan import Geometry, Scan

MOST_COILS = 256
LARGEST = 1e15
"""Largest plausible magnitude: its square still fits into float32 when summed over coils and points."""


def check_values(kspace: NDArray[np.complex64], path: Path) -> tuple[str, ...]:
    """Look for values no scanner gives.

    Returns
    -------
    tuple of str
        A note for what is odd but usable.

    Raises
    ------
    InputError
        If k-space holds NaN, infinity or absurd values, or nothing but zeros.
    """
    peaks = []
    for index, one in enumerate(kspace):
        parts = one.view(np.float32)
        with np.errstate(invalid="ignore"):
            peak = float(max(parts.max(), -parts.min()))
        if not np.isfinite(peak) or peak > LARGEST:
            bad = int((~(np.abs(parts) <= LARGEST)).sum())
            raise InputError(
                f"{path}: kspace has {bad} values in slice {index} that are not finite or above {LARGEST:g}; "
                "the file is damaged: export or download it again"
            )
        peaks.append(peak)
    if max(peaks) == 0:
        raise InputError(f"{path}: kspace holds zeros only; expected measured data: export the scan again")
    notes = []
    if max(peaks) < 1e-30:
        raise InputError(f"{path}: kspace has no value above 1e-30; expected measured data in any ordinary unit")
    middle = kspace[int(np.argmax(peaks))]
    energy = np.sqrt((np.abs(middle).astype(np.float64) ** 2).sum(axis=0))
    row, column = np.unravel_index(int(energy.argmax()), energy.shape)
    n_readout, n_phase = energy.shape
    if min(energy.shape) >= 16 and all(min(i, n - i) <= 2 for i, n in ((row, n_readout), (column, n_phase))):
        notes.append(
            "the largest value of k-space lies in a corner; zero frequency is expected at index n // 2, "
            "so the image may come out shifted by half the field of view"
        )
    typical = float(np.median(energy[energy > 0]))
    if energy.max() > 1e8 * typical:
        notes.append(f"the largest value of k-space is {energy.max() / typical:.1g} times the typical one")
    return tuple(notes)


def check_shape(kspace: NDArray[Any], path: Path) -> None:
    """Refuse shapes and types that are not k-space.

    Raises
    ------
    InputError
        If the array is not complex [slice, coil, readout, phase_encode] of a plausible size.
    """
    if kspace.dtype.kind != "c":
        raise InputError(f"{path}: kspace has type {kspace.dtype}; expected complex numbers")
    if kspace.ndim != 4:
        raise InputError(
            f"{path}: kspace has shape {list(kspace.shape)}; expected [slice, coil, readout, phase_encode]"
        )
    if kspace.shape[1] > MOST_COILS:
        raise InputError(
            f"{path}: kspace {list(kspace.shape)} would have {kspace.shape[1]} coils; expected "
            "[slice, coil, readout, phase_encode]: move the coil axis there"
        )
    if min(kspace.shape[2:]) < 4:
        raise InputError(
            f"{path}: kspace {list(kspace.shape)} has fewer than 4 points along readout or phase encode; "
            "expected [slice, coil, readout, phase_encode]"
        )


def assemble(
    path: Path,
    form: str,
    kspace: NDArray[Any],
    *,
    stored_mask: NDArray[Any] | None = None,
    header: Header | None = None,
    header_text: str | None = None,
    noise: NDArray[np.complex64] | None = None,
    calibration: NDArray[np.complex64] | None = None,
    geometry: Geometry | None = None,
    attributes: dict[str, str | int | float] | None = None,
    notes: tuple[str, ...] = (),
) -> Scan:
    """Check everything, settle mask and sizes, and build the `Scan`. Arrays win over the header.

    Raises
    ------
    InputError
        If the arrays are not usable k-space.
    """
    check_shape(kspace, path)
    found = list(notes)
    if kspace.dtype != np.complex64:
        found.append(f"kspace was {kspace.dtype} and is read as complex64")
        with np.errstate(over="ignore"):  # what overflows is found by check_values
            kspace = kspace.astype(np.complex64)
    kspace = np.ascontiguousarray(kspace)
    found += check_values(kspace, path)
    header = header or Header()
    found += _conflicts(header, kspace.shape)
    points = filled_points(kspace)
    acquired_at, said = _acquired_at(header, points)
    found += said
    mask, source, more = settle_mask(kspace, points, stored_mask, acquired_at, path)
    found += more
    image_size = None
    if header.recon is not None:
        wanted = (header.recon[0], header.recon[1])
        image_size = (min(wanted[0], kspace.shape[2]), min(wanted[1], kspace.shape[3]))
        if image_size != wanted:
            found.append(f"the header asks for an image of {wanted}; k-space gives {image_size}")
    return Scan(
        kspace=kspace,
        mask=mask,
        mask_source=source,
        source=path,
        format=form,
        noise=noise,
        calibration=calibration,
        image_size=image_size,
        acquired_at=acquired_at,
        geometry=geometry or Geometry(voxel_size=header.voxel_size),
        attributes=attributes or {},
        header=header_text,
        notes=tuple(found),
    )


def _conflicts(header: Header, shape: tuple[int, ...]) -> list[str]:
    """One sentence for each way in which the header disagrees with the array."""
    n_slices, n_coils, readout, phase = shape
    said = []
    if header.encoded is not None and header.encoded[:2] != (readout, phase):
        said.append(f"the header says a matrix of {header.encoded[:2]}, k-space has ({readout}, {phase})")
    if header.coils is not None and header.coils != n_coils:
        said.append(f"the header says {header.coils} coils, k-space has {n_coils}")
    if header.slices is not None and header.slices not in (1, n_slices):
        said.append(f"the header says {header.slices} slices, k-space has {n_slices}")
    if header.trajectory not in (None, "cartesian", "epi"):
        said.append(f"the header says a {header.trajectory} trajectory; k-space is taken as Cartesian")
    return said


def _acquired_at(header: Header, points: NDArray[np.bool_]) -> tuple[tuple[int, int] | None, list[str]]:
    """Lines the scanner could fill, checked against what is filled; None for all of them."""
    said = header.acquired_at
    if said is None or header.encoded is None:
        return None, []
    width = points.shape[-1]
    # Lines are counted from the centre of k-space, wherever the array and the header disagree on its width.
    shift = width // 2 - header.encoded[1] // 2
    first, stop = said[0] + shift, said[1] + shift
    if first < 0 or stop > width or first >= stop:
        return None, [f"the header says lines {first}..{stop - 1} of {width}; all lines are taken as fillable"]
    filled = np.flatnonzero(points.any(axis=(0, 1)))
    if filled[0] < first or filled[-1] >= stop:
        return None, [
            f"the header says lines {first}..{stop - 1}, k-space is filled at {filled[0]}..{filled[-1]}; "
            "all lines are taken as fillable"
        ]
    return (None if (first, stop) == (0, width) else (first, stop)), []
