"""Reconstructions on disk: `SCAN_recon.h5`, laid out so that `fastmri.evaluate` reads it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.scan import Geometry

# (data set, field of Reconstruction); the magnitude has the name that fastMRI's submissions have.
ARRAYS = (
    ("reconstruction", "magnitude"),
    ("reconstruction_complex", "image"),
    ("csm", "csm"),
    ("mask", "mask"),
)
WHERE_LEARNED = (
    ("samples", "samples"),
    ("std", "std"),
    ("half_width", "half_width"),
    ("measured_part", "measured_part"),
    ("prior_part", "prior_part"),
)
PER_SLICE = ("residual", "sigma", "seconds")
PLAIN = ("method", "mask_source", "acceleration", "seed")


def write_reconstruction(path: str | Path, rec: Reconstruction) -> Path:
    """Write a reconstruction as HDF5, whole or not at all.

    Data sets: `reconstruction` [slice, readout, phase_encode] float32, `reconstruction_complex`, `csm`,
    `mask`; for posterior methods `samples` [sample, slice, readout, phase_encode] and `std`; for learned ones
    `measured_part` and `prior_part`. Everything else is an attribute of the file; structured ones (`geometry`,
    `notes`, `parameters`, `checks`) are JSON.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If the image holds values that are not finite, or nothing but zeros.
    """
    path = Path(path)
    _require_an_image(path, rec.magnitude)
    with written_whole(path) as partial, h5py.File(partial, "w") as file:
        for name, field in (*ARRAYS, *WHERE_LEARNED):
            value = getattr(rec, field)
            if value is not None:
                file.create_dataset(name, data=value)
        for name in PLAIN:
            file.attrs[name] = getattr(rec, name)
        for name in PER_SLICE:
            file.attrs[name] = np.asarray(getattr(rec, name))
        file.attrs["source"] = rec.source.name
        file.attrs["source_path"] = str(rec.source)
        file.attrs["prior"] = rec.prior or ""
        file.attrs["prior_hash"] = rec.prior_hash or ""
        file.attrs["geometry"] = json.dumps(dataclasses.asdict(rec.geometry))
        file.attrs["notes"] = json.dumps(rec.notes)
        file.attrs["checks"] = json.dumps(rec.checks)
        file.attrs["parameters"] = json.dumps(rec.parameters)
        file.attrs["version"] = __version__
        file.attrs["not_for_diagnostic_use"] = True
        file.attrs["warning"] = NOT_FOR_DIAGNOSTIC_USE
    return path


def read_reconstruction(path: str | Path) -> Reconstruction:
    """Read what `write_reconstruction` wrote.

    Raises
    ------
    InputError
        If the file is missing, is not HDF5, or lacks a data set or attribute.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such reconstruction; make one with `rsd-mri recon`")
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: expected an HDF5 file written by `rsd-mri recon`, this is another format")
    with h5py.File(path, "r") as file:
        for name in [name for name, _ in ARRAYS]:
            if name not in file:
                raise InputError(f"{path}: has no data set `{name}`; make it again with `rsd-mri recon`")
        for name in (*PLAIN, *PER_SLICE, "source_path", "geometry", "notes", "parameters"):
            if name not in file.attrs:
                raise InputError(f"{path}: has no attribute `{name}`; make it again with `rsd-mri recon`")
        values: dict[str, Any] = {field: file[name][()] for name, field in ARRAYS}
        values |= {field: file[name][()] for name, field in WHERE_LEARNED if name in file}
        attributes = dict(file.attrs)
    return Reconstruction(
        **values,
        **{name: np.asarray(attributes[name]) for name in PER_SLICE},
        method=str(attributes["method"]),
        mask_source=str(attributes["mask_source"]),
        acceleration=float(attributes["acceleration"]),
        seed=int(attributes["seed"]),
        source=Path(str(attributes["source_path"])),
        prior=str(attributes.get("prior", "")) or None,
        prior_hash=str(attributes.get("prior_hash", "")) or None,
        geometry=_geometry(str(attributes["geometry"])),
        notes=tuple(json.loads(attributes["notes"])),
        parameters=json.loads(attributes["parameters"]),
        checks=json.loads(attributes.get("checks", "{}")),
    )


def _geometry(text: str) -> Geometry:
    values = json.loads(text)
    vectors = ("voxel_size", "read_direction", "phase_direction", "slice_direction")
    for name in vectors:
        values[name] = tuple(values[name]) if values[name] is not None else None
    values["positions"] = tuple(tuple(position) for position in values["positions"])
    return Geometry(**values)


def _require_an_image(path: Path, magnitude: NDArray[np.float32]) -> None:
    bad = [str(i) for i, image in enumerate(magnitude) if not np.isfinite(image).all()]
    if bad:
        raise InputError(
            f"{path}: slice {', '.join(bad)} of the reconstruction is not finite; check the scan's k-space "
            f"with `rsd-mri inspect`"
        )
    if not magnitude.any():
        raise InputError(
            f"{path}: the reconstruction is zero everywhere; check the scan's k-space with `rsd-mri inspect`"
        )
