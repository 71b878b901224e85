"""fastMRI's layout: round trip, and opened by fastMRI's own reader."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from made_scans import LINES, PATTERN, make_scan

from rsd_mri.errors import InputError
from rsd_mri.scan import Geometry, find_scans, read_scan, write_fastmri
from rsd_mri.scan.arrays import write_cfl


def same(a, b):
    np.testing.assert_array_equal(a.kspace, b.kspace)
    np.testing.assert_array_equal(a.mask, b.mask)
    assert a.mask_source == b.mask_source
    assert (a.image_size, a.acquired_at) == (b.image_size, b.acquired_at)
    assert a.geometry.voxel_size == pytest.approx(b.geometry.voxel_size)
    assert a.geometry.positions == b.geometry.positions
    assert a.geometry.read_direction == b.geometry.read_direction


@pytest.mark.parametrize("mask", [None, LINES, PATTERN], ids=["full", "lines", "pattern"])
def test_round_trip(tmp_path, mask):
    geometry = Geometry(
        voxel_size=(1.5, 1.0, 4.0),
        slice_gap=0.5,
        read_direction=(0.0, 1.0, 0.0),
        positions=((0.0, 0.0, 0.0), (0.0, 0.0, 4.5)),
    )
    noise = np.full((3, 50), 1 + 2j, np.complex64)
    scan = make_scan(mask=mask, geometry=geometry, image_size=(8, 10), noise=noise, attributes={"acquisition": "T1"})
    back = read_scan(write_fastmri(tmp_path / "a.h5", scan))
    same(scan, back)
    assert back.notes == ()
    assert back.geometry.slice_gap == 0.5
    assert back.attributes == {"acquisition": "T1", "patient_id": "a"}
    np.testing.assert_array_equal(back.noise, noise)
    again = read_scan(write_fastmri(tmp_path / "b.h5", back))
    same(scan, again)
    assert again.header == back.header


def test_zero_padding_is_not_undersampling(tmp_path):
    kspace = make_scan().kspace.copy()
    kspace[..., :2] = kspace[..., 11:] = 0
    mask = np.zeros(12, bool)
    mask[2:11] = True
    scan = make_scan(acquired_at=(2, 11))
    scan = replace(scan, kspace=kspace, mask=mask)
    back = read_scan(write_fastmri(tmp_path / "a.h5", scan))
    same(scan, back)
    assert back.realised_acceleration == 1


def test_fastmri_reads_what_we_write(tmp_path):
    from fastmri.data.mri_data import SliceDataset

    folder = tmp_path / "scans"
    target = np.abs(np.random.default_rng(0).standard_normal((2, 8, 10))).astype(np.float32)
    scan = make_scan(mask=LINES, acquired_at=(1, 10), image_size=(8, 10))
    write_fastmri(folder / "a.h5", scan, reconstruction_rss=target)
    slices = SliceDataset(folder, "multicoil")
    assert len(slices) == 2
    kspace, mask, image, attributes, name, index = slices[1]
    np.testing.assert_array_equal(kspace, scan.kspace[1])
    np.testing.assert_array_equal(mask, LINES)
    np.testing.assert_array_equal(image, target[1])
    assert (attributes["padding_left"], attributes["padding_right"]) == (1, 10)
    assert attributes["recon_size"][:2] == (8, 10)
    assert attributes["encoding_size"][:2] == (16, 12)
    assert attributes["max"] == pytest.approx(target.max())
    assert (name, index) == ("a.h5", 1)


def test_header_follows_the_schema(tmp_path):
    ismrmrd = pytest.importorskip("ismrmrd.xsd")
    scan = make_scan(geometry=Geometry(voxel_size=(1.0, 2.0, 3.0)), acquired_at=(1, 11))
    write_fastmri(tmp_path / "a.h5", scan)
    with h5py.File(tmp_path / "a.h5") as file:
        header = ismrmrd.CreateFromDocument(file["ismrmrd_header"][()])
    space = header.encoding[0].encodedSpace
    assert (space.matrixSize.x, space.matrixSize.y) == (16, 12)
    assert (space.fieldOfView_mm.y, space.fieldOfView_mm.z) == (24.0, 3.0)
    assert header.encoding[0].encodingLimits.kspace_encoding_step_1.center == 5


def test_mask_found_from_zeros(tmp_path):
    for mask in (LINES, PATTERN):
        path = write_fastmri(tmp_path / "a.h5", make_scan(mask=mask))
        with h5py.File(path, "r+") as file:
            del file["mask"]
        back = read_scan(path)
        assert back.mask_source == "zeros"
        np.testing.assert_array_equal(back.mask, mask)


def test_mask_of_a_full_file_is_applied(tmp_path):
    path = write_fastmri(tmp_path / "a.h5", make_scan())
    with h5py.File(path, "r+") as file:
        file["mask"] = LINES.astype(np.float32)
    back = read_scan(path)
    assert back.mask_source == "file"
    assert not back.kspace[..., ~LINES].any()
    assert back.kspace[..., LINES].all()
    assert any("mask was applied" in note for note in back.notes)


def test_single_coil_is_one_coil(tmp_path):
    path = write_fastmri(tmp_path / "a.h5", make_scan((2, 1, 16, 12)))
    with h5py.File(path, "r+") as file:
        kspace = file["kspace"][:, 0]
        del file["kspace"]
        file["kspace"] = kspace
    back = read_scan(path)
    assert back.kspace.shape == (2, 1, 16, 12)
    assert any("one coil" in note for note in back.notes)


def test_knee_keeps_its_oversampling(tmp_path):
    back = read_scan(write_fastmri(tmp_path / "a.h5", make_scan((1, 2, 640, 12), image_size=(320, 12))))
    assert back.size == (640, 12)
    assert back.image_size == (320, 12)


def test_find_scans(tmp_path):
    write_fastmri(tmp_path / "b" / "x.h5", make_scan())
    write_fastmri(tmp_path / "no_suffix", make_scan())
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    (tmp_path / "notes.txt").write_text("hello")
    assert [p.name for p in find_scans(tmp_path)] == ["x.h5", "broken.h5", "no_suffix"]
    assert find_scans(tmp_path / "no_suffix") == [tmp_path / "no_suffix"]
    write_cfl(tmp_path / "c.cfl", make_scan().kspace)
    for name in ("c", "c.hdr", "c.cfl"):
        assert find_scans(tmp_path / name) == [tmp_path / "c.cfl"]
    with pytest.raises(InputError, match="holds no scan"):
        (tmp_path / "empty").mkdir()
        find_scans(tmp_path / "empty")
