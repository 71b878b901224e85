"""A scan as HDF5 in fastMRI's layout, which `fastmri.py` reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.hdf5 import written_hdf5
from rsd_mri.scan.acquisition import Acquisition
from rsd_mri.scan.header import format_header, parse_header
from rsd_mri.scan.sizes import settle_sizes

DIRECTIONS = ("read_direction", "phase_direction", "slice_direction")
"""Fields of a geometry that are kept as attributes."""


def write_fastmri(
    path: str | Path,
    scan: Acquisition,
    reconstruction_rss: NDArray[np.float32] | None = None,
    attributes: Mapping[str, str | int | float] | None = None,
) -> Path:
    """Write a scan in fastMRI's layout, whole or not at all.

    Parameters
    ----------
    path
        The file to write.
    scan
        What to write. A mask is written unless nothing is missing.
    reconstruction_rss
        [slice, y, x] root sum of squares of the full scan, where there is one; its `max` and `norm` are
        written as attributes, as fastMRI does.
    attributes
        Added to those of the scan.

    Returns
    -------
    Path
        The file written.
    """
    path = Path(path)
    values = {"acquisition": "unknown", "patient_id": path.stem, **scan.attributes, **(attributes or {})}
    first = [("kspace", scan.kspace)]
    optional = {
        "noise": scan.noise,
        "calibration": scan.calibration,
        "reconstruction_rss": reconstruction_rss,
        "trajectory": scan.trajectory,
        "segments": scan.segments,
        "mask": None if scan.mask_source == "full" or scan.trajectory is not None else scan.mask,
    }
    with written_hdf5(path) as file:
        for name, value in first + [(k, v) for k, v in optional.items() if v is not None]:
            array: NDArray[Any] = np.asarray(value)
            if array.dtype.kind in "cf":
                array = array.astype(np.complex64 if array.dtype.kind == "c" else np.float32, copy=False)
            chunks = (1, *array.shape[1:]) if array.ndim > 2 and name != "trajectory" else array.shape
            file.create_dataset(name, data=array, chunks=chunks, fletcher32=True)
        file.create_dataset("ismrmrd_header", data=header_of(scan))
        if reconstruction_rss is not None:
            values = {
                **values,
                "max": float(np.max(reconstruction_rss)),
                "norm": float(np.linalg.norm(reconstruction_rss)),
            }
        for key, attribute in values.items():
            file.attrs[key] = attribute
        for name in DIRECTIONS:
            direction = getattr(scan.geometry, name)
            if direction is not None:
                file.attrs[name] = np.asarray(direction, np.float64)
        if scan.geometry.positions:
            file.attrs["positions"] = np.asarray(scan.geometry.positions, np.float64)
        file.attrs["slice_gap"] = float(scan.geometry.slice_gap)
    return path


def header_of(scan: Acquisition) -> str:
    """Return the ISMRMRD header of a scan: its own where that says the same as the arrays, else a new one."""
    made = format_header(
        scan.matrix,
        scan.image_size or scan.matrix,
        scan.n_slices,
        scan.n_coils,
        scan.acquired_at,
        scan.geometry.voxel_size,
        "cartesian" if scan.trajectory is None else "other",
    )
    if scan.header is None:
        return made
    own, new = parse_header(scan.header, scan.source), parse_header(made, scan.source)
    same = (
        own.encoded == new.encoded
        and own.recon == new.recon
        and own.acquired_at == new.acquired_at
        and _voxels_agree(settle_sizes(own, scan.matrix).voxel, scan.geometry.voxel_size)
    )
    return scan.header if same else made


def _voxels_agree(one: tuple[float, float, float] | None, other: tuple[float, float, float] | None) -> bool:
    return other is None or (one is not None and np.allclose(one, other, rtol=1e-3))
