"""Reconstructions read from disk again."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.results.files import ARRAYS, PER_SLICE, PLAIN, WHERE_LEARNED
from rsd_mri.results.reconstruction import PosteriorPart, PriorUse, Reconstruction
from rsd_mri.scan.facts import Facts
from rsd_mri.scan.geometry import Geometry


def read_reconstruction(path: str | Path, frame: int = 0) -> Reconstruction:
    """Read what `write_reconstruction` wrote: of several frames one.

    Raises
    ------
    InputError
        If the file is missing, is not HDF5, lacks a data set or attribute, or has no such frame.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such reconstruction; make one with `rsd-mri recon`")
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: expected an HDF5 file written by `rsd-mri recon`, this is another format")
    with read_hdf5(path) as file:
        for name in [name for name, _ in ARRAYS]:
            if name not in file:
                raise InputError(f"{path}: has no data set `{name}`; make it again with `rsd-mri recon`")
        for name in (*PLAIN, *PER_SLICE, "source_path", "geometry", "notes", "parameters"):
            if name not in file.attrs:
                raise InputError(f"{path}: has no attribute `{name}`; make it again with `rsd-mri recon`")
        attributes = dict(file.attrs)
        labels = json.loads(attributes.get("frames", "[{}]"))
        if not 0 <= frame < len(labels):
            raise InputError(f"{path}: has no frame {frame}; the frames are 0 to {len(labels) - 1}")
        values: dict[str, Any] = {}
        for name, field in (*ARRAYS, *WHERE_LEARNED):
            if name in file:
                whole = len(labels) == 1 or (field == "mask" and not attributes.get("mask_changes", False))
                values[field] = file[name][()] if whole else file[name][frame]
    if len(labels) > 1:
        attributes |= {name: np.asarray(attributes[name])[frame] for name in PER_SLICE}
    learned = {field: values.pop(field) for _, field in WHERE_LEARNED if field in values}
    return Reconstruction(
        **values,
        **{name: np.asarray(attributes[name]) for name in PER_SLICE},
        method=str(attributes["method"]),
        mask_source=str(attributes["mask_source"]),
        acceleration=float(attributes["acceleration"]),
        seed=int(attributes["seed"]),
        source=Path(str(attributes["source_path"])),
        title=str(attributes.get("title", "")),
        posterior=_posterior(learned),
        prior=_prior(learned, str(attributes.get("prior", "")), str(attributes.get("prior_hash", ""))),
        geometry=_geometry(str(attributes["geometry"])),
        facts=_facts(str(attributes.get("facts", "{}")), frame),
        frame=labels[frame],
        stack=int(attributes.get("stack", 0)),
        notes=tuple(json.loads(attributes["notes"])),
        parameters=json.loads(attributes["parameters"]),
        checks=json.loads(attributes.get("checks", "{}")),
    )


def read_frames(path: str | Path) -> tuple[Reconstruction, ...]:
    """Read all frames of a file.

    Raises
    ------
    InputError
        As `read_reconstruction`.
    """
    first = read_reconstruction(path)
    with read_hdf5(path) as file:
        count = len(json.loads(file.attrs.get("frames", "[{}]")))
    return (first, *(read_reconstruction(path, number) for number in range(1, count)))


def _posterior(arrays: dict[str, NDArray[np.float32]]) -> PosteriorPart | None:
    if "std" not in arrays:
        return None
    return PosteriorPart(arrays.get("samples"), arrays["std"], arrays.get("half_width"))


def _prior(arrays: dict[str, NDArray[np.float32]], path: str, sha256: str) -> PriorUse | None:
    return PriorUse(path, sha256, arrays.get("measured_part"), arrays.get("prior_part")) if path else None


def _geometry(text: str) -> Geometry:
    values = json.loads(text)
    vectors = ("voxel_size", "read_direction", "phase_direction", "slice_direction")
    for name in vectors:
        values[name] = tuple(values[name]) if values[name] is not None else None
    values["positions"] = tuple(tuple(position) for position in values["positions"])
    return Geometry(**values)


def _facts(text: str, frame: int) -> Facts:
    stored = json.loads(text)
    # Files of earlier releases hold those of the first frame alone.
    own = stored[frame] if isinstance(stored, list) else stored
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()}
    return Facts(**values)
