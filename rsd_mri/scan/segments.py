"""Lines (or points) that were measured together: echo trains, shots of several lines.

By the clocks of the records; where these tell nothing, by the counter of segments, which some sequences count by shots
and others by the echoes of each.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.findings import Finding, merged
from rsd_mri.scan.moments import DAY, TICK
from rsd_mri.scan.placement import Grid
from rsd_mri.scan.records import Records
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.sign import turn

CLOCK = "acquisition_time_stamp"
PAUSE = 5.0
"""A pause this many times as long as the usual one from line to line parts two segments."""
FEWEST_LINES = 2
"""Lines of a segment, on average."""
FEWEST_COUNTED = 3
"""The same where they are told apart by a counter: pairs may be the two directions of an EPI."""


def reference_of(segments: NDArray[np.int16]) -> int:
    """Segment of the measured line (or point) nearest to the centre: where it lay there is where it is said to lie."""
    places = np.argwhere(segments >= 0)
    centre = np.asarray(segments.shape) // 2
    return int(segments[tuple(places[np.argmin(np.square(places - centre).sum(axis=1))])])


def segments_of(records: Records, chosen: NDArray[np.intp], grid: Grid, turned: bool) -> NDArray[np.int16] | None:
    """Segment of each line of a stack of slices, -1 where none was measured.

    None where neither clock nor counter tells of any, lines were measured twice, or slices differ.

    Parameters
    ----------
    records
        Of the measurement.
    chosen
        Indices of the records of one frame.
    grid
        Into which they are put.
    turned
        Whether all encoded axes are reversed.

    Returns
    -------
    ndarray or None
        [phase_encode]; of a 3-D acquisition [phase_encode, partition].
    """
    head = records.head[chosen]
    counters = head["idx"]
    shape = (grid.phase,) if grid.n_partitions is None else (grid.phase, grid.n_partitions)
    at = [grid.phase // 2 + counters["kspace_encode_step_1"].astype(int) - grid.line_centre]
    if grid.n_partitions is not None:
        step = counters["kspace_encode_step_2"].astype(int)
        at.append(grid.n_partitions // 2 + step - grid.partition_centre)
    if not len(head) or any(one.min() < 0 or one.max() >= n for one, n in zip(at, shape, strict=True)):
        return None
    places = np.ravel_multi_index(tuple(at), shape)
    found: NDArray[np.int16] | None = None
    # Of a volume the counter tells slabs apart, and this grid is of one.
    stacks = counters["slice"] if grid.n_partitions is None else np.zeros(len(head), np.int64)
    for number in np.unique(stacks):
        of_slice = stacks == number
        own = _of_one_slice(places[of_slice], head[of_slice], int(np.prod(shape)))
        if own is None or (found is not None and (own != found).any()):
            return None
        found = own
    if found is None:
        return None
    found = found.reshape(shape)
    if turned:
        turn(found, tuple(range(found.ndim)))
    return found


def _of_one_slice(places: NDArray[np.intp], head: NDArray[Any], size: int) -> NDArray[np.int16] | None:
    if len(np.unique(places)) < len(places) or len(places) < 2 * FEWEST_LINES:
        return None
    parted = _by_clock(head)
    if parted is None:
        parted = _by_counter(head)
    if parted is None:
        return None
    order, begins = parted
    found: NDArray[np.int16] = np.full(size, -1, np.int16)
    found[places[order]] = np.cumsum(begins)
    return found


def _by_clock(head: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.bool_]] | None:
    """Records in the order of time, and which of them begin a segment (the first does not count)."""
    if CLOCK not in (head.dtype.names or ()):
        return None
    ticks = head[CLOCK].astype(np.int64)
    # It may be midnight.
    since = (ticks - ticks[0]) % round(DAY / TICK)
    order = np.argsort(since, kind="stable")
    steps = np.diff(since[order])
    begins = np.r_[False, steps > PAUSE * max(float(np.median(steps)), 1.0)]
    count = int(begins.sum()) + 1
    return None if count < 2 or len(head) / count < FEWEST_LINES else (order, begins)


def _by_counter(head: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.bool_]] | None:
    """The same by the counter of segments, in the order in which the records were measured.

    Of shots it stays the same from line to line until the next one begins; of the echoes of a shot it goes up from line
    to line and begins anew.
    """
    names = head["idx"].dtype.names or ()
    if "segment" not in names:
        return None
    order = np.argsort(head["scan_counter"], kind="stable") if "scan_counter" in (head.dtype.names or ()) else None
    order = np.arange(len(head)) if order is None else order
    counter = head["idx"]["segment"][order].astype(int)
    steps = np.diff(counter)
    of_shots = (steps != 0).sum() + 1 == len(np.unique(counter))
    if of_shots:
        begins = np.r_[False, steps != 0]
    elif (steps != 0).all() and (steps[steps > 0] == 1).all() and (counter[1:][steps < 0] == counter[0]).all():
        begins = np.r_[False, steps < 0]
    else:
        return None
    count = int(begins.sum()) + 1
    return None if count < 2 or len(head) / count < FEWEST_COUNTED else (order, begins)


def with_segments(scan: Scan, segments: NDArray[Any], evidence: str) -> Scan:
    """The scan with the segment of each of its lines or points, where they fit it; else with a note.

    Parameters
    ----------
    scan
        Of a Cartesian grid.
    segments
        [phase_encode], or [readout, phase_encode].
    evidence
        What they are known by.
    """
    fits = segments.shape in (scan.size[1:], scan.size) and segments.dtype.kind in "iu"
    if not fits or segments.min() < -1 or segments.max() >= segments.size:
        note = f"segments {list(segments.shape)} {segments.dtype} do not fit the lines of kspace and were not read"
        return replace(scan, notes=(*scan.notes, note))
    own = np.where(scan.mask, segments, -1).astype(np.int16)
    count = len(np.unique(own[own >= 0]))
    finding = Finding("segments", f"{count} of {'lines' if own.ndim == 1 else 'points'}", evidence, count)
    return replace(scan, segments=own, findings=merged(scan.findings, [finding]))
