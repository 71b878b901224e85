"""A scan that stays in its file is the same as one that is read whole, and few slices of it are in memory at once."""

import weakref

import h5py
import numpy as np
import pytest

from rsd_mri.errors import InputError
from rsd_mri.files.slices import Slices, SpooledSlices, StoredSlices
from rsd_mri.protocol import DataSettings
from rsd_mri.reconstruction import gathered
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.files import write_reconstruction
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.scan import fastmri
from rsd_mri.scan.reading import read_scans
from rsd_mri.scan.writing import write_fastmri
from rsd_mri.simulation import simulate_scan

SLICES = 12


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    scan, _ = simulate_scan(DataSettings(slices=SLICES, coils=4, noise=0.01), 0, "streamed", size=(64, 48))
    return write_fastmri(tmp_path_factory.mktemp("scan") / "scan.h5", undersampled(scan, 2.0, 0))


@pytest.fixture
def streamed(monkeypatch, path):
    monkeypatch.setattr(fastmri, "LARGE", 0)
    monkeypatch.setattr(gathered, "SPOOLED_BYTES", 0)
    (scan,) = read_scans(path, streamed=True)
    assert isinstance(scan.kspace, StoredSlices)
    return scan


def test_it_is_the_same_scan(path, streamed):
    (whole,) = read_scans(path)
    assert isinstance(whole.kspace, np.ndarray)
    assert np.array_equal(streamed.kspace, whole.kspace)
    assert np.array_equal(streamed.mask, whole.mask)
    assert (streamed.notes, streamed.findings, streamed.key) == (whole.notes, whole.findings, whole.key)


def test_it_gives_the_same_reconstruction(path, streamed, tmp_path):
    (whole,) = read_scans(path)
    ours, theirs = (reconstruct_scan(scan, method_of("zero-filled")) for scan in (streamed, whole))
    assert isinstance(ours.csm, SpooledSlices)
    written = read_reconstruction(write_reconstruction(tmp_path / "recon.h5", ours))
    for name in ("magnitude", "image", "csm"):
        assert np.array_equal(getattr(written, name), getattr(theirs, name)), name


def test_few_slices_are_held_at_once(streamed, monkeypatch):
    alive, most = set(), 0
    read = StoredSlices.read

    def counted(self, index):
        nonlocal most
        one = read(self, index)
        alive.add(id(one))
        weakref.finalize(one, alive.discard, id(one))
        most = max(most, len(alive))
        return one

    monkeypatch.setattr(StoredSlices, "read", counted)
    reconstruct_scan(streamed, method_of("zero-filled"))
    assert 1 <= most <= 3


@pytest.mark.parametrize("change", ["foreign samples", "moved centre", "points outside the mask"])
def test_what_reading_changes_is_changed_in_every_slice(path, tmp_path, monkeypatch, change):
    damaged = tmp_path / "damaged.h5"
    with h5py.File(path) as source, h5py.File(damaged, "w") as file:
        for name in source:
            source.copy(name, file)
        file.attrs.update(source.attrs)
        kspace = source["kspace"][()]
        if change == "foreign samples":
            kspace[:, :, :2] = 100 * np.abs(kspace).max()
        elif change == "moved centre":
            kspace = np.roll(kspace, 9, axis=2)
        else:
            kspace[..., :2] = 1e-3
            file["mask"][:2] = False
        file["kspace"][...] = kspace
    monkeypatch.setattr(fastmri, "LARGE", 0)
    (streamed,), (whole,) = read_scans(damaged, streamed=True), read_scans(damaged)
    assert streamed.notes == whole.notes
    assert not np.array_equal(whole.kspace, kspace)
    assert np.array_equal(streamed.kspace, whole.kspace)


def test_a_file_that_changes_meanwhile_is_refused(path, tmp_path, monkeypatch):
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(fastmri, "LARGE", 0)
    (scan,) = read_scans(copy, streamed=True)
    with h5py.File(copy, "r+") as file:
        del file["kspace"]
    with pytest.raises(InputError, match="copy.h5: slice 0 of kspace cannot be read"):
        scan.kspace[0]


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        slice(1, 3),
        (slice(None), 1),
        (Ellipsis, slice(2, 5)),
        (Ellipsis, np.eye(5, 6, dtype=bool)),
        (np.array([2, 0]), Ellipsis, 3),
        (1, 2, 3),
        (Ellipsis, slice(None), 1, slice(None), 2),
        slice(0, 0),
    ],
)
def test_slices_are_indexed_as_an_array(key):
    array = np.arange(4 * 3 * 5 * 6, dtype=np.float32).reshape(4, 3, 5, 6)
    slices = SpooledSlices(array.shape, array.dtype)
    for index, one in enumerate(array):
        slices.put(index, one)
    assert isinstance(slices, Slices)
    assert np.array_equal(slices[key], array[key])
    assert np.array_equal(slices * 2, array * 2)
    assert (slices.ndim, slices.size, slices.nbytes) == (array.ndim, array.size, array.nbytes)
