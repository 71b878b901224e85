"""The centre of k-space on the Cartesian grid, from samples along a trajectory."""

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.operators import NonUniformFFT, RegularisedInverse, fft2c
from rsd_mri.scan.middle import centre_of_last
from rsd_mri.scan.sampling import fully_sampled_centre
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.trajectory import radius

MARGIN = 12
"""Points beside the window that are solved for with it: samples near its edge see them."""
ITERATIONS, FLOOR = 20, 0.05
"""Of the inverse of the weighted A^H A, which is near one where samples are dense; see `RegularisedInverse`."""


def gridded_centre(
    scan: Scan, width: int, density: NDArray[np.float32]
) -> tuple[NDArray[np.complex64], tuple[int, int]]:
    """Solve for the centre of k-space by weighted least squares, coil by coil, at low resolution.

    Parameters
    ----------
    scan
        With a trajectory.
    width
        Widest window wanted [points].
    density
        [sample, shot]: cells that each sample stands for.

    Returns
    -------
    calibration
        [slice, coil, readout, phase_encode], at most `width` wide along both; empty where no centre is covered.
    acs
        (readout, phase_encode): the centre in which every cell of the grid holds a sample.
    """
    if scan.trajectory is None:
        raise ValueError(f"{scan.source} has no trajectory; its centre is cut out of the grid")
    acs = fully_sampled_centre(scan.cells, scan.matrix)
    window = (min(width, acs[0]), min(width, acs[1]))
    small = (min(window[0] + 2 * MARGIN, scan.matrix[0]), min(window[1] + 2 * MARGIN, scan.matrix[1]))
    inside = (radius(scan.trajectory, small) <= 1) & np.broadcast_to(scan.mask, scan.size)
    # The samples inside alone: few shots cross the centre with more than a part of theirs.
    rows = inside.any(axis=1)
    transform = NonUniformFFT(torch.from_numpy(scan.trajectory[rows]), small)
    weights = torch.from_numpy(np.where(inside, density, 0)[rows])
    normal = transform.normal(weights[None, None], torch.complex64)
    inverse = RegularisedInverse(normal, torch.tensor([transform.bound(normal)]), FLOOR, ITERATIONS)
    cut = centre_of_last(small, window)
    made = []
    for one in scan.kspace:
        image = inverse(transform.adjoint(torch.from_numpy(one[:, rows])[None] * weights))
        made.append(fft2c(image)[0][cut].numpy())
    return np.stack(made), acs
