"""From a reconstructed slice to the pixels of an image: its matrix, its direction, and stored values."""

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.operators.fourier import fft2c, ifft2c
from rsd_mri.scan.middle import centre_slice

MOST_CLIPPED = 1e-3
"""Share of an image's pixels that may be brighter than the largest stored value."""
SPECK = 1.3
"""A brightest pixel above so many times what all but `MOST_CLIPPED` reach does not set the scale."""
AMONG_MANY = 1.5
"""Room for slices that peak higher over their energy than the one the scale is taken from."""
YET_TO_COME = 2.0
"""Room for slices that are not measured yet."""
FOR_SAMPLES = 1.25
"""Room for the images of another method and for samples."""


def on_matrix(image: NDArray[np.complex64], matrix: tuple[int, int]) -> NDArray[np.complex64]:
    """Bring an image to another matrix over the same field of view, by zero-filling or cropping its k-space.

    The pixel at n // 2 stays where it is, and values keep their size.

    Parameters
    ----------
    image
        [readout, phase_encode].
    matrix
        (readout, phase_encode) wanted.
    """
    if image.shape == matrix:
        return image
    kspace = fft2c(torch.from_numpy(np.ascontiguousarray(image))).numpy()
    wanted: NDArray[np.complex64] = np.zeros(matrix, np.complex64)
    pairs = [_common(n, m) for n, m in zip(image.shape, matrix, strict=True)]
    wanted[pairs[0][1], pairs[1][1]] = kspace[pairs[0][0], pairs[1][0]]
    scale = np.float32(np.sqrt(np.prod(matrix) / np.prod(image.shape)))
    found: NDArray[np.complex64] = ifft2c(torch.from_numpy(wanted)).numpy() * scale
    return found


def _common(n: int, m: int) -> tuple[slice, slice]:
    """Where k-space of n points and of m points overlap, with the centres on one another."""
    width = min(n, m)
    return centre_slice(n, width), centre_slice(m, width)


def real_on_matrix(values: NDArray[np.float32], matrix: tuple[int, int]) -> NDArray[np.float32]:
    """The same of values that are not negative."""
    if values.shape == matrix:
        return values
    return np.maximum(on_matrix(values.astype(np.complex64), matrix).real, 0)


def turned(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Reverse both axes about pixel n // 2; on an axis of even length pixel 0 has no partner but itself."""
    shift = tuple(1 - n % 2 for n in pixels.shape)
    return np.roll(pixels[::-1, ::-1], shift, axis=(0, 1))


def level_of(magnitude: NDArray[np.floating]) -> float:
    """The brightness that should come out as the largest stored value."""
    largest = float(magnitude.max(initial=0))
    usual = float(np.quantile(magnitude, 1 - MOST_CLIPPED)) if magnitude.size else 0.0
    return (min(largest, SPECK * usual) if usual > 0 else largest) or 1.0


def stored(magnitude: NDArray[np.floating], factor: float, largest: int) -> tuple[NDArray[np.int16], float]:
    """Stored values, and the share of pixels that were too bright."""
    values = np.rint(magnitude * factor)
    return np.clip(values, 0, largest).astype(np.int16), float((values > largest).mean())
