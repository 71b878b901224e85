"""Does the interval hold where an object wraps? Scans whose field of view is smaller than what lies in it.

Run with: python protocols/wrapped.py FOLDER [IMAGES.npz | SCAN ...]

Simulated heads larger than their field of view; images that simulated coils see, folded coil by coil; full scans of
which every second line is taken away first; and undersampled scans whose L1-wavelet image, as their own coils see it,
is folded. Tried and kept as by `trust.py`, whose columns these are; behind them how many sets of maps there are, how
many lines were left out, and the residual of the centre.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from trust import kept_at, line_of, measure, summary, tell
from trust_scans import COILS, LINES, NOISE, POINTS, SEED, Case, Law, root, scan_of, seen_images

from rsd_mri.coils.acs import centre
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import fft2c, ifft2c
from rsd_mri.protocol import DataSettings
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.full_scans import full_image
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation import simulate_scan
from rsd_mri.simulation.receive import CoilArray, draw_coils
from rsd_mri.simulation.simulate import fold

HEADS = (
    ("T2", 0.6, LINES[1], NOISE),
    ("T1", 0.6, POINTS[0], NOISE),
    ("FLAIR", 0.55, LINES[2], NOISE / 2),
    ("PD", 0.6, LINES[0], 2 * NOISE),
    ("T1", 0.6, LINES[2], NOISE),
    ("T2", 0.55, POINTS[0], NOISE / 2),
    ("PD", 0.6, LINES[1], NOISE),
    ("FLAIR", 0.6, POINTS[1], NOISE),
)
"""Contrast, field of view over the whole one, law, noise."""
SIZE = (128, 96)
WIDE, LEFT = (128, 128), 90
"""Matrix before images are folded, and phase encodings that are left."""
IMAGE_LAWS = (LINES[1], LINES[0], POINTS[0], LINES[2])
Made = tuple[Scan, NDArray[np.float32]]


def cases(paths: list[Path]) -> Iterator[Case]:
    """Heads, then what is in files."""
    for number, (contrast, fov, law, noise) in enumerate(HEADS):

        def make(
            number: int = number, contrast: str = contrast, fov: float = fov, law: Law = law, noise: float = noise
        ) -> Made:
            how = {"size": SIZE, "plane": "axial", "contrast": contrast, "fov": fov, "noise_correlation": 0.2}
            full, clean = (
                simulate_scan(DataSettings(slices=1, coils=COILS, noise=level), SEED + 500, number, **how)[0]
                for level in (noise, 0.0)
            )
            return law.of(full, SEED + 500, number), full_image(clean)

        yield Case(f"simulated {contrast} {number}, {fov:g}", law, SIZE, make)
    for path in paths:
        yield from image_cases(path) if path.suffix == ".npz" else scan_cases(path)


def image_cases(path: Path) -> Iterator[Case]:
    """Every image of an archive under one law."""
    for at, (name, number, seen, coils) in enumerate(seen_images(path, WIDE, WIDE)):
        law, folded = IMAGE_LAWS[at % len(IMAGE_LAWS)], fold(seen, LEFT)

        def make(
            law: Law = law, folded: Tensor = folded, coils: CoilArray = coils, name: str = name, number: int = number
        ) -> Made:
            return law.of(scan_of(name, folded, coils, (path.name, number)), SEED, path.name, number), root(folded)

        yield Case(name, law, (WIDE[0], LEFT), make)


def scan_cases(path: Path) -> Iterator[Case]:
    """A file of k-space: its own lines where all are there, else what its coils see of its L1-wavelet image."""
    scan = read_scan(path)
    if scan.mask.all():
        half = replace(
            scan, kspace=scan.kspace[..., ::2].copy(), mask=scan.mask[::2].copy(), acquired_at=None,
            image_size=((scan.image_size or scan.size)[0], scan.size[1] // 2),
        )  # fmt: skip
        for law in (Law("uniform", 1.5, 16), Law("uniform", 2, 16)):
            yield Case(path.stem, law, half.size, lambda law=law: (law.of(half, SEED, path.name), full_image(half)))
        return
    for law in (LINES[1], POINTS[0]):

        def make(law: Law = law) -> Made:
            rec = reconstruct_scan(scan, CLASSICAL["l1-wavelet"], held_out=False)
            seen = torch.from_numpy(rec.csm[0] * rec.image[0])
            small = ifft2c(torch.from_numpy(centre(fft2c(seen).numpy(), WIDE).copy()))
            small = small / torch.quantile(small.abs().square().sum(0).sqrt().flatten(), 0.99)
            folded = fold(small, LEFT)
            coils = draw_coils(len(folded), 0.0, generator(SEED, path.name, "noise alone"))
            return law.of(scan_of(path.stem, folded, coils, (path.name,)), SEED, path.name), root(folded)

        yield Case(path.parent.name, law, (WIDE[0], LEFT), make)


def main(folder: Path, paths: list[Path]) -> None:
    """Print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for case in cases(paths):
        values = measure(case, folder, rival=False)
        rec = read_reconstruction(kept_at(case, folder))
        found.append((case, values))
        tell(
            f"{line_of(case, values)} {rec.parameters['n_sets']} | {rec.checks['own_lines']:.0f} | "
            f"{rec.checks['centre_residual']:.1f} |"
        )
    for line in summary(found):
        tell(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
