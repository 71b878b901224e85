"""Images of any field as training data: corrupted once, and for good."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.corruption.corruption import Corruption, Key, Measurements
from rsd_mri.errors import InputError

CHUNK = 256


class CorruptedImages:
    """Measurements of clean images.

    Every image is corrupted when the object is made, by an operator and a noise keyed by (seed, item). Only
    the measurements are kept: nothing that was hidden can be read again.

    Parameters
    ----------
    images
        [item, channel, y, x]: uint8, taken as [-1, 1], or floating point or complex as it is.
    corruption
        The law; its `generator_shape` is the shape of one image.
    seed
        Of the protocol.
    items
        Identity of each image; its number by default.

    Raises
    ------
    InputError
        If there is no image, or the images are not of the shape the corruption was made for.
    """

    def __init__(
        self, images: NDArray[np.generic], corruption: Corruption, seed: int, items: Sequence[str] | None = None
    ) -> None:
        if not len(images):
            raise InputError("no images to train on; give a folder with at least one")
        if tuple(images.shape[1:]) != tuple(corruption.generator_shape):
            raise InputError(
                f"images: expected [channel, y, x] = {list(corruption.generator_shape)}, got {list(images.shape[1:])}"
            )
        if items is not None and len(items) != len(images):
            raise InputError(f"items: expected one name for each of {len(images)} images, got {len(items)}")
        self.corruption = corruption
        names = range(len(images)) if items is None else items
        self._keys: tuple[Key, ...] = tuple((seed, name, "data") for name in names)
        parts = []
        for first in range(0, len(images), CHUNK):
            clean = torch.from_numpy(scaled(images[first : first + CHUNK])).to(corruption.dtype)
            parts.append(corruption.measure(clean, self._keys[first : first + CHUNK]).y)
        self._y = torch.cat(parts)
        self.identity = hashlib.sha256(self._y.numpy().tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._keys)

    def batch(self, indices: Sequence[int]) -> Measurements:
        """Collate items; each has the operator it was corrupted with."""
        keys = tuple(self._keys[i] for i in indices)
        operator, sigma = self.corruption.draw(keys)
        return Measurements(self._y[torch.as_tensor(list(indices))], operator, sigma, keys)


def scaled(images: NDArray[np.generic]) -> NDArray[np.generic]:
    """Bytes as numbers in [-1, 1]; other images as they are."""
    if images.dtype == np.uint8:
        found: NDArray[np.generic] = images.astype(np.float32) / np.float32(127.5) - 1
        return found
    return np.ascontiguousarray(images)
