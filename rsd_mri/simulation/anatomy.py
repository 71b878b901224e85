"""One person's head: the mean anatomy deformed, and painted with the signals of a contrast."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.simulation.atlas import Volume, load_atlas
from rsd_mri.simulation.fields import smooth_fields, uniform

# Distances between the control points of the random fields [mm]: deformation coarse (3) and fine (3), folds,
# two whose common zeros are vessels, scalp, muscle, marrow, tissue texture.
SCALES = (45.0,) * 3 + (17.0,) * 3 + (9.0, 22.0, 22.0, 45.0, 12.0, 7.0, 30.0)


@dataclass(frozen=True)
class Anatomy:
    """What makes one head differ from the next."""

    affine: Tensor
    """[3, 3]: from scanner to atlas axes, with size, tilt and shear."""
    shift: Tensor
    """[3]: of the head in the scanner [mm]."""
    fields: Volume
    ventricles: float
    """Widening of the ventricles [mm]."""
    atrophy: float
    """How readily CSF takes the place of grey matter (log odds)."""
    sharpness: float
    """How much the mean anatomy's soft borders are sharpened."""
    skull: float
    """Thickness of the skull [mm]."""
    scalp: float
    """Thickness of the fat under the skin [mm]."""
    lesions: Tensor
    """[lesion, 4]: centre and radius [mm], in atlas space."""

    def to_atlas(self, points: Tensor) -> Tensor:
        """Points of the scanner [..., 3] in atlas space [mm]."""
        points = (points - self.shift) @ self.affine.T
        warp = Volume(self.fields.data[:6], self.fields.origin, self.fields.spacing).sample(points)
        points = points + (2.5 * warp[:3] + 0.9 * warp[3:]).movedim(0, -1)
        # Ventricles: two bumps that pull their surroundings outwards.
        for side in (-1.0, 1.0):
            away = points - torch.tensor([side * 14.0, -8.0, 12.0])
            bump = torch.exp(-(away / torch.tensor([14.0, 26.0, 16.0])).square().sum(-1, keepdim=True))
            points = points - self.ventricles * bump * away / 16.0
        return points


def draw_anatomy(rng: torch.Generator) -> Anatomy:
    """Draw a head."""
    tilt = [math.radians(float(a)) for a in uniform(rng, -6, 6, 3)]
    rotation = torch.linalg.matrix_exp(
        torch.tensor([[0, -tilt[2], tilt[1]], [tilt[2], 0, -tilt[0]], [-tilt[1], tilt[0], 0]])
    )
    stretch = torch.diag(1 / (uniform(rng, 0.93, 1.04) * uniform(rng, 0.97, 1.03, 3)))
    shear = torch.eye(3) + torch.triu(uniform(rng, -0.04, 0.04, 3, 3), diagonal=1)
    age = float(uniform(rng, 0, 1))
    count = int(torch.poisson(torch.tensor(8.0 * age**2), generator=rng))
    centres = torch.randn(count, 3, generator=rng) * torch.tensor([6.0, 30.0, 10.0])
    centres += torch.tensor([0.0, -10.0, 22.0])
    centres[:, 0] += 24 * torch.sign(uniform(rng, -1, 1, count))
    radii = 1.2 + 3.5 * uniform(rng, 0, 1, count, 1) ** 2
    return Anatomy(
        affine=stretch @ shear @ rotation,
        shift=uniform(rng, -4, 4, 3),
        fields=smooth_fields(SCALES, rng),
        ventricles=-1.0 + 7.0 * age * float(uniform(rng, 0.5, 1)),
        atrophy=-0.4 + 1.2 * age,
        sharpness=float(uniform(rng, 2.5, 3.5)),
        skull=float(uniform(rng, 5.5, 8.0)),
        scalp=float(uniform(rng, 2.5, 5.5)),
        lesions=torch.cat([centres, radii], dim=1),
    )


def paint(anatomy: Anatomy, signals: dict[str, float], points: Tensor) -> Tensor:
    """Signal at points of the scanner [..., 3] in mm; real and not negative."""
    flat = points.reshape(-1, 3)
    # Points well outside the head, before the deformation, stay empty.
    depth = load_atlas().head.sample((flat - anatomy.shift) @ anatomy.affine.T)[1]
    near = (depth > -15).nonzero()[:, 0]
    image = torch.zeros(len(flat))
    image[near] = _paint_tissues(anatomy, signals, anatomy.to_atlas(flat[near]))
    return image.reshape(points.shape[:-1])


def _paint_tissues(anatomy: Anatomy, signals: dict[str, float], p: Tensor) -> Tensor:
    """Signal at points of the atlas [point, 3], tissues painted one over the other from the skin inwards."""
    atlas = load_atlas()
    grey, white = atlas.tissue.sample(p)
    hull, depth = atlas.head.sample(p)
    folds, v1, v2, scalp, muscle, marrow, texture = Volume(
        anatomy.fields.data[6:], anatomy.fields.origin, anatomy.fields.spacing
    ).sample(p)

    image = torch.zeros_like(hull)

    def over(tissue: str, share: Tensor) -> None:
        image.lerp_(torch.tensor(signals[tissue]), share)

    def within(distance: Tensor, softness: float = 0.3) -> Tensor:
        return torch.sigmoid(distance / softness)

    def ball(x: float, y: float, z: float, *radii: float) -> Tensor:
        away = (p - torch.tensor([x, y, z])) / torch.tensor(radii)
        return within((1 - away.square().sum(-1).sqrt()) * min(radii))

    # Scalp, face and neck.
    over("skin", within(depth))
    fat = anatomy.scalp * (1 + 0.25 * scalp).clamp(0.3, 2)
    over("fat", within(depth - 1.6))
    over("muscle", within(depth - 1.6 - fat) * within(muscle + 0.8, 0.25))
    if bool(((p[:, 1] > 20) & (p[:, 2] < -10)).any()):
        for side in (-1, 1):
            over("bone", ball(side * 30, 52, -38, 19, 24, 18))
            over("fat", ball(side * 30, 54, -38, 17, 22, 16))
            over("muscle", ball(side * 30, 44, -38, 3.0, 16, 2.5))
            over("skin", ball(side * 31, 63, -38, 12.6, 12.6, 12.6))
            over("csf", ball(side * 31, 63, -38, 11.6, 11.6, 11.6))
            over("bone", ball(side * 31, 71, -38, 4.5, 2.0, 4.5))
            over("air", ball(side * 30, 52, -66, 13, 17, 13))
        over("air", ball(0, 50, -58, 12, 32, 22))
        over("muscle", ball(0, 45, -60, 3, 30, 24))
    # Skull, with marrow between its tables.
    skull = anatomy.skull * (1 + 0.15 * scalp).clamp(0.5, 1.5)
    over("bone", within(skull + 2.0 - hull))
    table = 0.28 * skull
    diploe = within(hull - 2.0 - table) * within(skull + 2.0 - table - hull)
    over("marrow", 0.9 * diploe * within(marrow + 0.5, 0.4))
    # CSF, and in it the brain.
    over("csf", within(1.8 - hull))
    shares = torch.stack([grey, white, (1 - grey - white).clamp(min=0)]) + 0.01
    odds = anatomy.sharpness * shares[:2].sum(0).div(shares[2]).log() - anatomy.atrophy - 1.0 + 0.9 * folds
    brain = torch.sigmoid(odds) * within(1.0 - hull)
    over("grey", brain)
    whiteness = shares[1] ** 2 / (shares[0] ** 2 + shares[1] ** 2)
    over("white", brain * whiteness)
    for x, y, z, radius in anatomy.lesions.tolist():
        over("lesion", ball(x, y, z, radius, radius, radius) * brain * whiteness)
    # Vessels run where two fields are zero, near the surface of the brain.
    vessel = torch.exp(-(v1.square() + v2.square()) / 0.0025) * within(1.5 - hull)
    over("blood", vessel * (1 - brain * whiteness * 0.7))
    found: Tensor = image * (1 + 0.03 * texture)
    return found
