"""Every scan with a known image that can be had here, undersampled: for trials and for tables of before and after.

Simulated heads of four contrasts, some of which wrap; slices of a real head (Colin 27, of Debian's mricron-data) and
the images of folders with real ones, all seen by simulated coils. What is not there is left out.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from rsd_mri.bench.reconstructions import simulated_heads
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.scan.scan import Scan

ROOT = Path(__file__).resolve().parents[1]
HEADS = (
    ((320, 168), 0.6, 4.0),
    ((240, 200), 1.0, 6.0),
    ((256, 192), 1.0, 8.0),
    ((160, 168), 1.0, 2.0),
    ((192, 168), 0.6, 3.0),
    ((176, 144), 0.8, 4.0),
)
"""Size, field of view over that of the head, acceleration."""
REAL = ROOT.parent / "shared" / "data"
"""Real images that are no part of the project."""
Pair = tuple[str, Scan, NDArray[np.float32]]


def every_scan() -> Iterator[Pair]:
    """Name, undersampled scan, and the image it is judged by [slice, readout, phase_encode]."""
    for number, (size, fov, acceleration) in enumerate(HEADS):
        full, truth = simulated_heads(number % 4 + 1, size, 40 + number, "every scan", fov)[-1]
        wraps = ", wraps" if fov < 0.65 else ""
        yield f"simulated {size[0]}x{size[1]}{wraps}, R={acceleration:g}", undersampled(full, acceleration, 0), truth
    colin = _module("tests/reconstruction/test_real_head.py")
    if colin.COLIN.is_file():
        for number, (name, case) in enumerate(colin.SLICES.items()):
            scan, truth = colin.scan_of(case, 940 + number)
            yield f"Colin {name}", scan, truth
    for name, full, truth in real_images():
        yield f"{name}, R=3", undersampled(full, 3.0, 0), truth


def real_images() -> Iterator[Pair]:
    """Name, full scan by simulated coils, and the image, of every archive of real images."""
    seen = _module("protocols/trust_scans.py")
    for path in sorted(REAL.glob("*/*.npz")):
        for name, full, truth in seen.images(path):
            yield f"{path.stem} {name}", full, truth


def _module(path: str) -> ModuleType:
    """A script or test of the repository."""
    name = Path(path).stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / path)
        if spec is None or spec.loader is None:
            sys.exit(f"{path}: is not there")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
