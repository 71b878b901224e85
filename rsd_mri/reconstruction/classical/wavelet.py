"""Soft thresholding of images in a wavelet basis."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


class WaveletShrinkage:
    """The proximal map of the l1 norm of an image's wavelet coefficients.

    A level of a separable transform is a convolution of stride two with four small kernels, and its adjoint
    the transposed one. Outside the image are zeros, as sigpy has it: the transform is then an isometry for
    every size, with slightly more coefficients than pixels.

    Parameters
    ----------
    size
        (readout, phase_encode).
    wavelet
        An orthogonal wavelet by PyWavelets' name.
    levels
        Number of levels; where not given as many as leave 16 points of the shorter side.
    keep_coarse
        Leave the coarse image alone: it is not sparse, and thresholding it darkens the image.
    """

    def __init__(
        self, size: tuple[int, int], wavelet: str = "db2", levels: int | None = None, keep_coarse: bool = True
    ) -> None:
        self.levels = max(int(np.log2(max(min(size), 16) / 16)), 0) if levels is None else levels
        self.keep_coarse = keep_coarse
        self.kernels = _kernels(wavelet)

    def __call__(self, image: Tensor, amount: Tensor) -> Tensor:
        """Shrink the coefficients' magnitudes by `amount`.

        Parameters
        ----------
        image
            [..., readout, phase_encode] complex.
        amount
            Broadcasts against `image`; sizes one along the last two axes.
        """
        # One channel per real image: [real and imaginary x images, 1, readout, phase_encode].
        planes = torch.stack((image.real, image.imag)).reshape(-1, 1, *image.shape[-2:])
        each = amount.expand(*image.shape[:-2], 1, 1).reshape(-1, 1, 1, 1)
        real, imaginary = self._shrink(planes, each, 0).reshape(2, *image.shape)
        return torch.complex(real, imaginary)

    def _shrink(self, planes: Tensor, amount: Tensor, level: int) -> Tensor:
        if level == self.levels:
            return planes if self.keep_coarse else soft_threshold(planes, amount)
        rows, columns = planes.shape[-2:]
        kernels = self.kernels.to(planes)
        outside = kernels.shape[-1] - 2
        even = functional.pad(planes, (0, columns % 2, 0, rows % 2))
        coefficients = functional.conv2d(even, kernels, stride=2, padding=outside)
        coarse = self._shrink(coefficients[:, :1].contiguous(), amount, level + 1)
        shrunk = torch.cat((coarse, soft_threshold(coefficients[:, 1:], amount)), dim=1)
        return functional.conv_transpose2d(shrunk, kernels, stride=2, padding=outside)[..., :rows, :columns]


def soft_threshold(planes: Tensor, amount: Tensor) -> Tensor:
    """Shrink complex numbers towards zero by `amount`; the real parts are the first half of `planes`."""
    real, imaginary = planes.chunk(2)
    magnitude = torch.hypot(real, imaginary)
    # max(m, t) - t over max(m, t): no division by zero, no branch.
    larger = torch.maximum(magnitude, amount).clamp_min_(torch.finfo(planes.dtype).tiny)
    share = (larger - amount) / larger
    return torch.cat((real * share, imaginary * share))


@lru_cache(maxsize=8)
def _kernels(wavelet: str) -> Tensor:
    """Kernels [4, 1, n, n]: coarse, then detail along phase encode, readout and both."""
    import pywt  # only here

    low, high = (np.array(f)[::-1] for f in pywt.Wavelet(wavelet).filter_bank[:2])
    kernels = [np.outer(rows, columns) for rows in (low, high) for columns in (low, high)]
    return torch.from_numpy(np.stack(kernels)[:, None]).float()
