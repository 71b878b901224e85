"""When each frame was measured, by the clocks that its records carry."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.frames import Frame
from rsd_mri.scan.header import Header
from rsd_mri.scan.records import Records

TICK = 2.5
"""One count of the clocks of Siemens scanners [ms]. ISMRMRD leaves it open: of other vendors nothing is said."""
DAY = 86_400_000.0
"""The clock starts anew at midnight [ms]."""
IN_TIME = ("phase", "repetition", "set", "average", "repeat")
"""Counters that tell of time; contrasts have echo times."""


def with_moments(records: Records, header: Header, frames: Sequence[Frame]) -> list[Header]:
    """The header of each frame, whose facts say when it was measured, where the records tell.

    Parameters
    ----------
    records
        Of the measurement.
    header
        Of the image's encoding.
    frames
        Of one stack.
    """
    names = frames[0].label
    known = records.format == "twix" or "siemens" in (header.facts.vendor or "").lower()
    if len(frames) < 2 or not known or not any(name in IN_TIME for name in names):
        return [header] * len(frames)
    if "phase" in names:
        moments = _middles(records, "physiology_time_stamp", frames)
        if moments is not None:
            return [_said(header, moment, True) for moment in moments]
    moments = _middles(records, "acquisition_time_stamp", frames)
    if moments is None:
        return [header] * len(frames)
    return [_said(header, moment, False) for moment in moments - moments[0]]


def _middles(records: Records, clock: str, frames: Sequence[Frame]) -> NDArray[np.float64] | None:
    """The middle of each frame's lines by a clock [ms]; None where it stands still.

    The clock of the day is unrolled from the first line on: it may be midnight. Of the three clocks of physiology the
    first that runs is taken.
    """
    if clock not in (records.head.dtype.names or ()):
        return None
    for times in TICK * np.asarray(records.head[clock], np.float64).reshape(len(records), -1).T:
        if clock == "acquisition_time_stamp":
            times = (times - times[frames[0].chosen[0]] + DAY / 2) % DAY  # noqa: PLW2901
        middles = np.array([float(np.median(times[frame.chosen])) for frame in frames])
        if len(np.unique(middles)) > 1:
            return middles
    return None


def _said(header: Header, moment: float, triggered: bool) -> Header:
    return replace(header, facts=replace(header.facts, moment=round(float(moment), 3), triggered=triggered))
