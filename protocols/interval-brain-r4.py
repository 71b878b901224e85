"""The intervals of the package's prior, from simulated heads whose noiseless image is known.

Run with: python protocols/interval-brain-r4.py FOLDER [METHOD [SAMPLES [SAMPLER [R...]]]]
What the folder holds already is not made again.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.commands.output import result
from rsd_mri.protocol import DataSettings
from rsd_mri.reconstruction.calibration import calibrate, write_calibration
from rsd_mri.reconstruction.full_scans import full_image, undersampled
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation import simulate_scan

ACCELERATIONS = (2.0, 2.8, 4.0, 5.6, 8.0)
HEADS = 12
SIZES = ((240, 200), (256, 192), (288, 160))
FIELDS_OF_VIEW = (1.0, 0.9, 0.7)
NOISE = (0.01, 0.015, 0.02)
SEED = 7100


def full() -> Iterator[tuple[Scan, NDArray[np.float32]]]:
    """Noisy heads of every plane and contrast, each with its noiseless image."""
    for head in range(HEADS):
        kind = head % len(SIZES)
        settings = DataSettings(slices=1, coils=8, noise=0.0)
        law = {"size": SIZES[kind], "fov": FIELDS_OF_VIEW[kind]}
        clean, _ = simulate_scan(settings, SEED, head, **law)
        noisy, _ = simulate_scan(replace(settings, noise=NOISE[(head // 3) % 3]), SEED, head, **law)
        yield noisy, full_image(clean)


def main(
    folder: Path, name: str = "posterior", samples: str = "4", sampler: str = "diffpir", *accelerations: str
) -> None:
    """Write a calibration for each acceleration."""
    folder.mkdir(parents=True, exist_ok=True)
    method, heads = method_of(name, sampler=SAMPLERS[sampler], samples=int(samples)), list(full())
    many = "" if method.samples > 1 else "one-sample-"
    part = (many if sampler == "diffpir" else f"{many}{sampler}-") if method.sampled else f"{name}-"
    for acceleration in map(float, accelerations or ACCELERATIONS):
        path = folder / f"calibration-{part}r{acceleration:g}.json"
        if path.is_file():
            continue
        scans = ((undersampled(scan, acceleration, SEED), image) for scan, image in heads)
        found = calibrate(scans, HEADS, 0.9, method, held_out=len(method.candidates()) > 1)
        write_calibration(path, found)
        result(found.lines(), found.as_dict(), False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
