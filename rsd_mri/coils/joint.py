"""Image and coils from the undersampled data themselves, where there is no fully sampled centre to learn them from.

Regularised nonlinear inversion (NLINV; Uecker et al. 2008, doi:10.1002/mrm.21691): both are unknown, the coils are
smooth by a Sobolev weight, and an iteratively regularised Gauss-Newton method finds them together.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.operators.fourier import fft2c
from rsd_mri.operators.linear_operator import LinearOperator, require_complex, require_rank
from rsd_mri.operators.sampling import mask_for_kspace

AXES = (-2, -1)
SMOOTHNESS = 3 * 220 / 256**2
"""Growth of the coils' penalty with the square of the frequency [cycles per field of view]: three times that of the
paper, which is said for 256 pixels. On simulated heads that was the better by up to 3 dB, with 4 coils."""
ORDER = 16
"""Power of the growth."""
LEVEL = 0.4
"""Root mean square of the data per pixel, to which they are scaled: what the first regularisation of 1 is right for."""

RADIUS, EDGE = 0.6, 0.05
"""Of the disc in the first image, over half the field of view, and of its edge."""


class JointModel:
    """F(x): image and coils x to k-space, M F (image times coils); and its derivative.

    The unknowns are one array [batch, 1 + coil, readout, phase_encode]: the image, and for each coil the frequencies of
    its map over their weight, zero frequency first. Pixels, too, begin at index 0: products of image and coils do not
    mind where the centre is.

    Parameters
    ----------
    mask
        As `mask_for_kspace` takes it.
    size
        (readout, phase_encode).
    smoothness, order
        The map's frequency n has the weight (1 + smoothness |n|^2)^(-order).
    """

    def __init__(
        self, mask: Tensor, size: tuple[int, int], smoothness: float = SMOOTHNESS, order: float = ORDER
    ) -> None:
        wide = mask_for_kspace(mask)
        self.mask = torch.fft.ifftshift(wide.expand(*wide.shape[:2], *size), dim=AXES)
        rows, columns = (torch.fft.fftfreq(n, 1 / n, device=mask.device) for n in size)
        self.weight = (1 + smoothness * (rows[:, None] ** 2 + columns**2)) ** -order

    def coils(self, x: Tensor) -> Tensor:
        """Maps [batch, coil, readout, phase_encode] of the unknowns."""
        return _ifft(self.weight * x[:, 1:])

    def forward(self, x: Tensor) -> Tensor:
        """K-space of the unknowns, zero frequency first."""
        made: Tensor = _fft(x[:, :1] * self.coils(x)) * self.mask
        return made

    def derivative(self, x: Tensor) -> "Derivative":
        """DF at x."""
        return Derivative(self, x[:, :1], self.coils(x))


class Derivative(LinearOperator):
    """The derivative of `JointModel` at an image and coils: a linear operator."""

    def __init__(self, model: JointModel, image: Tensor, coils: Tensor) -> None:
        self.mask, self.weight = model.mask, model.weight
        self.image, self.current = image, coils

    def forward(self, x: Tensor) -> Tensor:
        """Change of the unknowns to change of k-space."""
        made: Tensor = _fft(self._coil_images(x)) * self.mask
        return made

    def adjoint(self, y: Tensor) -> Tensor:
        """Its adjoint."""
        return self._back(_ifft(y * self.mask))

    @property
    def gram(self) -> LinearOperator:
        """DF^H DF."""
        return DerivativeGram(self)

    def _coil_images(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.image * _ifft(self.weight * x[:, 1:]), x[:, :1], self.current)

    def _back(self, coil_images: Tensor) -> Tensor:
        image = (self.current.conj() * coil_images).sum(1, keepdim=True)
        return torch.cat([image, self.weight * _fft(self.image.conj() * coil_images)], 1)


class DerivativeGram(LinearOperator):
    """DF^H DF."""

    def __init__(self, derivative: Derivative) -> None:
        self.inner = derivative

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        one = self.inner
        return one._back(_ifft(_fft(one._coil_images(x)) * one.mask))

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply it: it is its own adjoint."""
        return self.forward(y)


@dataclass(frozen=True)
class Joint:
    """What was found."""

    image: Tensor
    """[batch, readout, phase_encode]."""
    coils: Tensor
    """[batch, coil, readout, phase_encode]: image times coils are the coil images."""

    @property
    def kspace(self) -> Tensor:
        """The whole k-space of the coil images, [batch, coil, readout, phase_encode]."""
        return fft2c(self.image[:, None] * self.coils)


@torch.no_grad()
def nlinv(
    kspace: Tensor,
    mask: Tensor,
    *,
    first: Tensor | None = None,
    steps: int = 11,
    reduction: float = 0.5,
    iterations: int = 60,
    tolerance: float = 0.05,
    smoothness: float | None = None,
    order: float = ORDER,
) -> Joint:
    """Find image and coils together.

    Each step solves the linearised problem with a regularisation of alpha, from 1 on, that falls by `reduction`:
    (DF^H DF + alpha) dx = DF^H (y - F(x)) + alpha (x_0 - x), with x_0 a first image and no coils.

    Parameters
    ----------
    kspace
        [batch, coil, readout, phase_encode], zero where not acquired.
    mask
        As `mask_for_kspace` takes it.
    first
        [readout, phase_encode]: the first image; `middle_of_field` where not given. Regular lines without a centre see
        an object and the same object moved by part of the field of view alike: the first image decides.
    steps
        Gauss-Newton steps.
    reduction
        Of the regularisation at each.
    iterations, tolerance
        Of the conjugate gradients in each.
    smoothness, order
        As `JointModel` takes them; `SMOOTHNESS` where not given.
    """
    require_rank(kspace, 4, "batch, coil, readout, phase_encode", "nlinv")
    require_complex(kspace, "nlinv")
    size = (kspace.shape[-2], kspace.shape[-1])
    model = JointModel(mask, size, SMOOTHNESS if smoothness is None else smoothness, order)
    rms = kspace.abs().square().sum((1, 2, 3), keepdim=True).div(size[0] * size[1]).sqrt()
    scale = LEVEL / torch.where(rms > 0, rms, torch.ones_like(rms))
    data = torch.fft.ifftshift(kspace * scale, dim=AXES)
    x = torch.zeros(len(kspace), 1 + kspace.shape[1], *size, dtype=kspace.dtype, device=kspace.device)
    x[:, 0] = torch.fft.ifftshift(middle_of_field(size).to(x) if first is None else first.to(x), dim=AXES)
    begin, alpha = x, 1.0
    for _ in range(steps):
        slope = model.derivative(x)
        right = slope.adjoint(data - model.forward(x)) + alpha * (begin - x)
        lifted = partial(_lifted, slope.gram, alpha)
        x = x + conjugate_gradient(lifted, right, None, iterations, tolerance)
        alpha *= reduction
    image, coils = (torch.fft.fftshift(part, dim=AXES) for part in (x[:, 0], model.coils(x)))
    return Joint(image / scale[:, 0], coils)


def _lifted(gram: LinearOperator, alpha: float, v: Tensor) -> Tensor:
    return gram(v) + alpha * v


def middle_of_field(size: tuple[int, int]) -> Tensor:
    """One in a disc (of fields of view) around the middle, falling smoothly to zero."""
    rows, columns = ((torch.arange(n) - n // 2) / (n / 2) for n in size)
    return torch.sigmoid((RADIUS - torch.hypot(rows[:, None], columns)) / EDGE)


def _fft(x: Tensor) -> Tensor:
    out: Tensor = torch.fft.fft2(x, norm="ortho")
    return out


def _ifft(x: Tensor) -> Tensor:
    out: Tensor = torch.fft.ifft2(x, norm="ortho")
    return out
