"""Small scans to read and write."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rsd_mri.scan import Scan

LINES = np.isin(np.arange(12), [1, 4, 5, 6, 7, 9])
PATTERN = np.random.default_rng(3).random((16, 12)) < 0.4


def make_scan(shape=(2, 3, 16, 12), seed=0, mask=None, **changes):
    rng = np.random.default_rng(seed)
    kspace = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    kspace[..., shape[2] // 2, shape[3] // 2] = 30
    full = mask is None
    mask = np.ones(shape[-1], bool) if full else mask
    scan = Scan(kspace * mask, mask, "full" if full else "file", Path("made.h5"), "simulated", image_size=shape[2:])
    return replace(scan, **changes)
