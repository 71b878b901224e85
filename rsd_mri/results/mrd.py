"""Images as ISMRMRD's, in its HDF5 files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.files.hdf5 import hdf5_target
from rsd_mri.results.formats import Beside
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.header import format_header

GROUP = "dataset"
SERIES = (("magnitude", ismrmrd.IMTYPE_MAGNITUDE), ("image", ismrmrd.IMTYPE_COMPLEX), ("std", ismrmrd.IMTYPE_MAGNITUDE))
"""Groups of images, by the reconstruction's own names, and what their numbers are."""
COUNTERS = ("contrast", "phase", "repetition", "set", "average")


def write(path: Path, frames: Sequence[Reconstruction], beside: Beside) -> list[Path]:  # noqa: ARG001
    """Write an image a slice and frame, x along the readout, with its place where that is known; see `Format.write`."""
    rec = frames[0]
    size = (rec.magnitude.shape[1], rec.magnitude.shape[2])
    header = format_header(size, size, rec.n_slices, 1, None, rec.geometry.voxel_size)
    with hdf5_target(path) as target:
        file = ismrmrd.Dataset(target, GROUP)
        try:
            file.write_xml_header(header.encode())
            for number, (name, kind) in enumerate(SERIES):
                for frame in frames if getattr(rec, name) is not None else ():
                    for index, pixels in enumerate(getattr(frame, name)):
                        file.append_image(name, _image(frame, pixels, index, number, kind, name))
        finally:
            file.close()
    return [path]


def _image(rec: Reconstruction, pixels: NDArray[Any], index: int, series: int, kind: int, name: str) -> Any:
    """One image with its header."""
    geometry = rec.geometry
    made = ismrmrd.Image.from_array(np.ascontiguousarray(pixels.T), transpose=False)
    voxel = geometry.voxel_size or (0.0, 0.0, 0.0)
    sizes = (pixels.shape[0], pixels.shape[1], 1)
    made.field_of_view = tuple(n * v for n, v in zip(sizes, voxel, strict=True))
    for field, direction in (
        ("read_dir", geometry.read_direction),
        ("phase_dir", geometry.phase_direction),
        ("slice_dir", geometry.slice_direction),
        ("position", geometry.positions[index] if index < len(geometry.positions) else None),
    ):
        if direction is not None:
            getattr(made, field)[:] = direction
    made.image_type, made.image_index, made.image_series_index, made.slice = kind, index + 1, series, index
    for counter in COUNTERS:
        if counter in rec.frame:
            setattr(made, counter, rec.frame[counter])
    made.attribute_string = ismrmrd.Meta(
        {
            "DataRole": "Image",
            "ImageProcessingHistory": ["rsd-mri", rec.method],
            "ImageType": name,
            "ImageComments": " ".join((NOT_FOR_DIAGNOSTIC_USE, *rec.notes)),
        }
    ).serialize()
    return made
