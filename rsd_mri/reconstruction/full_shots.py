"""Scans along a trajectory that miss nothing: their image, and what is left of them with fewer shots."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.operators import NonUniformFFT
from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.preparation.prepare import density_of
from rsd_mri.reconstruction.finish import root_sum_of_squares
from rsd_mri.scan.sampling import MIN_CENTRE, fully_sampled_centre
from rsd_mri.scan.scan import Scan

MOST = 1.1
"""Acceleration up to which a trajectory counts as full: nearest cells miss a few between the ends of golden spokes."""
ITERATIONS, TOLERANCE = 15, 1e-3
"""Of conjugate gradients on A^H W A, which is near one where nothing is missed."""


def image_of_all_shots(scan: Scan) -> NDArray[np.float32]:
    """Root sum of squares of weighted least squares, coil by coil, [slice, readout, phase_encode].

    Raises
    ------
    InputError
        If the scan is undersampled.
    """
    density = density_of(scan)
    if scan.trajectory is None or density is None:
        raise ValueError(f"{scan.source} has no trajectory")
    if not scan.mask.all() or scan.realised_acceleration > MOST:
        raise InputError(
            f"{scan.source}: calibration needs scans that miss nothing, this trajectory has "
            f"R={scan.realised_acceleration:.2f}"
        )
    transform = NonUniformFFT(torch.from_numpy(scan.trajectory), scan.matrix)
    weights = torch.from_numpy(density)
    normal = transform.normal(weights[None, None], torch.complex64)
    images = []
    for kspace in scan.kspace:
        right = transform.adjoint(torch.from_numpy(np.ascontiguousarray(kspace))[:, None] * weights)
        found = conjugate_gradient(normal, right, None, ITERATIONS, TOLERANCE)[:, 0]
        images.append(root_sum_of_squares(found, scan.image_size or scan.matrix))
    return np.stack(images)


def with_fewer_shots(scan: Scan, acceleration: float) -> Scan:
    """Keep so many fewer shots: the first (of golden angles), or every so-manieth (of interleaves).

    Whichever covers more cells of the Cartesian grid.

    Raises
    ------
    InputError
        If too little of the centre is left for coil maps.
    """
    count = scan.size[1]
    kept = max(round(count / acceleration), 1)
    found = []
    for places in (np.arange(kept), np.round(np.arange(kept) * count / kept).astype(int) % count):
        mask = np.zeros(count, dtype=bool)
        mask[places] = True
        found.append(replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="file"))
    best = max(found, key=lambda one: int(one.cells.sum()))
    centre = min(fully_sampled_centre(best.cells, best.matrix))
    if centre < MIN_CENTRE and scan.calibration is None:
        raise InputError(
            f"{scan.source}: a part of {acceleration:g} of its shots covers a centre of {centre} x {centre} cells, and "
            f"coil maps need {MIN_CENTRE}; take a lower --accel"
        )
    return best
