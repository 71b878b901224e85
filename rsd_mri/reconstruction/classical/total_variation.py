"""Proximal maps of the variation of complex images: in space, and what the two of space and time have in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor


class DualShrinkage(ABC):
    """Solve min_u 1/2 ||u - x||^2 + amount |D u| by accelerated projections on the dual.

    Beck and Teboulle 2009 (doi:10.1109/TIP.2009.2028250), section 4, for complex images and differences D that wrap
    around. The dual of the last call is kept and starts the next one: inside an iteration a few steps are then enough.

    Parameters
    ----------
    steps
        Dual steps per call.
    """

    bound: ClassVar[float]
    """Of the norm of D^H D."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.dual: Tensor | None = None

    def __call__(self, image: Tensor, amount: Tensor) -> Tensor:
        """Shrink the differences of an image; `amount` broadcasts against it."""
        dual = torch.zeros_like(self.differences(image)) if self.dual is None else self.dual
        ahead, t = dual, 1.0
        for _ in range(self.steps):
            step = self.differences(image - self.adjoint(ahead))
            new = self.project(ahead + step / self.bound, amount)
            t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
            ahead = new + ((t - 1) / t_new) * (new - dual)
            dual, t = new, t_new
        self.dual = dual
        return image - self.adjoint(dual)

    @abstractmethod
    def differences(self, image: Tensor) -> Tensor:
        """D."""

    @abstractmethod
    def adjoint(self, field: Tensor) -> Tensor:
        """D^H."""

    @abstractmethod
    def project(self, dual: Tensor, amount: Tensor) -> Tensor:
        """The nearest dual whose lengths are at most the amount."""


class VariationShrinkage(DualShrinkage):
    """The proximal map of the total variation of images [..., readout, phase_encode].

    Parameters
    ----------
    steps
        Dual steps per call.
    isotropic
        TV(u) is the sum over pixels of the length of the gradient; else that of |d_r u| + |d_p u|.
    """

    bound = 8

    def __init__(self, steps: int = 5, isotropic: bool = True) -> None:
        super().__init__(steps)
        self.isotropic = isotropic

    def differences(self, image: Tensor) -> Tensor:
        """See `gradient`."""
        return gradient(image)

    def adjoint(self, field: Tensor) -> Tensor:
        """See `gradient_adjoint`."""
        return gradient_adjoint(field)

    def project(self, dual: Tensor, amount: Tensor) -> Tensor:
        """As long as the amount at most, along both axes together or along each."""
        power = dual.real.square() + dual.imag.square()
        if self.isotropic:
            power = power[0] + power[1]
        return dual * (amount * torch.rsqrt(power.clamp_min_(torch.finfo(power.dtype).tiny))).clamp_max_(1)


class LoopedVariation(VariationShrinkage):
    """The same by compiled loops on a processor, where the variation is isotropic and images in single precision.

    For who has loaded their compiler for a network: it takes longer than it saves a single reconstruction.
    """

    def __call__(self, image: Tensor, amount: Tensor) -> Tensor:
        """Shrink the differences of an image."""
        if image.device.type != "cpu" or image.dtype != torch.complex64 or not self.isotropic:
            return super().__call__(image, amount)
        from rsd_mri.reconstruction.classical.variation_kernels import dual_step, rest  # loads a compiler

        images = image.resolve_conj().contiguous().flatten(0, -3)
        amounts = amount.expand(*image.shape[:-2], 1, 1).flatten().numpy()
        if self.dual is None:
            self.dual = torch.zeros(2, *images.shape, dtype=images.dtype)
        ahead, out = self.dual.clone(), torch.empty_like(images)
        shown, field, dual, left = (one.numpy() for one in (images, ahead, self.dual, out))
        t = 1.0
        for _ in range(self.steps):
            t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
            dual_step(shown, field, dual, amounts, self.bound, (t - 1) / t_new)
            t = t_new
        rest(shown, dual, left)
        return out.reshape(image.shape)


def gradient(image: Tensor) -> Tensor:
    """Forward differences along readout and phase encode, wrapped around; [2, ..., readout, phase_encode]."""
    return torch.stack([torch.roll(image, -1, dim) - image for dim in (-2, -1)])


def gradient_adjoint(field: Tensor) -> Tensor:
    """Adjoint of `gradient`."""
    return torch.roll(field[0], 1, -2) - field[0] + torch.roll(field[1], 1, -1) - field[1]
