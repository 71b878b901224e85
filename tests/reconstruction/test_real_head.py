"""A real head: a slice of the Colin 27 average (T1, 1 mm), of Debian's mricron-data, seen by simulated coils."""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.operators import fft2c
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.reconstruction.methods import find_prior, method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation.receive import draw_coils
from rsd_mri.simulation.simulate import fold

COLIN = Path("/usr/share/mricron/templates/ch2.nii.gz")
CENTRE = torch.tensor([90.0, 126.0, 72.0])
"""Voxel at the origin of the coils' space."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COLIN.is_file(), reason="needs Debian's mricron-data"),
]


@dataclass(frozen=True)
class Slice:
    """A slice of the volume [x, y, z] and how it is scanned."""

    axes: tuple[int, int]
    """Readout and phase encoding."""
    index: int
    lines: int
    """Phase encodings of 1 mm: fewer than the head is long, it wraps."""
    acceleration: float
    gain: float
    """Asked of the posterior over the best of L1-wavelet and total variation [dB]. Of 184 lines R=8 leaves 3 beside the
    centre's 20: there is next to nothing to unfold."""
    noise: float = 0.01


SLICES = {
    "axial, R=4": Slice((1, 0), 85, 184, 4, 2.5),
    "axial with wrap, R=4": Slice((1, 0), 95, 140, 4, 1.5),
    "axial, phase along y, with wrap, R=4": Slice((0, 1), 100, 168, 4, 1.5, 0.015),
    "axial, phase along y, with wrap, R=6": Slice((0, 1), 85, 168, 6, 0.5),
    "sagittal with wrap, R=6": Slice((2, 1), 84, 168, 6, 1.5),
    "axial, R=8": Slice((1, 0), 75, 184, 8, -0.5),
}


def scan_of(case: Slice, seed: int) -> tuple[Scan, np.ndarray]:
    """A noisy scan of 8 coils, and the root sum of squares of its noiseless image."""
    volume = torch.from_numpy(np.asarray(nibabel.load(COLIN).dataobj).astype(np.float32)) / 255
    third = ({0, 1, 2} - set(case.axes)).pop()
    plane = volume.select(third, case.index)
    plane = plane if case.axes[0] < case.axes[1] else plane.T
    rows, columns = plane.shape

    def place(r: float, c: float) -> torch.Tensor:
        point = torch.zeros(3)
        point[case.axes[0]], point[case.axes[1]], point[third] = r, c, case.index
        return point - CENTRE

    corners = torch.stack([torch.stack([place(r, c) for c in (0, columns - 1)]) for r in (0, rows - 1)])
    coils = draw_coils(8, 0.0, generator(seed, "coils"))
    y, x = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
    phase = 1 + 1.2 * x - 0.8 * y + 0.5 * x * y + 0.4 * torch.sin(2.5 * x + 1) * torch.cos(2 * y)
    seen = coils.sensitivities(corners, (rows, columns)) * torch.polar(plane.contiguous(), phase)
    images = fold(seen, case.lines)
    kspace = fft2c(images) + case.noise * normal(images.shape, generator(seed, "noise"))
    samples = case.noise * normal((8, 4096), generator(seed, "noise scan"))
    scan = Scan(
        kspace[None].numpy(), np.ones(case.lines, bool), "full", Path(f"colin-{seed}.h5"), "simulated",
        noise=samples.numpy(), image_size=(rows, case.lines), acquired_at=(0, case.lines),
    )  # fmt: skip
    return undersampled(scan, case.acceleration, seed), images.abs().square().sum(0).sqrt().numpy()[None]


@pytest.mark.parametrize("name", SLICES)
def test_the_posterior_against_the_best_classical_method(name):
    case = SLICES[name]
    scan, truth = scan_of(case, 940 + list(SLICES).index(name))
    prior = find_prior(None, "posterior")
    found = {}
    for method in ("l1-wavelet", "tv", "one-step", "posterior"):
        found[method] = psnr(truth, reconstruct_scan(scan, method_of(method, prior, samples=4)).magnitude)
    print("|", name, *(f"| {value:.1f}" for value in found.values()), "|")
    assert found["posterior"] > max(found["l1-wavelet"], found["tv"]) + case.gain
