"""Operators on images of any field: hidden pixels, blur, smaller images.

All act on [batch, channel, y, x], real or complex, and treat every channel alike.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from rsd_mri.operators.linear_operator import LinearOperator, require_rank
from rsd_mri.operators.sampling import Masking

AXES = "batch, channel, y, x"


class PixelMask(Masking):
    """Keep some pixels.

    Parameters
    ----------
    mask
        [batch or 1, channel or 1, y, x], true where a pixel is seen.

    Raises
    ------
    ValueError
        If the mask has another rank.
    """

    axes = AXES

    def __init__(self, mask: Tensor) -> None:
        require_rank(mask, 4, AXES, "PixelMask's mask")
        self.mask = mask != 0


class Convolution(LinearOperator):
    """Blur: convolve every channel with one kernel; the image continues beyond its edge as in a mirror.

    The edge pixel is not repeated ("reflect" of numpy and torch). The adjoint is exact: what was taken from
    the mirror is folded back.

    Parameters
    ----------
    kernel
        [y, x], real, both sizes odd.

    Raises
    ------
    ValueError
        If the kernel is not two-dimensional with odd sizes.
    """

    def __init__(self, kernel: Tensor) -> None:
        if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
            raise ValueError(f"kernel must be [y, x] with odd sizes, got shape {list(kernel.shape)}")
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        """Image to blurred image of the same shape."""
        rows, columns = self._reach(x)
        padded = F.pad(_planes(x), (columns, columns, rows, rows), mode="reflect")
        return _images(F.conv2d(padded, self._weight(x)), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Blurred image back to image."""
        rows, columns = self._reach(y)
        padded = F.conv_transpose2d(_planes(y), self._weight(y))
        return _images(_fold(_fold(padded, rows, -2), columns, -1), y)

    def _reach(self, x: Tensor) -> tuple[int, int]:
        require_rank(x, 4, AXES, "Convolution")
        rows, columns = self.kernel.shape[0] // 2, self.kernel.shape[1] // 2
        if x.shape[-2] <= rows or x.shape[-1] <= columns:
            raise ValueError(f"kernel {list(self.kernel.shape)} is too large for images of shape {list(x.shape)}")
        return rows, columns

    def _weight(self, x: Tensor) -> Tensor:
        # torch correlates; a convolution turns the kernel round.
        return self.kernel.flip(0, 1).to(x.dtype.to_real() if x.is_complex() else x.dtype)[None, None]


class Downsampling(LinearOperator):
    """Shrink by a whole factor with the cubic kernel, widened by the factor against aliasing.

    Keys 1981, doi:10.1109/TASSP.1981.1163711, with a = -0.5; weights are normalised at the edges. Equal to
    Pillow's bicubic `resize`.

    Parameters
    ----------
    shape
        (y, x) of the full image.
    factor
        Shrinks both axes; it must divide them.
    dtype
        Real type of the weights.

    Raises
    ------
    ValueError
        If the factor does not divide both sizes.
    """

    def __init__(self, shape: tuple[int, int], factor: int, dtype: torch.dtype = torch.float32) -> None:
        if factor < 1 or any(n % factor for n in shape):
            raise ValueError(f"factor {factor} does not divide the image size {shape[0]}x{shape[1]}")
        self.factor = factor
        self.rows = cubic_weights(shape[0], factor).to(dtype)
        self.columns = cubic_weights(shape[1], factor).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channel, y, x] to [batch, channel, y / factor, x / factor]."""
        self._check(x, 1, "Downsampling")
        rows, columns = self.rows.to(x.dtype), self.columns.to(x.dtype)
        return rows @ x @ columns.mT

    def adjoint(self, y: Tensor) -> Tensor:
        """[batch, channel, y / factor, x / factor] to [batch, channel, y, x]."""
        self._check(y, 0, "Downsampling.H")
        rows, columns = self.rows.to(y.dtype), self.columns.to(y.dtype)
        return rows.mT @ y @ columns

    def _check(self, x: Tensor, side: int, who: str) -> None:
        require_rank(x, 4, AXES, who)
        expected = [self.rows.shape[side], self.columns.shape[side]]
        if list(x.shape[-2:]) != expected:
            raise ValueError(f"{who} expects images of {expected[0]}x{expected[1]}, got shape {list(x.shape)}")


def cubic_weights(size: int, factor: int) -> Tensor:
    """Weights [size / factor, size] of cubic downsampling along one axis, float64; every row sums to 1."""
    centres = (torch.arange(size // factor, dtype=torch.float64) + 0.5) * factor - 0.5
    distance = ((torch.arange(size, dtype=torch.float64) - centres[:, None]) / factor).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = torch.where(distance < 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))
    return weights / weights.sum(dim=1, keepdim=True)


def _planes(x: Tensor) -> Tensor:
    """Every channel, real and imaginary part apart, as an image of one channel."""
    real = torch.view_as_real(x.resolve_conj()).movedim(-1, 0) if x.is_complex() else x
    return real.reshape(-1, 1, *x.shape[-2:])


def _images(planes: Tensor, like: Tensor) -> Tensor:
    if not like.is_complex():
        return planes.reshape(like.shape)
    real, imaginary = planes.reshape(2, *like.shape)
    return torch.complex(real, imaginary)


def _fold(padded: Tensor, reach: int, dim: int) -> Tensor:
    """Adjoint of mirror padding along one axis."""
    if not reach:
        return padded
    size = padded.shape[dim] - 2 * reach
    inner = padded.narrow(dim, reach, size)
    # Add what the mirror took from pixels 1..reach, and from as many before the last.
    before = padded.narrow(dim, 0, reach).flip(dim)
    after = padded.narrow(dim, reach + size, reach).flip(dim)
    zeros = torch.zeros_like(inner)
    left = torch.cat([zeros.narrow(dim, 0, 1), before, zeros.narrow(dim, 0, size - reach - 1)], dim)
    right = torch.cat([zeros.narrow(dim, 0, size - reach - 1), after, zeros.narrow(dim, 0, 1)], dim)
    return inner + left + right
