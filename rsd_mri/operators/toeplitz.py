"""A^H A of any trajectory as a convolution on a grid of twice the size (Wajer and Pruessmann 2001; Fessler 2005)."""

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import LinearOperator, require_rank
from rsd_mri.operators.self_adjoint import apply_self_adjoint

AXES = (-2, -1)
POWER_STEPS, MARGIN = 30, 1.1
"""Of the estimate of the largest eigenvalue."""


class Toeplitz(LinearOperator):
    """Convolve images with a kernel of twice their size, less one pixel; what lies outside the image is zero.

    Parameters
    ----------
    spectrum
        [batch or 1, 2 readout, 2 phase_encode]: Fourier transform of the kernel on the double grid, real; of complex
        type, which multiplies faster.
    """

    def __init__(self, spectrum: Tensor) -> None:
        require_rank(spectrum, 3, "batch, 2 readout, 2 phase_encode", "Toeplitz")
        self.spectrum = spectrum

    @classmethod
    def of_kernel(cls, kernel: Tensor, dtype: torch.dtype) -> "Toeplitz":
        """From the kernel [batch, 2 readout, 2 phase_encode], its origin in the middle, Hermitian about it."""
        kernel = kernel.clone()
        # The farthest offset belongs to no pair of pixels, and has no counterpart.
        kernel[..., 0, :] = 0
        kernel[..., 0] = 0
        spectrum = torch.fft.fft2(torch.fft.ifftshift(kernel, dim=AXES))
        return cls(spectrum.real.to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Images [batch, coil, readout, phase_encode] to as many; differentiable."""
        require_rank(x, 4, "batch, coil, readout, phase_encode", "Toeplitz")
        return apply_self_adjoint(x, self.apply)

    def adjoint(self, y: Tensor) -> Tensor:
        """It is its own adjoint."""
        return self.forward(y)

    def apply(self, x: Tensor) -> Tensor:
        """Outside autograd. The zeros beside the image are never transformed along the other axis."""
        rows, columns = x.shape[-2:]
        wide = torch.fft.fft(torch.fft.fft(x, n=2 * columns, dim=-1), n=2 * rows, dim=-2)
        wide.mul_(self.spectrum[:, None])
        cropped = torch.fft.ifft(wide, dim=-2)[..., :rows, :]
        found: Tensor = torch.fft.ifft(cropped, dim=-1)[..., :columns]
        return found

    def bound(self) -> float:
        """Largest eigenvalue, by the power method, with a margin: no more than the spectrum's largest value."""
        above = float(self.spectrum.real.abs().max())
        x = torch.ones(1, 1, *(n // 2 for n in self.spectrum.shape[-2:]), dtype=self.spectrum.dtype)
        x = x.to(self.spectrum.device) * (1 + 0j)
        found = 0.0
        for _ in range(POWER_STEPS):
            x = self.apply(x)
            found = float(x.abs().square().sum((1, 2, 3)).max().sqrt())
            if found == 0:
                return above
            x = x / x.abs().square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-30)
        return min(MARGIN * found, above)
