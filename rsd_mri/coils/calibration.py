"""What coil maps are learned from: the fully sampled centre, or one made up from the undersampled data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.coils.acs import (
    calibration_data,
    centre,
    prepared_readout,
    without_oversampling,
)
from rsd_mri.coils.compression import compression_matrix
from rsd_mri.coils.joint import nlinv
from rsd_mri.coils.whitening import whitening_matrix
from rsd_mri.scan.middle import centre_slice
from rsd_mri.scan.sampling import MIN_CENTRE, fully_sampled_centre
from rsd_mri.scan.scan import Scan

WINDOW = 96
"""Points around the centre of k-space that image and coils are found from, along each axis: maps are smooth, and
outside there is little signal."""
REGULAR = 0.02
"""Share of the sampling that may be irregular where the place of the object is doubted."""

Maps = Literal["auto", "espirit", "nlinv"]


@dataclass(frozen=True)
class Learned:
    """What ESPIRiT learns from."""

    kspace: NDArray[np.complex64]
    """[slice, coil, readout, phase_encode], in the unit of the scan."""
    acs: tuple[int, int]
    """The fully sampled centre of the scan (readout, phase_encode)."""
    width: int
    """Width of the region along the phase encoding."""
    own: bool
    """Whether these are points that the scan acquired on its Cartesian grid."""
    reason: str = ""
    """Where image and coils were found together, why; one clause."""


def learned_from(
    scan: Scan,
    calib_width: int,
    maps: Maps,
    mixing: Callable[[], tuple[NDArray[Any], NDArray[Any]]],
    density: NDArray[np.float32] | None = None,
) -> Learned:
    """Find what the maps of a scan are to be learned from.

    Parameters
    ----------
    scan
        The scan.
    calib_width
        Widest region wanted [points].
    maps
        `espirit`: only from a fully sampled centre; `nlinv`: from image and coils found together; `auto`: the latter
        where the centre is narrower than `MIN_CENTRE`.
    mixing
        Gives the combinations of coils that image and coils are found in, [virtual coil, coil], and the way back,
        [coil, virtual coil]; asked only where it is needed.
    density
        [sample, shot]: of a trajectory, whose gridded centre is learned from.

    Raises
    ------
    InputError
        If only a centre will do and there is none.
    """
    if density is not None:
        return Learned(*calibration_data(scan, calib_width, density), own=False)
    acs = fully_sampled_centre(scan.mask, scan.size)
    has_centre = scan.calibration is not None or min(acs) >= MIN_CENTRE
    if maps == "espirit" or (maps == "auto" and has_centre):
        return Learned(*calibration_data(scan, calib_width), own=scan.calibration is None)
    lines = min(acs[0], prepared_readout(scan)), acs[1]
    if has_centre:
        reason = "image and coils were found together from the undersampled data, as asked"
    else:
        reason = (
            f"k-space has no fully sampled centre of {MIN_CENTRE} lines ({min(lines)} are there), so image and coils "
            "were found together from the undersampled data, which is less certain"
        )
        if is_regular(scan.mask):
            reason += (
                "; lines at equal distances do not tell where in the field of view the object lies: it was taken "
                "to be in the middle"
            )
    width = min(calib_width, scan.size[1])
    return Learned(joint_calibration(scan, width, *mixing()), lines, width, False, reason)


def is_regular(mask: NDArray[np.bool_]) -> bool:
    """Whether lines are acquired at equal distances and nowhere else."""
    places = np.flatnonzero(np.atleast_2d(mask).any(axis=0))
    gaps = np.diff(places)
    if mask.ndim == 2 or len(gaps) < 2 or gaps.max() == 1:
        return False
    return bool((gaps != np.median(gaps)).mean() <= REGULAR)


def white_mixing(
    scan: Scan, covariance: NDArray[np.complex128] | None, virtual_coils: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """The combinations of white coils that hold most of what was acquired near the centre, and the way back.

    Parameters
    ----------
    scan
        The scan.
    covariance
        Of its noise, [coil, coil]; None where there is none.
    virtual_coils
        Combinations, at most.

    Returns
    -------
    forward
        [virtual coil, coil].
    back
        [coil, virtual coil].
    """
    unit = np.eye(scan.n_coils, dtype=np.complex128)
    whiten, unwhiten = (unit, unit) if covariance is None else whitening_matrix(covariance)
    size = (min(WINDOW, scan.size[0]), min(WINDOW, scan.size[1]))
    acquired = np.stack([centre(np.asarray(one), size) for one in scan.kspace]) * _window(scan.mask, size)
    compress, _ = compression_matrix(np.einsum("vc,scyx->svyx", whiten, acquired), virtual_coils)
    return compress @ whiten, unwhiten @ compress.conj().T


def joint_calibration(
    scan: Scan, width: int, forward: NDArray[np.complexfloating], back: NDArray[np.complexfloating]
) -> NDArray[np.complex64]:
    """Make up the centre of k-space: what was acquired, and elsewhere what image and coils found together give.

    Parameters
    ----------
    scan
        The scan.
    width
        Of the centre [points].
    forward, back
        The combinations of coils they are found in, [virtual coil, coil], and the way back.

    Returns
    -------
    ndarray
        [slice, coil, readout, phase_encode], readout oversampling removed, in the unit of the scan.
    """
    readout, phase_encode = prepared_readout(scan), scan.size[1]
    size, wanted = (min(WINDOW, readout), min(WINDOW, phase_encode)), (min(width, readout), min(width, phase_encode))
    mask = torch.from_numpy(np.ascontiguousarray(_window(scan.mask, size)))
    acquired = centre(np.broadcast_to(scan.mask, (readout, phase_encode)), wanted)
    made = []
    # One by one: a slice's iteration stops when it is done.
    for one in scan.kspace:
        low = centre(without_oversampling(np.where(scan.mask, one, 0), readout), size)
        virtual = np.einsum("vc,cyx->vyx", forward, low).astype(np.complex64)
        found = nlinv(torch.from_numpy(virtual)[None], mask).kspace[0].numpy()
        whole = np.einsum("cv,vyx->cyx", back, centre(found, wanted))
        made.append(np.where(acquired, centre(low, wanted), whole))
    return np.stack(made).astype(np.complex64)


def _window(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The centre of a mask of lines or points."""
    return centre(mask, size) if mask.ndim == 2 else mask[centre_slice(len(mask), size[1])]
