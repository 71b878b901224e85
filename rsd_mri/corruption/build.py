"""The corruption of a protocol's images."""

from rsd_mri.corruption.corruption import Corruption
from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.inpainting import BoxInpainting, RandomInpainting
from rsd_mri.corruption.kernels import gaussian_kernel, motion_kernel
from rsd_mri.corruption.measured import Blur, SuperResolution
from rsd_mri.errors import InputError
from rsd_mri.protocol import Protocol
from rsd_mri.randomness import generator


def image_corruption(protocol: Protocol, image_shape: tuple[int, int, int]) -> Corruption:
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
    s = protocol.corruption
    if s.kind == "noise":
        return Noise(image_shape, s.sigma)
    if s.kind == "random-inpainting":
        return RandomInpainting(image_shape, s.p, s.delta, s.sigma)
    if s.kind == "box-inpainting":
        return BoxInpainting(image_shape, s.box, sigma=s.sigma)
    if s.kind == "gaussian-blur":
        return Blur(image_shape, gaussian_kernel(s.kernel_size, s.kernel_std), s.sigma)
    if s.kind == "motion-blur":
        return Blur(image_shape, motion_kernel(s.kernel_size, generator(protocol.seed, "motion blur")), s.sigma)
    if s.kind == "super-resolution":
        return SuperResolution(image_shape, s.factor, s.sigma)
    raise InputError(
        f"protocol '{protocol.name}': its corruption is {s.kind}, which acts on scans; give prepared scans, or "
        "another corruption.kind"
    )
