"""Patches unlike the images they come from: other contrast, sharpness, texture, phase, and edges where there are none.

The scans of one study are more alike than those a denoiser will meet. Nothing here needs another image than a restored
one. Functions of one complex patch [y, x] and a generator.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    """Draw between two bounds."""
    return low + (high - low) * float(torch.rand((), generator=rng))


def log_uniform(rng: torch.Generator, low: float, high: float) -> float:
    """Draw between two bounds, evenly in the logarithm."""
    return math.exp(uniform(rng, math.log(low), math.log(high)))


def happens(rng: torch.Generator, probability: float) -> bool:
    """Draw whether something happens."""
    return float(torch.rand((), generator=rng)) < probability


def altered(patch: Tensor, rng: torch.Generator) -> Tensor:
    """Change sharpness, contrast, texture and phase, each now and then, and the brightness."""
    if happens(rng, 0.3):
        patch = sharpened(patch, rng)
    if happens(rng, 0.4):
        patch = recontrasted(patch, rng)
    if happens(rng, 0.3):
        patch = textured(patch, rng)
    if happens(rng, 0.3):
        patch = rephased(patch, rng)
    return patch * 2 ** uniform(rng, -2, 1)


def sharpened(patch: Tensor, rng: torch.Generator) -> Tensor:
    """Raise what a mean over 3x3 pixels takes away: a restoration is smoother than the truth."""
    parts = parts_of(patch)[:, None]
    smooth = F.avg_pool2d(F.pad(parts, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return from_parts((parts + uniform(rng, 0.3, 1.5) * (parts - smooth))[:, 0])


def recontrasted(patch: Tensor, rng: torch.Generator) -> Tensor:
    """Put another curve of grey values on the magnitude: a power, now and then turned over above the background."""
    magnitude = patch.abs()
    top = magnitude.max() + 1e-6
    grey = magnitude / top
    curve = grey ** uniform(rng, 0.5, 1.8)
    if happens(rng, 0.3):
        curve = (1 - curve) * torch.sigmoid((grey - 0.08) / 0.02)
    return patch * (curve * top / (magnitude + 1e-6))


def textured(patch: Tensor, rng: torch.Generator) -> Tensor:
    """Multiply by a texture of three scales."""
    texture = sum(uniform(rng, 0, 1) * smooth_field(patch.shape[-1], scale, rng) for scale in (1.5, 3.0, 8.0))
    return patch * (1 + uniform(rng, 0, 0.12) * texture)


def rephased(patch: Tensor, rng: torch.Generator) -> Tensor:
    """Add a smooth phase of up to about a radian."""
    phase = smooth_field(patch.shape[-1], uniform(rng, 8, 40), rng) * uniform(rng, 0, 1)
    return patch * torch.polar(torch.ones(()), phase)


def joined(one: Tensor, other: Tensor, rng: torch.Generator) -> Tensor:
    """Lay two patches side by side along a random edge, sharp or soft."""
    field = smooth_field(one.shape[-1], log_uniform(rng, 5, 40), rng)
    share = torch.sigmoid((field - uniform(rng, -0.7, 0.7)) / log_uniform(rng, 0.02, 0.3))
    return share * one + (1 - share) * other


def smooth_field(side: int, scale: float, rng: torch.Generator) -> Tensor:
    """Random field [side, side] of variance about 1 at its knots, which lie `scale` pixels apart."""
    knots = math.ceil(side / scale) + 3
    grid = torch.randn(1, 1, knots, knots, generator=rng)
    fine = F.interpolate(grid, (math.ceil(knots * scale),) * 2, mode="bicubic", align_corners=False)
    return fine[0, 0, :side, :side]


def parts_of(image: Tensor) -> Tensor:
    """Real and imaginary part of an image [y, x], [part, y, x]."""
    return torch.view_as_real(image).movedim(-1, 0)


def from_parts(parts: Tensor) -> Tensor:
    """Inverse of `parts_of`."""
    return torch.view_as_complex(parts.movedim(0, -1).contiguous())
