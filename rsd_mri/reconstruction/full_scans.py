"""Fully sampled scans: their image, the body in it, and what is left of them when lines are taken away."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.coils.acs import prepared_readout, without_oversampling
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import ifft2c
from rsd_mri.protocol import MaskSettings
from rsd_mri.reconstruction.finish import root_sum_of_squares
from rsd_mri.reconstruction.full_shots import image_of_all_shots, with_fewer_shots
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.sampling import MIN_CENTRE
from rsd_mri.scan.scan import Scan

BODY = 0.1
"""Pixels brighter than this share of the 99th percentile count as the body."""

CENTRE_LINES = 20
"""Fully sampled centre of the masks drawn here, where the acceleration leaves so many lines."""


def body_of(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Where there is anything to be right or wrong about."""
    return np.asarray(target > BODY * np.quantile(target, 0.99))


def full_image(scan: Scan) -> NDArray[np.float32]:
    """Root sum of squares of a fully sampled scan, [slice, readout, phase_encode], as its reconstruction is cropped.

    Along a trajectory of weighted least squares, coil by coil.

    Raises
    ------
    InputError
        If the scan is undersampled.
    """
    if scan.trajectory is not None:
        return image_of_all_shots(scan)
    if not scan.mask.all():
        raise InputError(
            f"{scan.source}: calibration needs fully sampled scans, this one has R={scan.realised_acceleration:.2f}"
        )
    images = []
    for kspace in scan.kspace:
        narrow = torch.from_numpy(np.ascontiguousarray(without_oversampling(kspace, prepared_readout(scan))))
        images.append(root_sum_of_squares(ifft2c(narrow), scan.image_size or scan.size))
    return np.stack(images)


def undersampled(scan: Scan, acceleration: float, seed: int) -> Scan:
    """Keep only the lines of a mask drawn for this scan; of a trajectory fewer of its shots.

    Parameters
    ----------
    scan
        Fully sampled.
    acceleration
        Asked.
    seed
        Of the mask, with the name of the scan.

    Raises
    ------
    InputError
        If so few lines are left that coil maps cannot be learned from the centre.
    """
    if scan.trajectory is not None:
        return with_fewer_shots(scan, acceleration)
    # With fewer centre lines the coil maps fail before the methods do (docs/choices.md).
    centre = CENTRE_LINES if scan.size[1] / acceleration > CENTRE_LINES else None
    asked = MaskSettings(acceleration=acceleration, acs_lines=centre)
    pattern = draw_mask(asked, scan.size, generator(seed, scan.source.name, "calibration mask"))
    if pattern.acs_lines < MIN_CENTRE:
        raise InputError(
            f"{scan.source}: --accel {acceleration:g} leaves {pattern.acs_lines} centre lines, fewer than the "
            f"{MIN_CENTRE} that coil maps need; take a lower one"
        )
    mask = pattern.mask.numpy()
    return replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="file")


def undersampled_pairs(
    scans: Iterable[Scan], acceleration: float, seed: int
) -> Iterator[tuple[Scan, NDArray[np.float32]]]:
    """What `calibrate` takes, of fully sampled scans: each undersampled by a mask of its own, and its image.

    Raises
    ------
    InputError
        If a scan is not fully sampled.
    """
    for scan in scans:
        target = full_image(scan)
        yield undersampled(scan, acceleration, seed), target
