"""`Corruption`: the object that carries everything a task's operator means to the algorithm."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.diffusion.denoiser import Condition, expand
from rsd_mri.diffusion.noise_levels import LOWEST
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import normal_items
from rsd_mri.operators import Identity, LinearOperator

Key = tuple[int | str, ...]
"""Identity of a draw: (seed, what for, item, ...); see `rsd_mri.machine.randomness`."""


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
        return Measurements(self.y.to(device), self.operator.to(device), self.sigma.to(device), self.keys)


@dataclass(frozen=True)
class Magnitudes:
    """What measurements say of images, in their unit."""

    image: float
    """Root mean square magnitude per pixel."""
    hidden: float
    """That of what a further-corrupted operator hides."""
    lowest: float = LOWEST
    """Lowest noise level that a network trained on them is asked at."""


class Corruption(ABC):
    """Draws operators and further-corrupted operators.

    The teacher's objective, the distillation and the samplers are written once against this interface;
    MRI, inpainting, blur, super-resolution and plain noise differ only in the object they pass in.
    """

    image_shape: Sequence[int]
    """Shape of one image in the teacher's space."""
    dtype: torch.dtype
    """complex64 or float32."""
    condition_channels: int = 0
    """Channels of the image-sized mask that the networks are told, 0 for none."""
    sampling_features: int = 0
    """Length of the description of k-space sampling that the networks are told, 0 for none."""
    models_measurements: bool = False
    """Whether the teacher models A x rather than x; `to_teacher` then applies A."""

    @property
    def generator_shape(self) -> Sequence[int]:
        """Shape of one image in the generator's space; the teacher's, except for super-resolution."""
        return self.image_shape

    @abstractmethod
    def draw(self, keys: Sequence[Key]) -> tuple[LinearOperator, Tensor]:
        """Draw an operator A and a noise level per item, from the law of the data."""

    @abstractmethod
    def further(self, operator: LinearOperator, keys: Sequence[Key]) -> LinearOperator:
        """Draw a further-corrupted A~ per item, whose range lies inside that of A."""

    def preconditioner(self, operator: LinearOperator) -> LinearOperator:  # noqa: ARG002
        """W, self-adjoint: the networks are shown W A^H y of data and W A^H A x of images, and judged by it.

        The identity, unless A^H A is far from a projection.
        """
        return Identity()

    def view(self, operator: LinearOperator) -> LinearOperator:
        """What a network is shown of images through an operator: W A^H A."""
        return self.preconditioner(operator) @ operator.gram

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

    def magnitudes(self, data: Measurements, further: LinearOperator) -> "Magnitudes":
        """Size of the images and of what a further-corrupted operator hides of them, from measurements alone.

        Here for operators that keep or drop: what A^H y holds beside its noise, over the share that A keeps of white
        noise.

        Parameters
        ----------
        data
            A batch, the larger the better.
        further
            A~, one per item.
        """
        white = normal_items(self.image_shape, [(*k, "magnitudes") for k in data.keys], self.dtype)
        total = _energy(white)
        kept, kept_further = _energy(data.operator.gram(white)), _energy(further.gram(white))
        noise = float((data.sigma**2).mean()) * kept
        signal = max(_energy(data.operator.adjoint(data.y)) - noise, 0.0)
        power = signal / max(kept, 1.0) * total / white.numel()
        return Magnitudes(power**0.5, (power * max(1 - kept_further / total, 0.0)) ** 0.5)

    def measure(self, images: Tensor, keys: Sequence[Key]) -> Measurements:
        """Corrupt images as the law of the data says: y = A x + noise, one operator and one noise per key.

        Parameters
        ----------
        images
            [batch, *generator_shape].
        keys
            One per image; the same key gives the same operator and the same noise.
        """
        return self.observe(self.to_teacher(images), keys)

    def observe(self, images: Tensor, keys: Sequence[Key]) -> Measurements:
        """Corrupt what lives in the teacher's space, [batch, *image_shape], by the law of the data."""
        operator, sigma = self.draw(keys)
        operator = operator.to(images.device)
        clean = operator.forward(images)
        if not bool(sigma.any()):
            return Measurements(clean, operator, sigma, tuple(keys))
        grain = normal_items(clean.shape[1:], [(*k, "grain") for k in keys], clean.dtype).to(images.device)
        return Measurements(clean + expand(sigma, grain) * grain, operator, sigma, tuple(keys))

    def of_picture(self, picture: Tensor, mask: Tensor | None = None) -> tuple[LinearOperator, Tensor]:
        """A of one picture that is there, and its data y.

        Parameters
        ----------
        picture
            [channel, y, x].
        mask
            [y, x]: where something is hidden, true where nothing is; to be found in the picture where not given.

        Returns
        -------
        operator, y
            y is [1, ...].

        Raises
        ------
        InputError
            If the picture and what is seen of it do not fit, or a mask is given of what hides no pixel.
        """
        if mask is not None:
            raise InputError("a mask is of inpainting: here no pixel is hidden; leave it out")
        return self.draw([("picture",)])[0], picture[None]

    def picture(self, images: Tensor) -> Tensor:
        """Pictures to look at: magnitudes of complex images, 0 to 1 from real ones in [-1, 1].

        [count, y, x], or [count, y, x, 3] of three channels.
        """
        if images.is_complex():
            return images.abs()
        shown = ((images + 1) / 2).clamp(0, 1)
        return shown.movedim(1, -1) if shown.shape[1] == 3 else shown.mean(1)


def _energy(values: Tensor) -> float:
    return float(values.abs().square().sum(dtype=torch.float64))
