"""Inpainting: some pixels are hidden, in every channel alike."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption, Key, Measurements
from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import LinearOperator, PixelMask


class Inpainting(Corruption):
    """y = M x + noise. The networks are told the mask.

    Ambient Diffusion, Daras et al. 2023 (arXiv 2305.19256).

    Parameters
    ----------
    image_shape
        (channel, y, x).
    sigma
        Standard deviation of the noise on the pixels that are seen.
    dtype
        float32, or complex64 for complex images.
    """

    condition_channels = 1

    def __init__(self, image_shape: tuple[int, int, int], sigma: float, dtype: torch.dtype) -> None:
        self.image_shape: tuple[int, int, int] = image_shape
        self.sigma = _checked("sigma", sigma, 0, None)
        self.dtype = dtype

    @abstractmethod
    def draw_mask(self, rng: torch.Generator) -> Tensor:
        """Draw what is seen of one image, [y, x] boolean."""

    @abstractmethod
    def draw_further(self, rng: torch.Generator) -> Tensor:
        """Draw what further corruption leaves of one image, [y, x] boolean."""

    def draw(self, keys: Sequence[Key]) -> tuple[LinearOperator, Tensor]:
        """One mask per item, and the noise level."""
        masks = torch.stack([self.draw_mask(generator(*k, "mask")) for k in keys])
        return PixelMask(masks[:, None]), torch.full((len(keys),), self.sigma)

    def further(self, operator: LinearOperator, keys: Sequence[Key]) -> LinearOperator:
        """Hide some of what each item still shows."""
        left = torch.stack([self.draw_further(generator(*k, "further")) for k in keys])[:, None]
        mask = _mask_of(operator)
        return PixelMask(mask & left.to(mask.device))

    def condition(self, operator: LinearOperator) -> Condition:
        """The mask itself."""
        return Condition(mask=_mask_of(operator).float())

    def observe(self, images: Tensor, keys: Sequence[Key]) -> Measurements:
        """Corrupt images; hidden pixels are zero and hold no noise either."""
        data = super().observe(images, keys)
        return replace(data, y=data.operator.forward(data.y))

    def of_picture(self, picture: Tensor, mask: Tensor | None = None) -> tuple[LinearOperator, Tensor]:
        """The mask of what is seen as an operator, and the picture behind it.

        Parameters
        ----------
        picture
            [channel, y, x], from -1 to 1.
        mask
            [y, x], True where a pixel is seen; where it is not given, what is not black.

        Returns
        -------
        operator, y
            y: [1, channel, y, x], zero where nothing is seen.

        Raises
        ------
        InputError
            If the mask has another size, or hides every pixel.
        """
        mask = (picture > -1).any(0) if mask is None else mask
        if mask.shape != picture.shape[1:]:
            height, width = picture.shape[1:]
            raise InputError(
                f"the mask has {mask.shape[0]}x{mask.shape[1]} pixels, the picture {height}x{width}; give one of its "
                "size"
            )
        if not bool(mask.any()):
            raise InputError("the mask hides every pixel; white is what is seen")
        operator = PixelMask(mask[None, None]).to(picture.device)
        return operator, operator.forward(picture[None])


class RandomInpainting(Inpainting):
    """Every pixel is hidden with probability p, whatever its neighbours.

    Parameters
    ----------
    image_shape
        (channel, y, x).
    p
        Probability that a pixel is hidden.
    delta
        Probability that further corruption hides a pixel that was seen; 0.1 in the published experiments.
    sigma, dtype
        As for `Inpainting`.

    Raises
    ------
    InputError
        If a probability lies outside [0, 1).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        p: float,
        delta: float = 0.1,
        sigma: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(image_shape, sigma, dtype)
        self.p, self.delta = _checked("p", p, 0, 1), _checked("delta", delta, 0, 1)

    def draw_mask(self, rng: torch.Generator) -> Tensor:
        """Keep every pixel with probability 1 - p."""
        return torch.rand(self.image_shape[1:], generator=rng) >= self.p

    def draw_further(self, rng: torch.Generator) -> Tensor:
        """Keep every pixel with probability 1 - delta."""
        return torch.rand(self.image_shape[1:], generator=rng) >= self.delta


class BoxInpainting(Inpainting):
    """A square box at a random place is hidden; further corruption hides a second one.

    Parameters
    ----------
    image_shape
        (channel, y, x).
    box
        Side of the box [pixels].
    further_box
        Side of the second box [pixels]; as large as the first by default, so that the network must fill
        in training what is missing in the data.
    sigma, dtype
        As for `Inpainting`.

    Raises
    ------
    InputError
        If a box is not smaller than the image.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        box: int,
        further_box: int | None = None,
        sigma: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(image_shape, sigma, dtype)
        self.box, self.further_box = box, box if further_box is None else further_box
        for name, side in (("box", self.box), ("further_box", self.further_box)):
            _checked(name, side, 0, min(image_shape[1:]))

    def draw_mask(self, rng: torch.Generator) -> Tensor:
        """Hide the box."""
        return self._outside(self.box, rng)

    def draw_further(self, rng: torch.Generator) -> Tensor:
        """Hide the second box."""
        return self._outside(self.further_box, rng)

    def _outside(self, side: int, rng: torch.Generator) -> Tensor:
        height, width = self.image_shape[1:]
        top = int(torch.randint(height - side + 1, (), generator=rng))
        left = int(torch.randint(width - side + 1, (), generator=rng))
        mask = torch.ones(height, width, dtype=torch.bool)
        mask[top : top + side, left : left + side] = False
        return mask


def _mask_of(operator: LinearOperator) -> Tensor:
    if not isinstance(operator, PixelMask):
        raise TypeError(f"expected a mask of pixels, got {operator!r}")
    return operator.mask


def _checked(name: str, value: float, low: float, below: float | None) -> float:
    if not (low <= value and (below is None or value < below)):
        upper = "" if below is None else f" and below {below:g}"
        raise InputError(f"{name}: expected a number of at least {low:g}{upper}, got {value:g}")
    return value
