"""The corruption of a protocol's images."""

from collections.abc import Callable, Mapping
from typing import Any

from rsd_mri.corruption.corruption import Corruption
from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.inpainting import BoxInpainting, RandomInpainting
from rsd_mri.corruption.kernels import gaussian_kernel, motion_kernel
from rsd_mri.corruption.measured import Blur, SuperResolution
from rsd_mri.errors import InputError, alike
from rsd_mri.machine.randomness import generator
from rsd_mri.protocol import (
    BoxInpaintingSettings,
    GaussianBlurSettings,
    MotionBlurSettings,
    NoiseSettings,
    Protocol,
    RandomInpaintingSettings,
    SuperResolutionSettings,
    UndersamplingSettings,
)
from rsd_mri.protocol.corruptions import OfImages
from rsd_mri.protocol.reading import from_texts

Shape = tuple[int, int, int]
BUILDERS: dict[type, Callable[[Any, Shape, int], Corruption]] = {
    NoiseSettings: lambda s, shape, seed: Noise(shape, s.sigma),
    RandomInpaintingSettings: lambda s, shape, seed: RandomInpainting(shape, s.p, s.delta, s.sigma),
    BoxInpaintingSettings: lambda s, shape, seed: BoxInpainting(shape, s.box, sigma=s.sigma),
    GaussianBlurSettings: lambda s, shape, seed: Blur(shape, gaussian_kernel(s.kernel_size, s.kernel_std), s.sigma),
    MotionBlurSettings: lambda s, shape, seed: Blur(
        shape, motion_kernel(s.kernel_size, generator(seed, "motion blur")), s.sigma
    ),
    SuperResolutionSettings: lambda s, shape, seed: SuperResolution(shape, s.factor, s.sigma),
}
"""What makes the corruption of each class of settings, for images of a shape (channel, y, x), from a seed."""


def image_corruption(protocol: Protocol, image_shape: Shape) -> Corruption:
    """Build the law that corrupts images; the kernel of a motion blur is drawn from the protocol's seed.

    Parameters
    ----------
    protocol
        Its `corruption` says which.
    image_shape
        (channel, y, x) of a clean image in [-1, 1].

    Raises
    ------
    InputError
        If the protocol is one of MRI, or a value of it does not fit the images.
    """
    settings = protocol.corruption
    if isinstance(settings, UndersamplingSettings):
        raise InputError(
            f"protocol '{protocol.name}': its corruption is {settings.kind}, which acts on scans; give prepared scans, "
            "or another corruption.kind"
        )
    return corruption_from(settings, image_shape, protocol.seed)


def corruption_from(settings: OfImages, image_shape: Shape, seed: int = 0) -> Corruption:
    """The law of some settings, for clean images of a shape (channel, y, x).

    Raises
    ------
    InputError
        If a value does not fit the images.
    """
    return BUILDERS[type(settings)](settings, image_shape, seed)


def restorable() -> dict[str, type[OfImages]]:
    """The corruptions that can be undone in one picture, by the names that `restore` gives them."""
    return {
        cls.restored_as or str(cls.kind): cls
        for cls in BUILDERS
        if issubclass(cls, OfImages) and cls.restored_as is not None
    }


def restored(name: str, values: Mapping[str, str]) -> OfImages:
    """Settings of a corruption of one picture, from the texts of options.

    Raises
    ------
    InputError
        If there is no such corruption, or it has no such setting.
    """
    known = restorable()
    if name not in known:
        raise InputError(f"--corruption {name}: expected one of {', '.join(known)}{alike(name, list(known))}")
    foreign = next((key for key in values if key in known[name].drawn), None)
    if foreign is not None:
        raise InputError(f"--set {foreign}: says how pixels are drawn, and those of a picture are what they are")
    return from_texts(known[name], values, f"--corruption {name}")
