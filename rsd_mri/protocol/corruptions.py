"""What stands between the images and the data: one class of settings a corruption, chosen by its `kind`."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from rsd_mri.protocol.checked import Count, NotNegative, Odd, Part, Positive, checked
from rsd_mri.protocol.sentences import members, names


@checked
class UndersamplingSettings:
    """Multi-coil MRI; its mask, coils and noise come with the scans and `mask`."""

    kind: Literal["undersampling"] = "undersampling"
    shown: Literal["pseudo-inverse", "adjoint"] = "pseudo-inverse"
    """What the networks are shown of data y: A^+ y, unfolded as far as the noise allows, or A^H y as in the published
    experiments."""


@checked
class OfImages:
    """What every corruption of images in [-1, 1] has."""

    kind: str
    sigma: NotNegative = 0.0
    """Standard deviation of the noise."""

    restored_as: ClassVar[str | None] = ""
    """Name by which `restore` undoes it in one picture, where not its kind; None where the settings say too little."""
    drawn: ClassVar[tuple[str, ...]] = ()
    """Settings that only say how it is drawn: of a picture that is there they say nothing."""

    def image_shape(self, data_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Shape (channel, y, x) of the images behind data of a shape."""
        return data_shape


@checked
class NoiseSettings(OfImages):
    """Noise alone."""

    kind: Literal["noise"] = "noise"


@checked
class RandomInpaintingSettings(OfImages):
    """Pixels are hidden at random."""

    kind: Literal["random-inpainting"] = "random-inpainting"
    p: Part = 0.6
    """Probability that a pixel is hidden."""
    delta: Part = 0.1
    """Probability that further corruption hides a pixel that was seen."""

    restored_as: ClassVar[str | None] = "inpainting"
    drawn: ClassVar[tuple[str, ...]] = ("p", "delta")


@checked
class BoxInpaintingSettings(OfImages):
    """A box at a random place is hidden."""

    kind: Literal["box-inpainting"] = "box-inpainting"
    box: Count = 16
    """Side of the hidden box, and of the one that further corruption hides [pixels]."""

    restored_as: ClassVar[str | None] = None  # the pixels are seen to be hidden, whatever hid them


@checked
class GaussianBlurSettings(OfImages):
    """Images are blurred by a Gaussian kernel."""

    kind: Literal["gaussian-blur"] = "gaussian-blur"
    kernel_size: Odd = 9
    """Width of the kernel [pixels]."""
    kernel_std: Positive = 2.0
    """Standard deviation of the kernel [pixels]."""


@checked
class MotionBlurSettings(OfImages):
    """Images are blurred by one random path of the camera."""

    kind: Literal["motion-blur"] = "motion-blur"
    kernel_size: Odd = 9
    """Width of the kernel [pixels]."""

    restored_as: ClassVar[str | None] = None  # nobody knows the path


@checked
class SuperResolutionSettings(OfImages):
    """Images are shrunk."""

    kind: Literal["super-resolution"] = "super-resolution"
    factor: Count = 2
    """How many times smaller the data are."""

    def image_shape(self, data_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """So many times larger."""
        channels, height, width = data_shape
        return channels, height * self.factor, width * self.factor


ImageCorruptionSettings: TypeAlias = (
    NoiseSettings
    | RandomInpaintingSettings
    | BoxInpaintingSettings
    | GaussianBlurSettings
    | MotionBlurSettings
    | SuperResolutionSettings
)
"""One row each."""

EARLIER = {
    "kind": "undersampling",
    "sigma": 0.0,
    "shown": "pseudo-inverse",
    "p": 0.6,
    "delta": 0.1,
    "box": 16,
    "kernel_size": 9,
    "kernel_std": 2.0,
    "factor": 2,
}
"""What every protocol held when one class served all corruptions; runs and weights still carry such texts."""


def _chosen(value: Any) -> Any:
    """Without a kind it is that of MRI; of an earlier protocol's text only what belongs to its kind counts."""
    if not isinstance(value, dict):
        return value
    value = {"kind": UndersamplingSettings.kind, **value}
    own = members(CorruptionSettings).get(value["kind"]) if value.keys() == EARLIER.keys() else None
    return value if own is None else {name: value[name] for name in names(own)}


CorruptionSettings: TypeAlias = Annotated[
    UndersamplingSettings | ImageCorruptionSettings, Field(discriminator="kind"), BeforeValidator(_chosen)
]
