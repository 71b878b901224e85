"""Sets of images to be judged, from whatever file they lie in, as bytes on one stated scale."""

from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from data_prep import PreparedDataset
from data_prep.images import PREPARED, read_images
from rsd_mri.errors import InputError
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.operators import sense_operator

Bytes: TypeAlias = NDArray[np.uint8]

MAGNITUDE_WHITE = 170.0
"""What the prepared unit 1 (the 99th percentile of the calibration image) becomes on the scale 0 to 255. The brightest
tissue, near 1.5, is then 255; what is above is clipped. Published MRI figures are of unscaled magnitudes and compare
with nothing on this scale."""


def read_set(source: str | Path) -> Bytes:
    """Read a set of images: generated ones, pictures, an array, or fully sampled prepared scans.

    Parameters
    ----------
    source
        What `generate` writes (`images` in HDF5); a folder or archive of pictures of one size; a `.npy` array, bytes
        [image, channel, y, x], real in [-1, 1], or complex [image, y, x] in prepared units; a folder of scans that
        `prep` wrote, of which the combined images are taken.

    Returns
    -------
    ndarray
        [image, 3, y, x], 0 to 255: 127.5 x + 128 of real images in [-1, 1], as in the published evaluations, and
        `MAGNITUDE_WHITE` times the magnitude of complex ones; rounded down and clipped. One channel becomes three.

    Raises
    ------
    InputError
        If the source is none of these, or holds undefined values.
    """
    path = Path(source)
    if path.is_dir() and not (path / PREPARED).is_file() and any(path.rglob("*.h5")):
        return to_bytes(combined_images(PreparedDataset(path)), path)
    if path.suffix == ".npy":
        return to_bytes(_array(path), path)
    if path.is_file() and h5py.is_hdf5(path):
        with read_hdf5(path) as file:
            found = file.get("images")
            if not isinstance(found, h5py.Dataset):
                raise InputError(f"{path}: expected a data set 'images', as 'rsd-mri generate' writes it")
            return to_bytes(found[()], path)
    return to_bytes(read_images(path, None), path)


def to_bytes(images: NDArray[Any], source: object = "images") -> Bytes:
    """Bring images to bytes of three channels; scales as for `read_set`.

    Raises
    ------
    InputError
        If they are no images, or hold undefined values.
    """
    if images.dtype.kind == "c":
        images = images[:, None] if images.ndim == 3 else images
        images = MAGNITUDE_WHITE * np.abs(images)
    elif images.dtype.kind == "f":
        images = 127.5 * images + 128
    elif images.dtype != np.uint8:
        raise InputError(f"{source}: expected bytes, real or complex images, got {images.dtype}")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise InputError(
            f"{source}: expected images [image, channel, y, x] with 1 or 3 channels, got {list(images.shape)}"
        )
    if not np.isfinite(images).all():
        raise InputError(f"{source}: holds infinite or undefined values; make the images again")
    stored = images if images.dtype == np.uint8 else np.clip(images, 0, 255).astype(np.uint8)
    return np.broadcast_to(stored, (len(stored), 3, *stored.shape[2:]))


def magnitudes(images: NDArray[np.generic]) -> NDArray[np.float32]:
    """Magnitudes of complex images [image, y, x] as they are, in three channels: what published MRI figures compare."""
    found = np.abs(images).astype(np.float32)
    return np.broadcast_to(found[:, None], (len(found), 3, *found.shape[1:]))


def combined_images(slices: PreparedDataset, count: int | None = None) -> NDArray[np.complex64]:
    """A^H y of fully sampled prepared slices, of all or the first `count`, [slice, readout, phase_encode].

    Raises
    ------
    InputError
        If one is undersampled: its image is none to judge by.
    """
    images = []
    for i in range(len(slices) if count is None else min(count, len(slices))):
        one = slices[i]
        if not one["mask"].all():
            raise InputError(f"{slices.folder}: an undersampled scan cannot be a reference; give fully sampled ones")
        csm = one["csm"] if one["csm"].ndim == 3 else one["csm"][0]
        operator = sense_operator(torch.from_numpy(csm)[None], torch.ones(csm.shape[-1], dtype=torch.bool))
        images.append(operator.adjoint(torch.from_numpy(one["kspace"])[None])[0].numpy())
    return np.stack(images)


def _array(path: Path) -> NDArray[np.generic]:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not readable as an array ({error})") from error
