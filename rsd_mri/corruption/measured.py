"""Blur and super-resolution: the teacher learns the measurements themselves.

One fixed operator without a useful inverse stands before every image, so the teacher is a plain diffusion
model of y. The generator makes clean images, which pass through the operator before they meet the teacher.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.errors import InputError
from rsd_mri.operators import Convolution, Downsampling, Identity, LinearOperator


class Measured(Corruption):
    """y = A x + noise with one known A; the teacher's space is that of A x.

    Parameters
    ----------
    degradation
        A.
    generator_shape
        (channel, y, x) of x.
    image_shape
        (channel, y, x) of A x.
    sigma
        Standard deviation of the noise.
    dtype
        float32, or complex64 for complex images.

    Raises
    ------
    InputError
        If the noise level is negative.
    """

    models_measurements = True

    def __init__(
        self,
        degradation: LinearOperator,
        generator_shape: tuple[int, int, int],
        image_shape: tuple[int, int, int],
        sigma: float,
        dtype: torch.dtype,
    ) -> None:
        if not sigma >= 0:
            raise InputError(f"sigma: expected a noise level of at least 0, got {sigma:g}")
        self.degradation = degradation
        self.image_shape: tuple[int, int, int] = image_shape
        self._generator_shape = generator_shape
        self.sigma = sigma
        self.dtype = dtype

    @property
    def generator_shape(self) -> tuple[int, int, int]:
        """Shape of a clean image."""
        return self._generator_shape

    def draw(self, keys: Sequence[Key]) -> tuple[LinearOperator, Tensor]:
        """The identity, for A stands in `to_teacher`, and the noise level."""
        return Identity(), torch.full((len(keys),), self.sigma)

    def further(self, operator: LinearOperator, keys: Sequence[Key]) -> LinearOperator:  # noqa: ARG002
        """The identity: nothing of a measurement is hidden from the teacher."""
        return operator

    def of_picture(self, picture: Tensor, mask: Tensor | None = None) -> tuple[LinearOperator, Tensor]:
        """A itself, and the data; as `Corruption.of_picture`."""
        return self.degradation, super().of_picture(picture, mask)[1]

    def to_teacher(self, images: Tensor) -> Tensor:
        """Apply A, differentiably."""
        return self.degradation.to(images.device).forward(images)


class Blur(Measured):
    """Images convolved with one kernel (`gaussian_kernel`, `motion_kernel`), mirrored at the edges.

    Parameters
    ----------
    image_shape
        (channel, y, x).
    kernel
        [y, x], odd sizes.
    sigma, dtype
        As for `Measured`.

    Raises
    ------
    InputError
        If the kernel does not fit the images.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        kernel: Tensor,
        sigma: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if any(k // 2 >= n for k, n in zip(kernel.shape, image_shape[1:], strict=True)):
            height, width = image_shape[1:]
            raise InputError(
                f"kernel: {kernel.shape[0]}x{kernel.shape[1]} pixels are too large for images of {height}x{width}"
            )
        super().__init__(Convolution(kernel), image_shape, image_shape, sigma, dtype)


class SuperResolution(Measured):
    """Images shrunk by a whole factor; the generator works at full resolution, the teacher at the low one.

    Parameters
    ----------
    image_shape
        (channel, y, x) of the full images.
    factor
        Shrinks both axes; it must divide them.
    sigma, dtype
        As for `Measured`.

    Raises
    ------
    InputError
        If the factor does not divide the size of the images.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        factor: int,
        sigma: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        channels, height, width = image_shape
        if factor < 1 or height % factor or width % factor:
            raise InputError(f"factor: expected a whole number that divides {height}x{width}, got {factor}")
        small = (channels, height // factor, width // factor)
        super().__init__(Downsampling((height, width), factor), image_shape, small, sigma, dtype)
