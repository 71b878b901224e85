"""Slices that lack lines of the others: broken off, lost on the way, or undersampled in another way."""

import h5py
import ismrmrd
import numpy as np
import pytest
from made_scans import PATTERN, make_scan

from rsd_mri.errors import InputError
from rsd_mri.files.slices import SpooledSlices
from rsd_mri.scan import read_scan
from rsd_mri.scan.incomplete import without_incomplete
from rsd_mri.scan.record_writing import write_records
from rsd_mri.scan.sampling import filled_points
from rsd_mri.scan.writing import header_of

N_LINES = 64


def whole():
    return make_scan((4, 2, 32, N_LINES))


def recorded(path, lost):
    """A measurement, slice by slice, without the records [slice, line] that were lost."""
    scan, records = whole(), []
    for slice_, line in np.ndindex(scan.n_slices, N_LINES):
        if not lost[slice_, line]:
            one = ismrmrd.Acquisition.from_array(np.ascontiguousarray(scan.kspace[slice_, :, :, line]))
            one.center_sample, one.idx.kspace_encode_step_1, one.idx.slice = 16, line, slice_
            records.append(one)
    write_records(path, header_of(scan), records)
    return scan, read_scan(path)


def stored(path, kspace, mask):
    with h5py.File(path, "w") as file:
        file["kspace"], file["mask"] = kspace, mask
    return path


def none_lost():
    return np.zeros((4, N_LINES), bool)


def test_a_measurement_broken_off_keeps_its_whole_slices(tmp_path):
    lost = none_lost()
    lost[3, 40:] = True
    scan, read = recorded(tmp_path / "a.h5", lost)
    np.testing.assert_array_equal(read.kspace[:3], scan.kspace[:3])
    assert not read.kspace[3].any()
    assert read.mask.all() and read.n_slices == 4
    assert any("slice 3 lacks up to 24 of the 64 lines" in note for note in read.notes)


def test_lines_lost_here_and_there_are_left_out_of_all_slices(tmp_path):
    lost = none_lost()
    lost[1, 10] = lost[2, 55] = True
    scan, read = recorded(tmp_path / "a.h5", lost)
    kept = ~np.isin(np.arange(N_LINES), [10, 55])
    np.testing.assert_array_equal(read.mask, kept)
    np.testing.assert_array_equal(read.kspace, scan.kspace * kept)
    assert any("lines 10, 55 are missing from some slices" in note for note in read.notes)


def test_the_centre_is_not_given_up_for_a_slice(tmp_path):
    lost = none_lost()
    lost[0, N_LINES // 2 + 3] = True
    scan, read = recorded(tmp_path / "a.h5", lost)
    assert read.mask.all()
    assert not read.kspace[0].any()
    np.testing.assert_array_equal(read.kspace[1:], scan.kspace[1:])


def test_slices_measured_in_turn_lose_the_line_at_which_they_were_broken_off(tmp_path):
    lost = none_lost()
    lost[:, 60:] = lost[2:, 59] = True
    _, read = recorded(tmp_path / "a.h5", lost)
    assert np.flatnonzero(read.mask).tolist() == list(range(59))
    assert read.kspace.any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("stored_mask", [False, True])
def test_arrays_that_lack_a_slice_s_lines_say_so(tmp_path, stored_mask):
    kspace = whole().kspace.copy()
    kspace[2, ..., 30:] = 0
    if stored_mask:
        read = read_scan(stored(tmp_path / "a.h5", kspace, np.ones(N_LINES)))
    else:
        np.save(tmp_path / "a.npy", kspace)
        read = read_scan(tmp_path / "a.npy")
    assert read.mask.all()
    assert not read.kspace[2].any()
    assert any("slice 2 lacks" in note for note in read.notes)


@pytest.mark.parametrize("stored_mask", [False, True])
def test_slices_of_zeros_are_noted(tmp_path, stored_mask):
    kspace = whole().kspace.copy()
    kspace[[0, 3]] = 0
    if stored_mask:
        read = read_scan(stored(tmp_path / "a.h5", kspace, np.ones(N_LINES)))
    else:
        np.save(tmp_path / "a.npy", kspace)
        read = read_scan(tmp_path / "a.npy")
    assert [note for note in read.notes if "slices 0, 3 hold zeros only" in note]


@pytest.mark.parametrize("kind", ["lines", "points"])
def test_a_mask_of_each_slice_is_refused_where_k_space_follows_it(tmp_path, kind):
    """What any of them keeps would be taken as measured in all, and the zeros of a slice as data."""
    rng = np.random.default_rng(5)
    if kind == "lines":
        masks = rng.random((4, N_LINES)) < 0.4
        masks[:, 26:38] = True
        kspace, mask = whole().kspace * masks[:, None, None], masks
    else:
        masks = np.stack([PATTERN, PATTERN[::-1], PATTERN[:, ::-1]])
        masks[:, 6:10, 4:8] = True
        kspace, mask = make_scan((3, 2, 16, 12)).kspace * masks[:, None], masks
    with pytest.raises(InputError, match="undersampled differently"):
        read_scan(stored(tmp_path / "a.h5", kspace, mask.astype(np.float32)))


def test_slices_on_disk_are_changed_as_those_in_memory():
    kspace = whole().kspace.copy()
    kspace[3, ..., 40:] = 0
    kspace[1, ..., 5] = 0
    disk = SpooledSlices(kspace.shape, kspace.dtype)
    for index, one in enumerate(kspace):
        disk.put(index, one)
    said = [without_incomplete(some, filled_points(some)) for some in (disk, kspace)]
    assert said[0] == said[1] and len(said[0]) == 2
    np.testing.assert_array_equal(np.asarray(disk), kspace)
