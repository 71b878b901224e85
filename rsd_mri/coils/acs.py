"""The calibration region: finding the fully sampled centre, and cutting it out of k-space."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.coils.gridded import gridded_centre
from rsd_mri.errors import InputError
from rsd_mri.operators.fourier import fft1c, ifft1c
from rsd_mri.scan.extent import reaches_beyond
from rsd_mri.scan.middle import centre_of_last, centre_slice
from rsd_mri.scan.sampling import MIN_CENTRE, fully_sampled_centre
from rsd_mri.scan.scan import Scan


def centre(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Cut the centre out of the last two axes."""
    found: NDArray[Any] = array[centre_of_last(array.shape, size)]
    return found


def in_window(array: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the middle out of the last two axes, or lay it into zeros where it is smaller."""
    for axis, n in zip((-2, -1), size, strict=True):
        have = array.shape[axis]
        if have > n:
            array = array.narrow(axis, centre_slice(have, n).start, n)
        elif have < n:
            shape = list(array.shape)
            shape[axis] = n
            array = array.new_zeros(shape).index_copy_(
                axis, torch.arange(n, device=array.device)[centre_slice(n, have)], array
            )
    return array


def to_readout_image(kspace: NDArray[np.complexfloating]) -> NDArray[np.complex64]:
    """Transform [..., readout, phase_encode] along the readout only."""
    return ifft1c(torch.from_numpy(np.ascontiguousarray(kspace)), dim=-2).numpy()


def without_oversampling(kspace: NDArray[np.complex64], n_readout: int) -> NDArray[np.complex64]:
    """Crop the field of view along the readout to its middle `n_readout` pixels.

    Lines must be whole: [..., readout, phase_encode] with every readout fully sampled. The values of the
    image's pixels do not change.
    """
    if n_readout >= kspace.shape[-2]:
        return kspace
    image = to_readout_image(kspace)[..., centre_slice(kspace.shape[-2], n_readout), :]
    return fft1c(torch.from_numpy(np.ascontiguousarray(image)), dim=-2).numpy()


def prepared_readout(scan: Scan) -> int:
    """Readout size after removal of oversampling: k-space's own where a line is not whole."""
    if scan.trajectory is not None:
        return scan.matrix[0]
    if scan.mask.ndim != 1 or scan.image_size is None:
        return scan.size[0]
    return min(scan.size[0], scan.image_size[0])


def cut_off(scan: Scan, calib_width: int, acs: tuple[int, int]) -> bool:
    """Whether the object reaches beyond the crop along the readout.

    Cut off within the object, its image has an edge that no smooth map explains: the maps near the ends of the crop
    would be wrong.

    Parameters
    ----------
    scan, calib_width, acs
        As for `whole_readout`.
    """
    n_readout, whole = prepared_readout(scan), scan.size[0]
    if scan.calibration is not None or scan.trajectory is not None or n_readout >= whole:
        return False
    columns = centre_slice(scan.size[1], min(calib_width, acs[1]))
    return reaches_beyond(scan.kspace[scan.middle][None, ..., columns], 0, n_readout / whole)


def whole_readout(scan: Scan, calib_width: int, acs: tuple[int, int]) -> NDArray[np.complex64]:
    """The calibration region with its readout oversampling.

    Parameters
    ----------
    scan, calib_width
        As for `calibration_data`.
    acs
        As `calibration_data` gave it.

    Returns
    -------
    ndarray
        [slice, coil, readout, phase_encode], of the same extent in k-space.
    """
    n_readout, whole = prepared_readout(scan), scan.size[0]
    columns = centre_slice(scan.size[1], min(calib_width, acs[1]))
    rows = centre_slice(whole, min(round(min(calib_width, acs[0]) * whole / n_readout), whole))
    # Copies: a view would keep its whole slice.
    return np.stack([one[:, rows, columns].copy() for one in scan.kspace])


def calibration_data(
    scan: Scan, calib_width: int, density: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.complex64], tuple[int, int], int]:
    """Cut out the data ESPIRiT learns from, readout oversampling removed.

    A separate calibration scan is used where there is one, the scan's own fully sampled centre otherwise.

    Parameters
    ----------
    scan
        The scan.
    calib_width
        Widest region wanted [points].
    density
        [sample, shot]: of a trajectory, whose centre is then gridded.

    Returns
    -------
    calibration
        [slice, coil, readout, phase_encode], at most `calib_width` wide along both.
    acs
        (readout, phase_encode): the fully sampled centre it was cut from.
    width
        Width of the region along the phase encoding.

    Raises
    ------
    InputError
        If the centre has fewer than `MIN_CENTRE` lines.
    """
    n_readout = prepared_readout(scan)
    if scan.calibration is None and density is not None:
        kspace, acs = gridded_centre(scan, calib_width, density)
    elif scan.calibration is None:
        kspace, acs = scan.kspace, fully_sampled_centre(scan.mask, scan.size)
    else:
        kspace, acs = scan.calibration, (scan.calibration.shape[-2], scan.calibration.shape[-1])
        # The field of view shrinks by the same factor as the scan's.
        n_readout = round(kspace.shape[-2] * n_readout / (scan.size[0] if scan.trajectory is None else scan.matrix[0]))
    acs = (min(acs[0], n_readout), acs[1])
    width = min(calib_width, acs[1])
    if min(acs[0], width) < MIN_CENTRE:
        where = "calibration" if scan.calibration is not None else "mask" if density is None else "trajectory"
        raise InputError(
            f"{scan.source}: {where}: coil maps need at least {MIN_CENTRE} fully sampled lines around the "
            f"centre of k-space (and prep.calib_width at least {MIN_CENTRE}), but {min(acs[0], width)} are "
            "there; acquire more centre lines, or give a separate calibration scan"
        )
    columns = centre_slice(kspace.shape[-1], width)

    def cut(one: NDArray[np.complex64]) -> NDArray[np.complex64]:
        lines = without_oversampling(one[..., columns], n_readout)
        return lines[..., centre_slice(lines.shape[-2], min(calib_width, acs[0])), :]

    # One by one: the lines of all slices at once would take as much as a tenth of the scan.
    return np.stack([cut(one).copy() for one in kspace]), acs, width
