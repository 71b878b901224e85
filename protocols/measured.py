"""Does the interval hold on k-space that a scanner measured? Full scans of one coil, of which lines or points are kept.

Run with: python protocols/measured.py FOLDER ARCHIVE.npz ...

The truth is the full scan, with its noise. No interval knows the noise of samples that were never acquired, so that
coverage is told twice: of the truth as it is, and with that noise, as the corners of its image show it, added in
quadrature. Tried and kept as by `trust.py`, whose other columns these are.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from trust import COVERAGE, half_width_of, intervals_of, kept_at, line_of, measure, row_of, summary, tell
from trust_scans import LINES, POINTS, SEED, Case, Law, measured_scans

from rsd_mri.reconstruction.full_scans import full_image
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.scan import Scan

LAWS = (LINES[0], LINES[1], POINTS[0])
CORNER = 8
"""Pixels each way of an image's corners, where no object is."""
ENDS = (slice(None, CORNER), slice(-CORNER, None))


def cases(path: Path) -> Iterator[tuple[Case, Scan]]:
    """Every measured slice under one law, with the full scan."""
    for number, full in enumerate(measured_scans(path)):
        law = LAWS[number % len(LAWS)]

        def make(law: Law = law, full: Scan = full) -> tuple[Scan, NDArray[np.float32]]:
            return law.of(full, SEED, path.name, full.source.stem), full_image(full)

        yield Case(full.source.stem, law, full.size, make), full


def noise_never_acquired(full: Scan, kept: Scan) -> float:
    """Standard deviation, in the truth's magnitude, of the noise of what was left out."""
    image = full_image(replace(full, kspace=full.kspace * ~kept.mask))[0]
    corners = np.concatenate([image[y, x].ravel() for y in ENDS for x in ENDS])
    return float(np.sqrt(np.mean(corners**2) / 2))


def with_noise(truth: NDArray[np.float32], rec: Reconstruction, noise: float) -> dict[str, float]:
    """The row of an interval that knows the noise of the truth as well."""
    half = half_width_of(rec)
    more = norm.ppf((1 + COVERAGE) / 2) * noise
    return row_of(truth, rec.magnitude[0], None if half is None else np.hypot(half, more))


def main(folder: Path, paths: list[Path]) -> None:
    """Print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[tuple[Case, dict[str, Any]]] = []
    noisy: list[tuple[Case, dict[str, Any]]] = []
    for path in paths:
        for case, full in cases(path):
            values = measure(case, folder, rival=False)
            rec = read_reconstruction(kept_at(case, folder))
            kept, truth = case.make()
            noise = noise_never_acquired(full, kept)
            both = {name: with_noise(truth[0], one, noise) for name, one in intervals_of(rec).items()}
            found.append((case, values))
            noisy.append((case, both))
            said = ", ".join(f"{both[name]['covers']:.0%}" for name in ("package", "own"))
            tell(f"{line_of(case, values)} {rec.checks.get('own_lines', 0):.0f} | {said} |")
    for title, rows in (("truth as it is", found), ("with the noise of what was never acquired", noisy)):
        for line in summary(rows):
            tell(f"{title}: {line}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
