"""Soft thresholding of images in an orthogonal wavelet basis."""

from functools import lru_cache

import numpy as np
import pywt
import torch
from torch import Tensor


class WaveletShrinkage:
    """The proximal map of the l1 norm of an image's wavelet coefficients.

    A level of a separable transform is a product with one matrix from the left and one from the right. At
    the sizes of MRI a dense product is faster than filtering, and serves any boundary rule and any size.

    Parameters
    ----------
    size
        (readout, phase_encode).
    wavelet
        An orthogonal wavelet by PyWavelets' name.
    levels
        Number of levels; as many as fit the filter (or leave at least 16 points) where not given.
    boundary
        `periodization`: the image continues on the other side, after padding with zeros to a size that can be
        halved `levels` times; orthogonal. `zero`: zeros outside, as sigpy has it; an isometry, not onto.
    keep_coarse
        Leave the coarse image alone: it is not sparse, and thresholding it darkens the image.
    """

    def __init__(
        self,
        size: tuple[int, int],
        wavelet: str = "db4",
        levels: int | None = None,
        boundary: str = "periodization",
        keep_coarse: bool = True,
    ) -> None:
        if levels is None:
            levels = max(min(int(np.log2(n / 16)) if n >= 32 else 0 for n in size), 0)
        self.levels = levels
        self.keep_coarse = keep_coarse
        self.rows = _level_matrices(size[0], wavelet, levels, boundary)
        self.columns = _level_matrices(size[1], wavelet, levels, boundary)

    def __call__(self, image: Tensor, amount: Tensor) -> Tensor:
        """Shrink the coefficients' magnitudes by `amount`.

        Parameters
        ----------
        image
            [..., readout, phase_encode] complex.
        amount
            Broadcasts against `image`; sizes one along the last two axes.
        """
        planes = torch.stack((image.real, image.imag))
        real, imaginary = self._shrink(planes, amount, 0)
        return torch.complex(real, imaginary)

    def _shrink(self, planes: Tensor, amount: Tensor, level: int) -> Tensor:
        if level == self.levels:
            return planes if self.keep_coarse else soft_threshold(planes, amount)
        left = self.rows[level].to(planes)
        right = self.columns[level].to(planes)
        coefficients = left @ planes @ right.mT
        n, m = left.shape[0] // 2, right.shape[0] // 2
        coarse = self._shrink(coefficients[..., :n, :m].contiguous(), amount, level + 1)
        coefficients = soft_threshold(coefficients, amount)
        coefficients[..., :n, :m] = coarse
        return left.mT @ coefficients @ right


def soft_threshold(planes: Tensor, amount: Tensor) -> Tensor:
    """Shrink complex numbers towards zero by `amount`; `planes` [2, ...] are real and imaginary part."""
    magnitude = torch.hypot(planes[0], planes[1])
    # max(m, t) - t over max(m, t): no division by zero, no branch.
    larger = torch.maximum(magnitude, amount).clamp_min_(torch.finfo(planes.dtype).tiny)
    return planes * ((larger - amount) / larger)


@lru_cache(maxsize=32)
def _level_matrices(size: int, wavelet: str, levels: int, boundary: str) -> tuple[Tensor, ...]:
    """Per level the matrix [coarse and detail, size] that transforms a signal."""
    padded = size + (-size) % (2**levels if boundary == "periodization" else 2)
    columns = np.eye(padded)[:, :size]
    matrices = []
    for _ in range(levels):
        coarse, detail = pywt.dwt(columns, wavelet, mode=boundary, axis=0)
        matrices.append(torch.from_numpy(np.concatenate((coarse, detail))).float())
        columns = np.eye(len(coarse))
    return tuple(matrices)
