"""Reconstructions as NIfTI: magnitude, phase, standard deviation, interval and samples."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from rsd_mri.files import written_whole
from rsd_mri.results.formats import Beside
from rsd_mri.results.planes import affine_ras, is_known, voxel_size
from rsd_mri.results.timing import moments_of, step_of
from rsd_mri.results.volume import ReconstructedVolume, frames_of
from rsd_mri.scan.geometry import Geometry


def write(path: Path, frames: Sequence[ReconstructedVolume], beside: Beside) -> list[Path]:  # noqa: ARG001
    """Write frames as `write_nifti` does, the magnitude to `path`; see `Format.write`."""
    name = path.name.removesuffix(".nii.gz").removesuffix("_magnitude")
    return write_nifti(path.parent, frames, name, magnitude=path.name)


def write_nifti(
    folder: str | Path,
    rec: ReconstructedVolume | Sequence[ReconstructedVolume],
    name: str | None = None,
    magnitude: str | None = None,
) -> list[Path]:
    """Write `NAME_magnitude.nii.gz`, `NAME_phase.nii.gz` [rad] and, where there are, `_std`, `_half_width`, `_samples`.

    Voxel axes are (phase encode, readout, slice), then (frame) where there are several; that of samples comes last.
    Where the frames follow each other at even steps of time, the step (`pixdim[4]`) and when the first was measured
    (`toffset`) are in seconds; else the unit of time is left unknown, in which a step of 1 means nothing.
    Where the scan's geometry is incomplete the form codes are zero, which means that the orientation is unknown, and
    the description says so.

    Parameters
    ----------
    folder
        Where they go.
    rec
        The reconstruction, or its frames.
    name
        NAME; that of the scan where not given.
    magnitude
        Another name for the file of the magnitude.

    Returns
    -------
    list of Path
        The files written.
    """
    frames = frames_of(rec)
    rec = frames[0]
    name = name or rec.source.stem

    def over_frames(value: Callable[[ReconstructedVolume], NDArray[np.generic] | None]) -> NDArray[np.generic] | None:
        values = [value(frame) for frame in frames]
        found = [v for v in values if v is not None]
        if len(found) < len(frames):
            return None
        return found[0] if len(found) == 1 else np.stack(found, axis=3)

    volumes = {
        "magnitude": over_frames(lambda r: r.magnitude),
        "phase": over_frames(lambda r: np.angle(r.image).astype(np.float32)),
        "std": over_frames(lambda r: r.std),
        "half_width": over_frames(lambda r: r.half_width),
        "samples": over_frames(lambda r: None if r.samples is None else np.moveaxis(r.samples, 0, -1)),
    }
    written = []
    for kind, volume in volumes.items():
        if volume is None:
            continue
        own = magnitude if kind == "magnitude" else None
        path = Path(folder) / (own or f"{name}_{kind}.nii.gz")
        image = nifti_image(volume, rec.geometry)
        _put_time(image, frames)
        with written_whole(path) as partial:
            # A fixed time in the gzip header: the same image gives the same file.
            partial.write_bytes(gzip.compress(image.to_bytes(), 6, mtime=0))
        written.append(path)
    return written


def nifti_image(volume: NDArray[np.generic], geometry: Geometry) -> nibabel.Nifti1Image:
    """Wrap a volume [slice, readout, phase_encode], with axes of frames or samples behind these, with its place."""
    affine = affine_ras(geometry, len(volume), volume.shape[1:3])
    image = nibabel.Nifti1Image(np.moveaxis(volume, (0, 1, 2), (2, 1, 0)), affine)
    read, phase, across = voxel_size(geometry)
    note = "RSD-MRI RESEARCH, not for diagnostic use"
    if affine is None:
        image.header.set_zooms((phase, read, across + geometry.slice_gap, *([1.0] * (volume.ndim - 3))))
        # Where all is known but the spacing, the slices are uneven: DICOM holds such a stack, NIfTI cannot.
        known = is_known(geometry, len(volume))
        note += "; slices unevenly spaced, orientation left out" if known else "; orientation unknown"
        if geometry.voxel_size is None:
            note += ", size unknown"
    else:
        image.set_sform(affine, code=1)
        image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note.encode()
    return image


def _put_time(image: nibabel.Nifti1Image, frames: Sequence[ReconstructedVolume]) -> None:
    """The step from frame to frame and the moment of the first [s], where they are known and even."""
    moments, step = moments_of(frames), step_of(frames)
    if moments is None or step is None:
        return
    zooms = list(image.header.get_zooms())
    zooms[3] = step / 1e3
    image.header.set_zooms(zooms)
    image.header.set_xyzt_units("mm", "sec")
    image.header["toffset"] = moments[0] / 1e3
