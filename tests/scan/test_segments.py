"""Segments of lines by the clocks of records."""

from pathlib import Path

import numpy as np
import pytest

from rsd_mri.scan.moments import DAY, TICK
from rsd_mri.scan.placement import Grid
from rsd_mri.scan.records import HEAD_TYPE, gather
from rsd_mri.scan.segments import segments_of

LINES, TRAINS, SLICES = 24, 4, 2


def records(pause=1000, spacing=4, start=0, swap=False, twice=False):
    """Echo trains of two slices in turn: train t has the lines t, t + 4, ..."""
    heads, ticks = [], start
    for train in range(TRAINS):
        for number in range(SLICES):
            own = (TRAINS - 1 - train) if swap and number else train
            for line in range(own, LINES, TRAINS):
                head = np.zeros((), HEAD_TYPE)
                head["idx"]["kspace_encode_step_1"], head["idx"]["slice"] = line, number
                head["acquisition_time_stamp"] = ticks % round(DAY / TICK)
                heads.append(head[()])
                ticks += spacing
            ticks += pause // SLICES
    heads += heads[:1] if twice else []
    samples = np.zeros((1, 8), np.complex64)
    return gather([(head, samples) for head in heads], None, Path("made"))


GRID = Grid((0, 1), 1, 8, LINES, LINES // 2)


def found(turned=False, **options):
    made = records(**options)
    return segments_of(made, np.arange(len(made)), GRID, turned)


@pytest.mark.parametrize("start", [0, round(DAY / TICK) - 700], ids=["", "over midnight"])
def test_trains_are_told_apart_by_their_pauses(start):
    assert np.array_equal(found(start=start), np.arange(LINES) % TRAINS)


def test_turned_axes_turn_the_segments_with_them():
    turned = found(turned=True)
    # Index 0 of an even axis has no partner.
    assert np.array_equal(turned[1:], (np.arange(LINES) % TRAINS)[1:][::-1])


@pytest.mark.parametrize("options", [{"spacing": 0, "pause": 0}, {"swap": True}, {"twice": True}])
def test_what_is_not_certain_is_not_said(options):
    assert found(**options) is None
