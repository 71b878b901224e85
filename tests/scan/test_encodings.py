"""Encodings that the header describes alike and that hold the same lines are contrasts."""

import re

import numpy as np
import pytest
from spots import acquire, found_at, patient, scans, xml

SIZE, FOV = (64, 48), (128.0, 96.0)
PLACES = ((9.0, -14.0), (-12.0, 20.0))
HEADER = {"encoded": (*SIZE, 1), "recon": (*SIZE, 1), "encoded_fov": (*FOV, 5), "recon_fov": (*FOV, 5)}


def measured(second, which=None):
    """Scans of a spot in two encodings, the second described by `second`."""
    more = re.search("<encoding>.*</encoding>", xml(**{**HEADER, **second}))[0]
    lines = acquire(PLACES[0], SIZE, FOV) + acquire(PLACES[1], SIZE, FOV, which=which)
    for one in lines[SIZE[1] :]:
        one.encoding_space_ref = 1
    return scans(lines, xml(**HEADER, more=more))


def test_echoes_in_encodings_of_their_own_are_frames():
    found = measured({})
    assert [scan.frame for scan in found] == [{"contrast": 0}, {"contrast": 1}]
    for scan, place in zip(found, PLACES, strict=True):
        np.testing.assert_allclose(found_at(scan), patient(place), atol=0.5)
        assert scan.calibration is None and any("each is a contrast" in note for note in scan.notes)


@pytest.mark.parametrize("second, which", [({}, range(12, 36)), ({"encoded_fov": (256.0, 96.0, 5)}, None)])
def test_a_few_lines_or_another_field_of_view_are_a_calibration(second, which):
    (scan,) = measured(second, which)
    np.testing.assert_allclose(found_at(scan), patient(PLACES[0]), atol=0.5)
    assert scan.calibration is not None and scan.frame == {}
