"""Receive coils: loops around the head, what they see, and the noise they bring."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.machine.randomness import normal
from rsd_mri.simulation.fields import uniform

HEAD_CENTRE = (0.0, -12.0, 5.0)
SEGMENTS = 24


@dataclass(frozen=True)
class CoilArray:
    """Circular loops on a helmet; sensitivities follow from the law of Biot and Savart."""

    centres: Tensor
    """[coil, 3], mm in the scanner."""
    normals: Tensor
    """[coil, 3], unit vectors."""
    radius: float
    """Of each loop [mm]."""
    phases: Tensor
    """[coil], of each receive chain [rad]."""
    flatness: float
    """0 keeps the array's own shading; 1 removes it, as a scanner's intensity correction does."""
    noise_factor: Tensor
    """[coil, coil]: times CN(0, 1) white noise gives the array's noise of mean variance 1."""

    def field(self, points: Tensor) -> Tensor:
        """Transverse field of unit current, Bx - i By with B0 along z, at points [..., 3]; [coil, ...]."""
        angle = 2 * math.pi * torch.arange(SEGMENTS) / SEGMENTS
        helper = torch.tensor([0.0, 0.0, 1.0]) + 0.3 * self.normals.flip(-1)
        u = torch.nn.functional.normalize(torch.linalg.cross(self.normals, helper), dim=-1)
        v = torch.linalg.cross(self.normals, u)
        along = u[:, None] * angle.cos()[:, None] + v[:, None] * angle.sin()[:, None]
        wire = self.centres[:, None] + self.radius * along
        step = -u[:, None] * angle.sin()[:, None] + v[:, None] * angle.cos()[:, None]
        flat = points.reshape(-1, 3)
        away = flat[None, None] - wire[:, :, None]  # [coil, segment, point, 3]
        b = torch.linalg.cross(step[:, :, None].expand_as(away), away) / away.norm(dim=-1, keepdim=True) ** 3
        b = b.mean(1) * self.radius
        rotated = torch.complex(b[..., 0], -b[..., 1]) * torch.exp(1j * self.phases)[:, None]
        return rotated.reshape(len(self.centres), *points.shape[:-1])

    def sensitivities(self, plane: Tensor, size: tuple[int, int]) -> Tensor:
        """Sensitivities [coil, readout, phase_encode] on a plane; their root sum of squares is about 1.

        Parameters
        ----------
        plane
            [2, 2, 3]: its corner pixels' positions [mm].
        size
            (readout, phase_encode).
        """
        coarse = self.field(_grid(plane, (32, 32)))  # smooth: a coarse grid is enough
        parts = torch.nn.functional.interpolate(
            torch.view_as_real(coarse).movedim(-1, 1), size=size, mode="bicubic", align_corners=True
        )
        csm = torch.complex(parts[:, 0], parts[:, 1])
        total = csm.abs().square().sum(0).sqrt()
        middle = self.field(torch.tensor(HEAD_CENTRE) + 45 * _CORNERS).abs().square().sum(0).sqrt().mean()
        return csm / (total**self.flatness * middle ** (1 - self.flatness))

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Noise [coil, *shape] of mean variance 1."""
        white = normal((len(self.centres), *shape), rng)
        found: Tensor = torch.tensordot(self.noise_factor, white, dims=1)
        return found


_CORNERS = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


def _grid(plane: Tensor, size: tuple[int, int]) -> Tensor:
    r, c = (torch.linspace(0, 1, n)[:, None] for n in size)
    r = r[:, :, None]
    top = plane[0, 0] + c * (plane[0, 1] - plane[0, 0])
    bottom = plane[1, 0] + c * (plane[1, 1] - plane[1, 0])
    return top + r * (bottom - top)


def draw_coils(n_coils: int, correlation: float, rng: torch.Generator) -> CoilArray:
    """Draw an array of loops around the head.

    Parameters
    ----------
    n_coils
        Number of loops.
    correlation
        0 for white noise, the same in each coil; about 0.3 for an array as it is before prewhitening.
    rng
        Where the randomness comes from.
    """
    index = torch.arange(n_coils) + 0.5
    # A Fibonacci spiral from the crown down to the neck, turned by a random angle.
    height = 0.75 - 1.25 * index / n_coils
    azimuth = math.pi * (3 - math.sqrt(5)) * index + float(uniform(rng, 0, 2 * math.pi))
    azimuth = azimuth + uniform(rng, -0.15, 0.15, n_coils)
    around = (1 - height**2).sqrt()
    directions = torch.stack([around * azimuth.cos(), around * azimuth.sin(), height], dim=-1)
    centres = torch.tensor(HEAD_CENTRE) + directions * torch.tensor([118.0, 140.0, 130.0])
    centres += uniform(rng, -6, 6, 3)
    normals = torch.nn.functional.normalize(-directions + 0.15 * torch.randn(n_coils, 3, generator=rng), dim=-1)
    leakage = normal((n_coils, n_coils), rng) / math.sqrt(max(n_coils / 4, 1))
    mixing = torch.eye(n_coils) + correlation * leakage
    mixing = mixing / mixing.abs().square().sum(1).mean().sqrt()
    return CoilArray(
        centres=centres,
        normals=normals,
        radius=62.0 * (8 / n_coils) ** 0.3 if n_coils > 8 else 62.0,
        phases=uniform(rng, -math.pi, math.pi, n_coils),
        flatness=float(uniform(rng, 0.3, 0.8)),
        noise_factor=mixing,
    )
