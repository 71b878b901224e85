"""What `inspect` says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scans import LINES, PATTERN, make_scan

from rsd_mri.scan import Geometry, inspect, write_fastmri
from rsd_mri.scan.sampling import fully_sampled_centre

BRAIN = Path(__file__).parents[3] / "shared" / "data" / "brain8ch" / "kspace.npy"


def test_lines(tmp_path):
    noise = np.stack([np.full(10, s, np.complex64) for s in (1, 2, 3)])
    scan = make_scan(mask=LINES, image_size=(8, 12), noise=noise, geometry=Geometry(voxel_size=(1.0, 2.0, 3.0)))
    seen = inspect(write_fastmri(tmp_path / "a.h5", scan))
    values = json.loads(json.dumps(seen.as_dict()))
    assert values["format"] == "fastmri"
    assert values["shape"] == {"slices": 2, "coils": 3, "readout": 16, "phase_encode": 12}
    assert values["image_size"] == [8, 12]
    assert values["mask"]["kind"] == "lines"
    assert values["mask"]["source"] == "file"
    assert values["mask"]["realised_acceleration"] == 2
    assert values["mask"]["calibration_lines"] == [16, 4]
    assert values["noise_scan"] == {"samples": 10, "sigma_min": 1.0, "sigma_max": 3.0}
    assert values["geometry"]["voxel_size"] == [1.0, 2.0, 3.0]
    assert ["only 4 fully" in text for text in values["conflicts"]] == [True]
    text = "\n".join(seen.lines())
    assert "lines, 6 of 12, from the file" in text
    assert "2.00 (realised)" in text


def test_pattern_and_full(tmp_path):
    assert inspect(write_fastmri(tmp_path / "a.h5", make_scan(mask=PATTERN))).mask_kind == "2-D pattern"
    full = inspect(write_fastmri(tmp_path / "b.h5", make_scan()))
    assert full.mask_kind == "full"
    assert full.conflicts == ()
    assert full.centre == (16, 12)


def test_conflicts_are_said(tmp_path):
    scan = make_scan()
    wrong = write_fastmri(tmp_path / "a.h5", replace(scan, header=None))
    import h5py

    with h5py.File(wrong, "r+") as file:
        text = file["ismrmrd_header"][()].decode().replace("<y>12</y>", "<y>20</y>").replace(">3<", ">4<")
        del file["ismrmrd_header"]
        file["ismrmrd_header"] = text
    said = " | ".join(inspect(wrong).conflicts)
    assert "matrix of (16, 20)" in said
    assert "4 coils" in said
    assert "image of 20 along phase encode" in said


@given(st.integers(1, 20), st.data())
def test_centre_of_lines_is_the_widest(n, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    widths = [w for w in range(1, n + 1) if mask[n // 2 - w // 2 : n // 2 - w // 2 + w].all()]
    # Windows grow by one point at a time, so the widths that fit have no gap.
    expected = max(widths) if 1 in widths else 0
    assert fully_sampled_centre(mask, (5, n)) == ((5, expected) if expected else (0, 0))


@pytest.mark.skipif(not BRAIN.is_file(), reason="the real scan is not here")
def test_real_scan():
    seen = inspect(BRAIN)
    assert seen.shape == (1, 8, 230, 180)
    assert seen.mask_kind == "2-D pattern"
    assert seen.mask_source == "zeros"
    assert 6 < seen.realised_acceleration < 10
    assert min(seen.centre) >= 16
