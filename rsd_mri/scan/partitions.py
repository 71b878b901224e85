"""3-D acquisitions as slices: a Fourier transform along the fully sampled readout."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.header import Header
from rsd_mri.scan.scan import Geometry

Triple = tuple[float, float, float]


def to_slices(
    kspace: NDArray[np.complex64], header: Header, geometry: Geometry
) -> tuple[NDArray[np.complex64], Header, Geometry]:
    """Turn a 3-D k-space into slices across the readout, oversampling removed.

    The orthonormal transform keeps the noise level.

    Parameters
    ----------
    kspace
        [partition, coil, readout, phase_encode].
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
    kept = min(header.recon[0], n) if header.recon else n
    start = n // 2 - kept // 2
    hybrid = ifft1c(torch.from_numpy(kspace), dim=2)[:, :, start : start + kept]
    slices = np.ascontiguousarray(hybrid.permute(2, 1, 3, 0).numpy())
    fov = header.encoded_fov
    turned = replace(
        header,
        encoded=None if header.encoded is None else (*header.encoded[1:], kept),
        recon=None if header.recon is None else (*header.recon[1:], kept),
        encoded_fov=None if fov is None else (fov[1], fov[2], fov[0] * kept / n),
        recon_fov=None,
        lines=header.partitions,
        partitions=None,
        slices=None,
    )
    return slices, turned, _turn(geometry, kept, turned.voxel_size)


def _turn(geometry: Geometry, n_slices: int, voxel: Triple | None) -> Geometry:
    """Geometry of the slices across the readout."""
    positions: tuple[Triple, ...] = ()
    if geometry.positions and geometry.read_direction is not None and voxel is not None:
        steps = (np.arange(n_slices) - n_slices // 2)[:, None] * voxel[2]
        points = np.asarray(geometry.positions[0]) + steps * np.asarray(geometry.read_direction)
        positions = tuple((float(x), float(y), float(z)) for x, y, z in points)
    return Geometry(
        voxel_size=voxel,
        read_direction=geometry.phase_direction,
        phase_direction=geometry.slice_direction,
        slice_direction=geometry.read_direction,
        positions=positions,
    )
