"""Reconstructions as NIfTI: magnitude, phase, standard deviation, interval and samples."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from rsd_mri.files import written_whole
from rsd_mri.results.planes import affine_ras, is_known, voxel_size
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.scan import Geometry


def write_nifti(folder: str | Path, rec: Reconstruction, name: str | None = None) -> list[Path]:
    """Write `NAME_magnitude.nii.gz`, `NAME_phase.nii.gz` [rad] and, where there are, `_std`, `_half_width`, `_samples`.

    Voxel axes are (phase encode, readout, slice), and (sample) as the fourth of `_samples`. Where the scan's geometry
    is incomplete the form codes are zero, which means that the orientation is unknown, and the description says so.

    Returns
    -------
    list of Path
        The files written.
    """
    name = name or rec.source.stem
    volumes = {
        "magnitude": rec.magnitude,
        "phase": np.angle(rec.image).astype(np.float32),
        "std": rec.std,
        "half_width": rec.half_width,
        "samples": None if rec.samples is None else np.moveaxis(rec.samples, 0, -1),
    }
    written = []
    for kind, volume in volumes.items():
        if volume is None:
            continue
        path = Path(folder) / f"{name}_{kind}.nii.gz"
        with written_whole(path) as partial:
            # A fixed time in the gzip header: the same image gives the same file.
            partial.write_bytes(gzip.compress(nifti_image(volume, rec.geometry).to_bytes(), 6, mtime=0))
        written.append(path)
    return written


def nifti_image(volume: NDArray[np.generic], geometry: Geometry) -> nibabel.Nifti1Image:
    """Wrap a volume [slice, readout, phase_encode] or [slice, readout, phase_encode, sample] with its place."""
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
