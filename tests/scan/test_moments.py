"""When frames were measured is read off the clocks of their records."""

import numpy as np
import pytest
from spots import acquire, scans, xml

SIZES = ((32, 24, 1), (32, 24, 1), (64, 48, 4), (64, 48, 4))
STEP = 60.0
"""[ms]."""


def movie(counter, clock, vendor="SIEMENS", begin=0, line=2.5, frames=4):
    """Records of frames, each line `line` ms after the one before it."""
    acqs = []
    for frame in range(frames):
        some = acquire((6.0, 8.0), (32, 24), (64, 48), **{counter: frame})
        for number, one in enumerate(some):
            clock(one, int(begin + (frame * STEP + number * line) / 2.5))
        acqs += some
    return scans(acqs, xml(*SIZES, vendor=vendor))


def by_day(one, count):
    one.acquisition_time_stamp = count % (86_400_000 * 2 // 5)


def by_trigger(one, count):
    one.acquisition_time_stamp = 1000
    one.physiology_time_stamp[0] = count


@pytest.mark.parametrize("begin", [4711, 86_400_000 * 2 // 5 - 70])
def test_repetitions_count_from_the_first_also_over_midnight(begin):
    found = movie("repetition", by_day, begin=begin)
    moments = [scan.facts.moment for scan in found]
    np.testing.assert_allclose(np.diff(moments), STEP, atol=1e-6)
    assert moments[0] == 0 and not any(scan.facts.triggered for scan in found)


def test_phases_count_from_the_trigger():
    found = movie("phase", by_trigger, begin=10)
    middle = 10 * 2.5 + 23 / 2 * 2.5
    assert [scan.facts.moment for scan in found] == pytest.approx([middle + n * STEP for n in range(4)])
    assert all(scan.facts.triggered for scan in found)


def test_phases_without_a_trigger_follow_the_clock_of_the_day():
    found = movie("phase", by_day, begin=99)
    assert [scan.facts.moment for scan in found] == pytest.approx([n * STEP for n in range(4)])
    assert not found[0].facts.triggered


@pytest.mark.parametrize(
    ("counter", "vendor", "clock"),
    [("repetition", "Other", by_day), ("contrast", "SIEMENS", by_day), ("repetition", "SIEMENS", lambda *_: None)],
)
def test_nothing_is_said_where_the_unit_or_the_time_is_not_known(counter, vendor, clock):
    assert all(scan.facts.moment is None for scan in movie(counter, clock, vendor))
