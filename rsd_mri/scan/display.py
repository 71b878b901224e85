"""What a notebook shows of a scan."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsd_mri.about.panel import panel
from rsd_mri.scan.acquisition import Acquisition
from rsd_mri.scan.inspection import inspect_scan


def mask_picture(mask: NDArray[np.bool_]) -> Image.Image:
    """The sampling pattern, white where acquired; lines run from top to bottom."""
    two_dimensional = np.broadcast_to(mask, (max(len(mask) // 3, 1), len(mask))) if mask.ndim == 1 else mask
    return Image.fromarray((two_dimensional * 255).astype(np.uint8))


def scan_panel(scan: Acquisition) -> str:
    """HTML of what was understood of a scan, beside its sampling pattern."""
    return panel(repr(scan), inspect_scan(scan).rows(), mask_picture(scan.cells), "sampling, acquired white")
