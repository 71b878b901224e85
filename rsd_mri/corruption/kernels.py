"""Blur kernels."""

import math

import torch
from torch import Tensor

from rsd_mri.errors import InputError


def gaussian_kernel(size: int = 9, std: float = 2.0) -> Tensor:
    """Gaussian kernel [size, size] whose tails are mirrored back into the box, so that it sums to 1.

    Parameters
    ----------
    size
        Odd width of the box [pixels]; 9 in the published experiments.
    std
        Standard deviation [pixels]; 2 there.

    Raises
    ------
    InputError
        If the size is even or the standard deviation not positive.
    """
    _check_size(size)
    if not std > 0:
        raise InputError(f"std: expected a positive width of the Gaussian kernel in pixels, got {std:g}")
    from scipy.ndimage import gaussian_filter  # half a second, which no reconstruction of a scan needs

    point = torch.zeros(size, size, dtype=torch.float64)
    point[size // 2, size // 2] = 1
    return torch.from_numpy(gaussian_filter(point.numpy(), std)).float()


def motion_kernel(size: int, rng: torch.Generator, roughness: float = 0.5, steps: int = 200) -> Tensor:
    """Kernel [size, size] of a camera that moved along a random smooth path while it exposed.

    The path turns at random, is scaled to fill the box, and leaves its time at each pixel.

    Parameters
    ----------
    size
        Odd width of the box [pixels], at least 3.
    rng
        Where the path comes from.
    roughness
        Standard deviation of the total turn, in half turns; 0 is a straight line.
    steps
        Points along the path.

    Raises
    ------
    InputError
        If the size is even or below 3.
    """
    _check_size(size)
    if size < 3:
        raise InputError(f"size: expected a motion kernel of at least 3 pixels, got {size}")
    start = 2 * math.pi * torch.rand((), generator=rng, dtype=torch.float64)
    turns = torch.randn(steps, generator=rng, dtype=torch.float64) * roughness * math.pi * math.sqrt(3 / steps)
    # The turn itself drifts, so that the path is smooth.
    angle = start + turns.cumsum(0).cumsum(0) / steps
    path = torch.stack([angle.sin(), angle.cos()], dim=1).cumsum(0)
    path = path - (path.amax(0) + path.amin(0)) / 2
    path = path / path.abs().amax() * (size // 2 - 0.5) + size // 2
    corner = path.floor().long()
    share = path - corner
    kernel = torch.zeros(size, size, dtype=torch.float64)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (share[:, 0] if dy else 1 - share[:, 0]) * (share[:, 1] if dx else 1 - share[:, 1])
            kernel.index_put_((corner[:, 0] + dy, corner[:, 1] + dx), weight, accumulate=True)
    return (kernel / kernel.sum()).float()


def _check_size(size: int) -> None:
    if size < 1 or size % 2 == 0:
        raise InputError(f"size: expected an odd kernel width in pixels, got {size}")
