"""Segments of lines by the clocks of records."""

from pathlib import Path

import numpy as np
import pytest

from rsd_mri.scan.moments import DAY, TICK
from rsd_mri.scan.placement import Grid
from rsd_mri.scan.records import HEAD_TYPE, gather
from rsd_mri.scan.segments import segments_of

LINES, TRAINS, SLICES = 24, 4, 2


def records(pause=1000, spacing=4, start=0, swap=False, twice=False, counted=None):
    """Echo trains of two slices in turn: train t has the lines t, t + 4, ..."""
    heads, ticks = [], start
    for train in range(TRAINS):
        for number in range(SLICES):
            own = (TRAINS - 1 - train) if swap and number else train
            for echo, line in enumerate(range(own, LINES, TRAINS)):
                head = np.zeros((), HEAD_TYPE)
                head["idx"]["kspace_encode_step_1"], head["idx"]["slice"] = line, number
                head["idx"]["segment"] = {None: 0, "shots": train, "echoes": echo, "lines": echo % 2}[counted]
                head["scan_counter"] = len(heads)
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


@pytest.mark.parametrize("counted", ["shots", "echoes"])
def test_where_the_clock_stands_still_a_counter_tells(counted):
    """Of shots, or of the echoes of each: both are in use."""
    assert np.array_equal(found(spacing=0, pause=0, counted=counted), np.arange(LINES) % TRAINS)


def test_pairs_of_lines_are_no_shots():
    """The counter of an EPI tells its two directions."""
    assert found(spacing=0, pause=0, counted="lines") is None


def test_points_of_two_phase_encodes_have_segments_too():
    partitions, heads = 6, []
    for train in range(3):
        for place in range(train, LINES * partitions, 3):
            head = np.zeros((), HEAD_TYPE)
            head["idx"]["kspace_encode_step_1"], head["idx"]["kspace_encode_step_2"] = divmod(place, partitions)
            head["acquisition_time_stamp"] = 1000 * train + len(heads)
            heads.append(head[()])
    made = gather([(head, np.zeros((1, 8), np.complex64)) for head in heads], None, Path("made"))
    grid = Grid((0,), 1, 8, LINES, LINES // 2, n_partitions=partitions, partition_centre=partitions // 2)
    wanted = (np.arange(LINES * partitions) % 3).reshape(LINES, partitions)
    assert np.array_equal(segments_of(made, np.arange(len(made)), grid, False), wanted)
    turned = segments_of(made, np.arange(len(made)), grid, True)
    assert np.array_equal(turned[1:, 1:], wanted[1:, 1:][::-1, ::-1])


def test_turned_axes_turn_the_segments_with_them():
    turned = found(turned=True)
    # Index 0 of an even axis has no partner.
    assert np.array_equal(turned[1:], (np.arange(LINES) % TRAINS)[1:][::-1])


@pytest.mark.parametrize("options", [{"spacing": 0, "pause": 0}, {"swap": True}, {"twice": True}])
def test_what_is_not_certain_is_not_said(options):
    assert found(**options) is None
