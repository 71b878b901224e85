"""The centred orthonormal Fourier transform over readout and phase encoding."""

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import Identity, LinearOperator, require_complex

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


class CenteredFFT(LinearOperator):
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
