"""3-D acquisitions as slices: a Fourier transform along the fully sampled readout."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.header import Header
from rsd_mri.scan.sizes import in_millimetres, settle_sizes
from rsd_mri.scan.spooled_lines import SpooledLines

Triple = tuple[float, float, float]


def to_slices(
    kspace: NDArray[np.complex64], header: Header, geometry: Geometry
) -> tuple[NDArray[np.complex64], Header, Geometry]:
    """Turn a 3-D k-space into slices across the readout, oversampling removed.

    The orthonormal transform keeps the noise level.

    Parameters
    ----------
    kspace
        [partition, coil, readout, phase_encode]; where its lines lie on disk, the slices do too.
    header, geometry
        Of the acquisition.

    Returns
    -------
    kspace
        [readout position, coil, phase_encode, partition]: slices whose two axes are both phase-encoded.
    header, geometry
        With the axes in this order: the partitions are what is called `phase_encode` from here on.
    """
    import torch

    from rsd_mri.operators.fourier import ifft1c

    n = kspace.shape[2]
    fov, wanted, _ = in_millimetres(header)
    # The same settling as for a 2-D array, of the readout alone.
    sizes = settle_sizes(header, (n, kspace.shape[3]))
    kept = n if sizes.image is None else sizes.image[0]
    step = None if sizes.voxel is None else sizes.voxel[0]
    start = n // 2 - kept // 2
    slices: Any
    if isinstance(kspace, SpooledLines):
        slices = kspace.across(start, kept)
    else:
        hybrid = ifft1c(torch.from_numpy(kspace), dim=2)[:, :, start : start + kept]
        slices = np.ascontiguousarray(hybrid.permute(2, 1, 3, 0).numpy())
    turned = replace(
        header,
        encoded=None if header.encoded is None else (*header.encoded[1:], kept),
        recon=None if header.recon is None else (*header.recon[1:], kept),
        encoded_fov=None if fov is None or step is None else (fov[1], fov[2], step),
        recon_fov=None if wanted is None or step is None else (wanted[1], wanted[2], step),
        lines=header.partitions,
        partitions=None,
        slices=None,
        thickness=step,
        spacing=None,
    )
    return slices, turned, _turn(geometry, kept, step)


def _turn(geometry: Geometry, n_slices: int, step: float | None) -> Geometry:
    """Geometry of the slices across the readout."""
    positions: tuple[Triple, ...] = ()
    if geometry.positions and geometry.read_direction is not None and step is not None:
        steps = (np.arange(n_slices) - n_slices // 2)[:, None] * step
        points = np.asarray(geometry.positions[0]) + steps * np.asarray(geometry.read_direction)
        positions = tuple((float(x), float(y), float(z)) for x, y, z in points)
    return Geometry(
        read_direction=geometry.phase_direction,
        phase_direction=geometry.slice_direction,
        slice_direction=geometry.read_direction,
        positions=positions,
    )
