"""The picture of a small lesion that was lost and of one that was kept, beside the prior under which this was tried."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.results.volume import ReconstructedVolume

PICTURE = "lesions-{}-r{:g}.png"
"""Its name, of method and acceleration; written by protocols/lesions.py."""
LARGEST = 4096
"""Pixels along a side above which a file of that name is none of ours."""


def spots_picture(rec: ReconstructedVolume) -> NDArray[np.float32] | None:
    """Rows: lost, kept; columns: truth, image, half width x 4; from 0 to 1. None where there is none to show.

    Parameters
    ----------
    rec
        Its checks say at which acceleration lesions were tried, its prior where the picture lies.
    """
    from PIL import Image  # for the page alone

    acceleration = rec.checks.get("lesion_acceleration")
    if rec.prior is None or acceleration is None:
        return None
    prior = Path(rec.prior.path)
    path = (prior if prior.is_dir() else prior.parent) / PICTURE.format(rec.method, acceleration)
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode != "L" or max(image.size) > LARGEST:
                return None
            grey: NDArray[np.float32] = np.asarray(image, np.float32) / np.float32(255)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return grey
