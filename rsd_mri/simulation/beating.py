"""A beating phantom: two chambers in a body, of which each frame of the cycle is a scan."""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import fft2c
from rsd_mri.scan.facts import Facts
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation.receive import HEAD_CENTRE, draw_coils

FIELD = 260.0
"""Field of view [mm]."""
CYCLE = 800.0
"""From one beat to the next [ms]."""
FINE = 3
"""Points a pixel and axis over which edges are averaged."""
# Centre (readout, phase encode), half axes, signal, and by how much of itself it shrinks at the height of the beat.
ELLIPSES = (
    ((0.00, 0.00), (0.62, 0.78), 0.35, 0.00),
    ((-0.05, 0.42), (0.34, 0.20), -0.30, 0.00),
    ((-0.05, -0.45), (0.34, 0.18), -0.30, 0.00),
    ((0.02, 0.05), (0.25, 0.23), 0.20, 0.06),
    ((0.02, 0.05), (0.17, 0.15), 0.45, 0.35),
    ((0.06, -0.19), (0.11, 0.08), 0.50, 0.30),
    ((0.46, 0.02), (0.07, 0.07), 0.40, 0.00),
)


def beating_image(phase: float, size: tuple[int, int]) -> Tensor:
    """The object at a phase of the cycle, real [readout, phase_encode]; 0 is the widest, 0.5 the narrowest."""
    contraction = (1 - math.cos(2 * math.pi * phase)) / 2
    rows, columns = ((torch.arange(n * FINE) + 0.5) / (n * FINE) * 2 - 1 for n in size)
    total = torch.zeros(size[0] * FINE, size[1] * FINE)
    for (row, column), (high, wide), signal, shrinks in ELLIPSES:
        share = 1 - shrinks * contraction
        inside = ((rows[:, None] - row) / (high * share)) ** 2 + ((columns - column) / (wide * share)) ** 2 < 1
        total += signal * inside
    return torch.nn.functional.avg_pool2d(total[None], FINE)[0]


def simulate_beating(
    frames: int = 16,
    size: tuple[int, int] = (96, 96),
    coils: int = 8,
    noise: float = 0.01,
    acceleration: int = 1,
    seed: int = 0,
) -> tuple[tuple[Scan, ...], NDArray[np.complex64]]:
    """Simulate a cycle, undersampled in turn: frame t has the lines t, t + R, t + 2 R, ...

    Parameters
    ----------
    frames
        Of one cycle.
    size
        (readout, phase_encode).
    coils
        How many.
    noise
        Standard deviation of the complex k-space noise; the brightest tissue is near 1.
    acceleration
        R; no frame has a fully sampled centre.
    seed
        Of coils and noise.

    Returns
    -------
    scans
        One a frame.
    images
        [frame, readout, phase_encode]: the noiseless images; their magnitude is the root sum of squares of the coils.

    Raises
    ------
    InputError
        If there is no such movie.
    """
    if frames < 1 or acceleration < 1 or min(size) < 16 or coils < 1:
        raise InputError(
            f"simulate: expected at least one frame, 16x16 pixels, one coil and an acceleration of 1, got {frames} "
            f"frames of {size[0]}x{size[1]}, {coils} coils, acceleration {acceleration}"
        )
    array = draw_coils(coils, 0.0, generator(seed, "beating coils"))
    corners = torch.tensor(HEAD_CENTRE) + torch.tensor(
        [[[y * FIELD / 2, x * FIELD / 2, 0.0] for x in (-1, 1)] for y in (-1, 1)]
    )
    csm = array.sensitivities(corners, size)
    shading = csm.abs().square().sum(0).sqrt()
    rows, columns = (torch.linspace(-1, 1, n) for n in size)
    phase = torch.polar(torch.ones(size), 0.8 * rows[:, None] - 0.5 * columns + 0.4 * rows[:, None] * columns)
    scans, images = [], []
    for frame in range(frames):
        image = beating_image(frame / frames, size) * phase
        mask = torch.arange(size[1]) % acceleration == frame % acceleration
        rng = generator(seed, "beating noise", frame)
        kspace = (fft2c(csm * image) + noise * normal((coils, *size), rng)) * mask
        samples = noise * normal((coils, 2048), generator(seed, "beating noise scan"))
        scans.append(
            Scan(
                kspace=kspace[None].numpy(),
                mask=mask.numpy(),
                mask_source="full" if acceleration == 1 else "file",
                source=Path(f"beating-{seed}.h5"),
                format="simulated",
                noise=samples.numpy(),
                image_size=size,
                acquired_at=(0, size[1]),
                geometry=Geometry(voxel_size=(FIELD / size[0], FIELD / size[1], 8.0)),
                facts=Facts(moment=CYCLE * frame / frames, triggered=True),
                frame={"phase": frame},
            )
        )
        images.append(shading * image)
    return tuple(scans), torch.stack(images).numpy()
