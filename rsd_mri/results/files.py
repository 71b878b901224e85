"""Reconstructions written to disk: `SCAN_recon.h5`, laid out so that `fastmri.evaluate` reads it."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.errors import InputError
from rsd_mri.files.hdf5 import written_hdf5
from rsd_mri.files.slices import Slices
from rsd_mri.results.formats import Beside
from rsd_mri.results.volume import ReconstructedVolume, frames_of
from rsd_mri.scan.facts import Facts

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


def write(path: Path, frames: Sequence[ReconstructedVolume], beside: Beside) -> list[Path]:  # noqa: ARG001
    """Write frames as `write_reconstruction` does; see `Format.write`."""
    return [write_reconstruction(path, frames)]


def write_reconstruction(path: str | Path, rec: ReconstructedVolume | Sequence[ReconstructedVolume]) -> Path:
    """Write a reconstruction, or all frames of one, as HDF5, whole or not at all.

    Data sets: `reconstruction` [slice, readout, phase_encode] float32, `reconstruction_complex`, `csm`,
    `mask`; for posterior methods `samples` [sample, slice, readout, phase_encode] and `std`; for learned ones
    `measured_part` and `prior_part`. Everything else is an attribute of the file; structured ones (`geometry`,
    `notes`, `parameters`, `checks`, `facts`) are JSON.

    Of several frames every array and every figure of a slice has the frame as its first axis, the mask only where it
    changes; `frames` is a list of their counters, and the rest is that of the first.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If the image holds values that are not finite, or nothing but zeros.
    """
    path, frames = Path(path), frames_of(rec)
    rec = frames[0]
    for frame in frames:
        _require_an_image(path, frame.magnitude)
    with written_hdf5(path) as file:
        for name, field in (*ARRAYS, *WHERE_LEARNED):
            if getattr(rec, field) is not None:
                _write_array(file, name, field, [getattr(frame, field) for frame in frames])
        for name in PLAIN:
            file.attrs[name] = getattr(rec, name)
        for name in PER_SLICE:
            file.attrs[name] = _per_slice([getattr(frame, name) for frame in frames])
        file.attrs["source"] = rec.source.name
        file.attrs["source_path"] = str(rec.source)
        file.attrs["title"] = rec.title
        file.attrs["prior"] = "" if rec.prior is None else rec.prior.path
        file.attrs["prior_hash"] = "" if rec.prior is None else rec.prior.sha256
        file.attrs["geometry"] = json.dumps(dataclasses.asdict(rec.geometry))
        file.attrs["notes"] = json.dumps(list(dict.fromkeys(note for frame in frames for note in frame.notes)))
        file.attrs["checks"] = json.dumps(rec.checks)
        file.attrs["parameters"] = json.dumps(rec.parameters)
        # Echo times and moments differ between frames.
        nothing = dataclasses.asdict(Facts())
        known = [{k: v for k, v in dataclasses.asdict(f.facts).items() if v != nothing[k]} for f in frames]
        file.attrs["facts"] = json.dumps(known if len(frames) > 1 else known[0])
        file.attrs["stack"] = rec.stack
        if len(frames) > 1:
            file.attrs["frames"] = json.dumps([frame.frame for frame in frames])
            file.attrs["mask_changes"] = bool(file["mask"].ndim > rec.mask.ndim)
        file.attrs["version"] = __version__
        file.attrs["not_for_diagnostic_use"] = True
        file.attrs["warning"] = NOT_FOR_DIAGNOSTIC_USE
    return path


def _write_array(file: h5py.File, name: str, field: str, values: list[Any]) -> None:
    """Write a field of all frames along a first axis, frame by frame; what lies on disk goes slice by slice.

    A mask that does not change is written once. Frames may keep different numbers of virtual coils: the others are 0.
    """
    same = field == "mask" and all(np.array_equal(values[0], one) for one in values)
    if len(values) == 1 or same:
        _put(file.create_dataset(name, values[0].shape, values[0].dtype), (), values[0])
        return
    if field == "csm":
        shape = (len(values[0]), max(one.shape[1] for one in values), *values[0].shape[2:])
    else:
        shape = np.broadcast_shapes(*(one.shape for one in values))
    data = file.create_dataset(name, (len(values), *shape), values[0].dtype)
    for number, one in enumerate(values):
        _put(data, (number,), one)


def _put(data: h5py.Dataset, place: tuple[int, ...], value: "NDArray[Any] | Slices") -> None:
    if not isinstance(value, Slices) and value.shape == data.shape[len(place) :]:
        data[place + (...,)] = value
    elif value.ndim == data.ndim - len(place):
        for index, one in enumerate(value):
            data[place + (index, slice(0, len(one)))] = one
    else:
        data[place + (...,)] = np.broadcast_to(value, data.shape[len(place) :])


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


def _per_slice(values: list[NDArray[Any]]) -> NDArray[Any]:
    return np.asarray(values[0]) if len(values) == 1 else np.stack([np.asarray(one) for one in values])
