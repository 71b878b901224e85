"""Calibration lines that are no part of the image."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.findings import Finding
from rsd_mri.scan.placement import Filled, Grid, place, turn_filled
from rsd_mri.scan.records import CALIBRATION_AND_IMAGING, COUNTERS, Records
from rsd_mri.scan.roles import Roles
from rsd_mri.scan.sampling import contiguous_centre


def calibration_of(
    records: Records, roles: Roles, grid: Grid, image: NDArray[np.intp], turned: bool
) -> tuple[NDArray[np.complex64] | None, Finding | None, tuple[str, ...]]:
    """K-space of the calibration lines of one stack, cut to the contiguous block around the centre.

    Parameters
    ----------
    records, roles
        Of the measurement.
    grid
        Of the image.
    image
        Indices of the image's records in the same frame.
    turned
        Whether k-space carries the other sign of the Fourier transform.

    Returns
    -------
    calibration
        [slice, coil, readout, phase_encode] with the centre at n // 2; None where there is none.
    finding, notes
        What was found.
    """
    chosen = roles.of("calibration")
    if len(chosen) == 0:
        return None, None, ()
    notes: list[str] = []
    if grid.n_partitions is not None:
        return None, None, ("the separate calibration lines of a 3-D acquisition were left out",)
    chosen = _first_of_counters(records, chosen, notes)
    # What is calibration and image at once lies between the lines for calibration only.
    both = image[records.flagged(CALIBRATION_AND_IMAGING)[image]]
    filled = place(records, np.sort(np.concatenate([chosen, both])), grid)
    notes += filled.notes
    if turned:
        filled, _ = turn_filled(filled, None, volume=False)
    found = _block(filled, notes)
    if found is None:
        return None, None, tuple(notes)
    finding = Finding(
        "calibration", f"{found.shape[-2]} x {found.shape[-1]}, lines of their own", "records flagged as calibration",
        {"readout": found.shape[-2], "phase_encode": found.shape[-1]},
    )  # fmt: skip
    return found, finding, tuple(notes)


def _first_of_counters(records: Records, chosen: NDArray[np.intp], notes: list[str]) -> NDArray[np.intp]:
    for name in COUNTERS:
        values = records.head["idx"][name][chosen]
        if len(several := np.unique(values)) > 1:
            chosen = chosen[values == several[0]]
            notes.append(f"the first of {len(several)} of the counter {name} of the calibration lines was kept")
    return chosen


def _block(filled: Filled, notes: list[str]) -> NDArray[np.complex64] | None:
    """Cut calibration lines to the contiguous block around the centre, so that the centre is at n // 2."""
    have = (filled.count > 0).all(axis=0)
    width, middle = contiguous_centre(have), have.size // 2
    if width < 4:
        notes.append("the calibration lines do not cover the centre of every slice and were left out")
        return None
    return np.ascontiguousarray(filled.kspace[..., middle - width // 2 : middle - width // 2 + width])
