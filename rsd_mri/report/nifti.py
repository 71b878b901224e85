"""Reconstructions as NIfTI: magnitude, phase and standard deviation."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from rsd_mri.files import written_whole
from rsd_mri.reconstruction.result import Reconstruction
from rsd_mri.report.planes import affine_ras, voxel_size
from rsd_mri.scan.scan import Geometry


def write_nifti(folder: str | Path, rec: Reconstruction, name: str | None = None) -> list[Path]:
    """Write `NAME_magnitude.nii.gz`, `NAME_phase.nii.gz` [rad] and, where there is one, `NAME_std.nii.gz`.

    Voxel axes are (phase encode, readout, slice). Where the scan's geometry is incomplete the form codes are
    zero, which means that the orientation is unknown, and the description says so.

    Returns
    -------
    list of Path
        The files written.
    """
    name = name or rec.source.stem
    volumes = {"magnitude": rec.magnitude, "phase": np.angle(rec.image).astype(np.float32)}
    if rec.std is not None:
        volumes["std"] = rec.std
    written = []
    for kind, volume in volumes.items():
        path = Path(folder) / f"{name}_{kind}.nii.gz"
        with written_whole(path) as partial:
            # A fixed time in the gzip header: the same image gives the same file.
            partial.write_bytes(gzip.compress(nifti_image(volume, rec.geometry).to_bytes(), 6, mtime=0))
        written.append(path)
    return written


def nifti_image(volume: NDArray[np.generic], geometry: Geometry) -> nibabel.Nifti1Image:
    """Wrap a volume [slice, readout, phase_encode] with its place in the patient."""
    affine = affine_ras(geometry, len(volume), volume.shape[1:])
    image = nibabel.Nifti1Image(volume.transpose(2, 1, 0), affine)
    read, phase, across = voxel_size(geometry)
    note = "RSD-MRI RESEARCH, not for diagnostic use"
    if affine is None:
        image.header.set_zooms((phase, read, across + geometry.slice_gap))
        note += "; orientation unknown"
        if geometry.voxel_size is None:
            note += ", size unknown"
    else:
        image.set_sform(affine, code=1)
        image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note.encode()
    return image
