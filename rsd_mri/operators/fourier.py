"""The centred orthonormal Fourier transform over readout and phase encoding."""

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import Identity, LinearOperator, require_complex
from rsd_mri.operators.transform import Transform

AXES = (-2, -1)


def fft2c(image: Tensor) -> Tensor:
    """Centred orthonormal 2-D FFT over the last two axes, equal to `sigpy.fft` and `fastmri.fft2c`.

    The origin is at index n // 2 on both sides, for odd and even sizes alike.
    """
    shifted = torch.fft.ifftshift(image, dim=AXES)
    made: Tensor = torch.fft.fftshift(torch.fft.fft2(shifted, dim=AXES, norm="ortho"), dim=AXES)
    return made


def ifft2c(kspace: Tensor) -> Tensor:
    """Inverse of `fft2c`."""
    shifted = torch.fft.ifftshift(kspace, dim=AXES)
    made: Tensor = torch.fft.fftshift(torch.fft.ifft2(shifted, dim=AXES, norm="ortho"), dim=AXES)
    return made


def fft1c(image: Tensor, dim: int) -> Tensor:
    """Centred orthonormal FFT along one axis."""
    shifted = torch.fft.ifftshift(image, dim=dim)
    made: Tensor = torch.fft.fftshift(torch.fft.fft(shifted, dim=dim, norm="ortho"), dim=dim)
    return made


def ifft1c(kspace: Tensor, dim: int) -> Tensor:
    """Inverse of `fft1c`."""
    shifted = torch.fft.ifftshift(kspace, dim=dim)
    made: Tensor = torch.fft.fftshift(torch.fft.ifft(shifted, dim=dim, norm="ortho"), dim=dim)
    return made


class CenteredFFT(Transform):
    """`fft2c` as an operator: image [..., readout, phase_encode] to k-space of the same shape; unitary."""

    def forward(self, x: Tensor) -> Tensor:
        """Image to k-space."""
        require_complex(x, "CenteredFFT")
        return fft2c(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """K-space to image."""
        require_complex(y, "CenteredFFT.H")
        return ifft2c(y)

    @property
    def gram(self) -> LinearOperator:
        """The identity: the transform is unitary."""
        return Identity()

    def kspace_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The same."""
        return size

    def normal(self, mask: Tensor, dtype: torch.dtype) -> LinearOperator:
        """A circular convolution."""
        return MaskedFFT(mask, dtype)

    def bound(self, normal: LinearOperator) -> float:  # noqa: ARG002
        """One: mask and transform do not amplify."""
        return 1.0

    def cells(self, mask: Tensor) -> Tensor:
        """The mask itself."""
        return mask


class MaskedFFT(LinearOperator):
    """F^H M F without the transforms and shifts that cancel.

    A mask of whole lines does not act along the readout, so that transform cancels. What is left is a
    circular convolution, which commutes with the centring shifts: shifting the mask once replaces them.

    Parameters
    ----------
    mask
        [batch or 1, 1, readout or 1, phase_encode].
    dtype
        Complex type of the images.
    """

    def __init__(self, mask: Tensor, dtype: torch.dtype) -> None:
        self.lines_only = mask.shape[-2] == 1
        axes = (-1,) if self.lines_only else AXES
        # Complex, which multiplies faster than real does.
        self.shifted_mask = torch.fft.ifftshift(mask, dim=axes).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Coil images [batch, coil, readout, phase_encode] to as many."""
        if self.lines_only:
            lines: Tensor = torch.fft.ifft(torch.fft.fft(x, dim=-1).mul_(self.shifted_mask), dim=-1)
            return lines
        plane: Tensor = torch.fft.ifft2(torch.fft.fft2(x).mul_(self.shifted_mask))
        return plane

    def adjoint(self, y: Tensor) -> Tensor:
        """It is its own adjoint."""
        return self.forward(y)
