"""Lines that were measured together, by the clocks of the records: echo trains, shots of several lines."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.moments import DAY, TICK
from rsd_mri.scan.placement import Grid
from rsd_mri.scan.records import Records
from rsd_mri.scan.sign import turn

CLOCK = "acquisition_time_stamp"
PAUSE = 5.0
"""A pause this many times as long as the usual one from line to line parts two segments."""
FEWEST_LINES = 2
"""Lines of a segment, on average."""


def reference_of(segments: NDArray[np.int16]) -> int:
    """Segment of the measured line nearest to the centre: how the object lay there is where it is said to lie."""
    lines = np.flatnonzero(segments >= 0)
    return int(segments[lines[np.argmin(np.abs(lines - len(segments) // 2))]])


def segments_of(records: Records, chosen: NDArray[np.intp], grid: Grid, turned: bool) -> NDArray[np.int16] | None:
    """Segment of each line of a stack of slices, [phase_encode], -1 where none was measured.

    None where the clock tells of no pauses, or lines were measured twice, or slices differ.

    Parameters
    ----------
    records
        Of the measurement.
    chosen
        Indices of the records of one frame.
    grid
        Into which they are put; of slices, not of a volume.
    turned
        Whether all encoded axes are reversed.
    """
    if grid.n_partitions is not None or CLOCK not in (records.head.dtype.names or ()):
        return None
    head = records.head[chosen]
    lines = grid.phase // 2 + head["idx"]["kspace_encode_step_1"].astype(int) - grid.line_centre
    if len(lines) == 0 or lines.min() < 0 or lines.max() >= grid.phase:
        return None
    ticks = head[CLOCK].astype(np.int64)
    found: NDArray[np.int16] | None = None
    for counter in np.unique(head["idx"]["slice"]):
        of_slice = head["idx"]["slice"] == counter
        own = _of_one_slice(lines[of_slice], ticks[of_slice], grid.phase)
        if own is None or (found is not None and (own != found).any()):
            return None
        found = own
    if found is not None and turned:
        row = found[None]
        turn(row, (1,))
        found = row[0]
    return found


def _of_one_slice(lines: NDArray[np.intp], ticks: NDArray[np.int64], phase: int) -> NDArray[np.int16] | None:
    if len(np.unique(lines)) < len(lines) or len(lines) < 2 * FEWEST_LINES:
        return None
    # It may be midnight.
    since = (ticks - ticks[0]) % round(DAY / TICK)
    order = np.argsort(since, kind="stable")
    steps = np.diff(since[order])
    pauses = steps > PAUSE * max(float(np.median(steps)), 1.0)
    count = int(pauses.sum()) + 1
    if count < 2 or len(lines) / count < FEWEST_LINES:
        return None
    found: NDArray[np.int16] = np.full(phase, -1, np.int16)
    found[lines[order]] = np.r_[0, np.cumsum(pauses)]
    return found
