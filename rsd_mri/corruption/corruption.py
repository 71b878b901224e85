"""`Corruption`: the object that carries everything a task's operator means to the algorithm."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.operators import LinearOperator

Key = tuple[int | str, ...]
"""Identity of a draw: (seed, what for, item, ...); see `rsd_mri.randomness`."""


@dataclass(frozen=True)
class Measurements:
    """A batch of y = A x + noise."""

    y: Tensor
    """The measurements, [batch, ...]."""
    operator: LinearOperator
    """A, one per item."""
    sigma: Tensor
    """[batch]: standard deviation of the noise (of the whole number where it is complex)."""
    keys: tuple[Key, ...]
    """Identity of each item; what is fixed per item is drawn from it."""

    def to(self, device: torch.device) -> "Measurements":
        """Move to a device."""
        return Measurements(
            self.y.to(device), self.operator.to(device), self.sigma.to(device), self.keys
        )


class Corruption(ABC):
    """Draws operators and further-corrupted operators.

    The teacher's objective, the distillation and the samplers are written once against this interface;
    MRI, inpainting, blur, super-resolution and plain noise differ only in the object they pass in.
    """

    image_shape: Sequence[int]
    """Shape of one image in the teacher's space."""
    dtype: torch.dtype
    """complex64 or float32."""

    @abstractmethod
    def draw(self, keys: Sequence[Key]) -> tuple[LinearOperator, Tensor]:
        """Draw an operator A and a noise level per item, from the law of the data."""

    @abstractmethod
    def further(self, operator: LinearOperator, keys: Sequence[Key]) -> LinearOperator:
        """Draw a further-corrupted A~ per item, whose range lies inside that of A."""

    def condition(self, operator: LinearOperator) -> Condition:  # noqa: ARG002
        """What the denoiser is told about an operator."""
        return Condition()

    def project(self, images: Tensor, operator: LinearOperator) -> Tensor:  # noqa: ARG002
        """Zero what an operator cannot see whatever its mask (outside the support of coil maps)."""
        return images

    def to_teacher(self, images: Tensor) -> Tensor:
        """Take generated images to the space the teacher works in, differentiably.

        The identity, unless the teacher models the measurements themselves (blur, super-resolution).
        """
        return images
