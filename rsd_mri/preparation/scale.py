"""The scale that prepared k-space is divided by, from the calibration alone: no full scan is asked for."""

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.operators.fourier import ifft2c
from rsd_mri.scan.middle import centre_of_last


def calibration_scale(calibration: NDArray[np.complexfloating], size: tuple[int, int]) -> float:
    """99th percentile of the root sum of squares of the low-resolution images of all slices.

    Parameters
    ----------
    calibration
        [slice, coil, readout, phase_encode].
    size
        (readout, phase_encode) of the image whose pixel values are meant.
    """
    # Four points per resolved pixel show the low-resolution image as well as the full grid does.
    grid = [min(n, 4 * c) for n, c in zip(size, calibration.shape[-2:], strict=True)]
    window = centre_of_last(grid, calibration.shape[-2:])
    larger = np.sqrt(np.prod(grid) / np.prod(size))
    combined = np.empty((len(calibration), *grid))
    # One by one: the coil images of hundreds of slices would take more than the scan.
    for one, out in zip(calibration, combined, strict=True):
        padded = np.zeros((len(one), *grid), dtype=np.complex128)
        padded[window] = one
        images = ifft2c(torch.from_numpy(padded)).numpy() * larger
        out[...] = np.sqrt((np.abs(images) ** 2).sum(axis=0))
    return float(np.quantile(combined, 0.99))
