"""Fully sampled raw scans of one real head in random contrasts and poses: an anatomy that no choice was made on.

Run with: python protocols/second_anatomy.py HEAD.nii.gz FOLDER FIRST COUNT [NOISE]

HEAD.nii.gz is a T1 volume of 1 mm, 0 to 255: the card's is Colin 27 as Debian's package mricron-data has it
(ch2.nii.gz). COUNT scans of eight slices, 32x32, 4 coils, numbered from FIRST on: from 0 those of the card to train on,
from 100000 those that judge, of NOISE 1e-3.
"""

import sys
from pathlib import Path

import nibabel
import numpy as np
import torch
from torch import Generator, Tensor

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import fft2c, ifft2c
from rsd_mri.scan import write_fastmri
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation.receive import draw_coils

SEED, SLICES, COILS = 27, 8, 4
CENTRE = torch.tensor([90.0, 126.0, 72.0])
"""Voxel that the head turns about."""
FINE, SIZE, FIELD_OF_VIEW = 96, 32, 256.0
"""Pixels that the image is made of, those of the scan, and millimetres."""
KNOTS = torch.tensor([0.0, 0.12, 0.3, 0.45, 0.6, 0.75, 1.0])
"""Brightness of the volume between which a contrast is linear."""


def uniform(rng: Generator, low: float, high: float, count: int) -> Tensor:
    """So many numbers between two."""
    return low + (high - low) * torch.rand(count, generator=rng)


def contrast(brightness: Tensor, rng: Generator) -> Tensor:
    """A random function of the volume's brightness; air stays dark."""
    values = torch.cat([torch.zeros(1), uniform(rng, 0.05, 1.0, len(KNOTS) - 1)])
    values = values / values.max()
    clipped = brightness.clamp(0, 0.999)
    below = torch.bucketize(clipped, KNOTS, right=True) - 1
    share = (clipped - KNOTS[below]) / (KNOTS[below + 1] - KNOTS[below])
    return values[below] * (1 - share) + values[below + 1] * share


def rotation(rng: Generator) -> Tensor:
    """Up to 8, 8 and 12 degrees about the three axes."""
    turned = torch.eye(3)
    angles = [torch.deg2rad(uniform(rng, -most, most, 1)[0]) for most in (8.0, 8.0, 12.0)]
    for (i, j), angle in zip(((1, 2), (0, 2), (0, 1)), angles, strict=True):
        one = torch.eye(3)
        one[i, i] = one[j, j] = angle.cos()
        one[i, j], one[j, i] = -angle.sin(), angle.sin()
        turned = turned @ one
    return turned


def scan_of(volume: Tensor, number: int, path: Path, noise: float) -> tuple[Scan, Tensor]:
    """A scan, and the root sum of squares of its noiseless coil images [slice, y, x]."""
    rng = generator(SEED, number, "head")
    turned, shift, zoom = rotation(rng), uniform(rng, -6, 6, 3), uniform(rng, 0.9, 1.1, 1)
    coils = draw_coils(COILS, 0.0, rng)
    lowest, gap, ramp = uniform(rng, -30, 0, 1)[0], uniform(rng, 4, 8, 1)[0], uniform(rng, -1.2, 1.2, 4)
    along = (torch.arange(FINE) - FINE / 2) * FIELD_OF_VIEW / FINE
    y, x = torch.meshgrid(-along, along, indexing="ij")
    down, right = torch.meshgrid(torch.linspace(-1, 1, FINE), torch.linspace(-1, 1, FINE), indexing="ij")
    phase = ramp[0] * right + ramp[1] * down + ramp[2] * right * down + ramp[3]
    shades = generator(SEED, number, "contrast")
    state, kspace, images = shades.get_state(), [], []
    cut = slice((FINE - SIZE) // 2, (FINE + SIZE) // 2)
    for index in range(SLICES):
        place = torch.stack([x, y, torch.full_like(x, float(lowest + index * gap))], -1)
        voxel = (place * zoom) @ turned.T + CENTRE + shift
        grid = torch.stack([2 * voxel[..., k] / (volume.shape[k] - 1) - 1 for k in (2, 1, 0)], -1)[None, None]
        seen = torch.nn.functional.grid_sample(volume[None, None], grid, align_corners=True)[0, 0, 0]
        shades.set_state(state)  # all slices of a scan have one contrast
        image = torch.polar(contrast(seen, shades), phase)
        corners = torch.stack([torch.stack([place[i, j] for j in (0, -1)]) for i in (0, -1)])
        whole = fft2c(coils.sensitivities(corners, (FINE, FINE)) * image)
        clean = whole[..., cut, cut] * (SIZE / FINE)
        images.append(ifft2c(clean).abs().square().sum(0).sqrt())
        kspace.append(clean + noise * normal(clean.shape, generator(SEED, number, index, "noise")))
    alone = noise * normal((COILS, 4096), generator(SEED, number, "noise scan"))
    mask = np.ones(SIZE, bool)
    size = (SIZE, SIZE)
    made = torch.stack(kspace).numpy()
    return Scan(made, mask, "full", path, "simulated", noise=alone.numpy(), image_size=size), torch.stack(images)


def main(head: str, folder: str, first: str, count: str, noise: str = "0.01") -> None:
    """Write the scans that the folder lacks."""
    volume = torch.from_numpy(np.asarray(nibabel.load(head).dataobj).astype(np.float32)) / 255  # type: ignore[attr-defined]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(int(first), int(first) + int(count)):
        path = Path(folder) / f"head_{number:06d}.h5"
        if not path.is_file():
            scan, images = scan_of(volume, number, path, float(noise))
            write_fastmri(path, scan, reconstruction_rss=images.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
