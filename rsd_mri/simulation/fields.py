"""Smooth random fields in the head's box."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rsd_mri.simulation.atlas import BOX, Volume

STEP = 4.0
"""Grid on which fields are kept [mm]."""


def uniform(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    """Uniform numbers in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=rng)


def smooth_fields(scales: Sequence[float], rng: torch.Generator) -> Volume:
    """One field per scale: cubic B-splines with standard normal coefficients, of standard deviation about 1.

    Parameters
    ----------
    scales
        Distance between the control points of each field [mm]; it varies over about twice that.
    rng
        Where the randomness comes from.
    """
    return Volume(torch.stack([_field(scale, rng) for scale in scales]), (BOX[0][0], BOX[1][0], BOX[2][0]), STEP)


def _field(scale: float, rng: torch.Generator) -> Tensor:
    bases = [_spline_basis(high - low, scale) for low, high in BOX]
    field = torch.randn([basis.shape[1] for basis in bases], generator=rng)
    for basis in bases:
        # Contract the first axis and append it, so that after three turns the order is restored.
        field = torch.tensordot(field, basis, dims=([0], [1]))
    return field / 0.33  # root of the mean over positions of the sum of squared weights


def _spline_basis(length: float, scale: float) -> Tensor:
    """Cubic B-spline basis [position, control point]."""
    positions = torch.arange(0, length + STEP / 2, STEP)
    controls = torch.arange(-1, int(length / scale) + 3) * scale
    t = ((positions[:, None] - controls) / scale).abs()
    near = 2 / 3 - t**2 + t**3 / 2
    far = (2 - t).clamp(min=0) ** 3 / 6
    return torch.where(t < 1, near, far)
