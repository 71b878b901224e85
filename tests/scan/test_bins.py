"""Lines of bins that only a user counter tells apart, and frames that were read in opposite directions."""

import numpy as np
import pytest
from spots import acquire, found_at, patient, scans, xml

from rsd_mri.scan.records import REVERSE

SIZE, FOV = (64, 48), (128.0, 96.0)
HEADER = xml((*SIZE, 1), (*SIZE, 1), (*FOV, 5), (*FOV, 5))
PLACES = ((9.0, -14.0), (9.0, -4.0), (9.0, 8.0))
"""Of the spot in each bin: breathing moves it along the phase encode."""


@pytest.mark.parametrize("repeated", [False, True])
def test_bins_in_a_user_counter_are_frames(repeated):
    rng = np.random.default_rng(7)
    bins = [acquire(place, SIZE, FOV, user={0: n, 5: 24}) for n, place in enumerate(PLACES)]
    records = [one for lines in bins for one in lines]
    if repeated:
        records += [lines[i] for lines in bins for i in rng.choice(SIZE[1], 20, replace=False)]
    found = scans([records[i] for i in rng.permutation(len(records))], HEADER)
    assert [scan.frame for scan in found] == [{"user_0": 0}, {"user_0": 1}, {"user_0": 2}]
    for scan, place in zip(found, PLACES, strict=True):
        np.testing.assert_allclose(found_at(scan), patient(place), atol=0.5)
    assert any("by user_0 of the records" in note for note in found[0].notes)


def test_echoes_without_a_counter_are_told_by_their_order():
    """A user counter that runs on, or is one for all, tells nothing."""
    both = [acquire(place, SIZE, FOV, user={5: 24}) for place in PLACES[:2]]
    records = [one for pair in zip(*both, strict=True) for one in pair]
    for number, one in enumerate(records):
        one.idx.user[1] = number
    assert [scan.frame for scan in scans(records, HEADER)] == [{"repeat": 0}, {"repeat": 1}]


@pytest.mark.parametrize("backward", [True, False])
def test_echoes_read_in_opposite_directions_are_said(backward):
    first, second = acquire(PLACES[0], SIZE, FOV, contrast=0), acquire(PLACES[0], SIZE, FOV, contrast=1)
    if backward:
        for one in second:
            one.data[:] = one.data[:, ::-1].copy()
            one.center_sample = SIZE[0] - 1 - SIZE[0] // 2
            one.setFlag(REVERSE)
    found = scans([*first, *second], HEADER)
    assert len(found) == 2
    np.testing.assert_allclose(found_at(found[1]), patient(PLACES[0]), atol=0.5)
    assert any("read backwards (contrast 1)" in note for note in found[0].notes) == backward
