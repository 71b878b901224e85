"""Damaged, hostile and mistaken files: one sentence or a noted repair, never a traceback, never a crash."""

import pickle
import resource
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_scans import LINES, make_scan

from rsd_mri.errors import InputError
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings
from rsd_mri.scan import Scan, find_scans, probe, read_scan, write_fastmri
from rsd_mri.scan.arrays import write_cfl
from rsd_mri.scan.assembly import LEAST
from rsd_mri.scan.hdf5 import opened
from rsd_mri.simulation import simulate_scan


def refused(path, *words, **options):
    with pytest.raises(InputError) as caught:
        read_scan(path, **options)
    text = str(caught.value)
    assert str(path.with_suffix("")) in text
    assert "\n" not in text
    for word in words:
        assert word in text
    return text


@pytest.fixture
def path(tmp_path):
    return write_fastmri(tmp_path / "a.h5", make_scan(mask=LINES))


def changed(path, **datasets):
    """Replace (or with None remove) data sets."""
    with h5py.File(path, "r+") as file:
        for name, value in datasets.items():
            if name in file:
                del file[name]
            if value is not None:
                file[name] = value
    return path


# What is not a scan


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", ["empty"]),
        (b"hello", ["no known format", "fastMRI HDF5"]),
        (b"\x00" * 128 + b"DICM" + b"\x00" * 100, ["DICOM", "raw data"]),
        (b"\x03\x00\x10\x00\x00\x00<?xml?><ismrmrdHeader>", ["MRD stream", "ismrmrd_stream_to_hdf5"]),
        (b"yardl" + b"\x01" * 50, ["MRD version 2", "mrd_to_ismrmrd"]),
        (b"MATLAB 5.0 MAT-file", ["MATLAB", ".npy"]),
        (b"PK\x03\x04", ["unpack"]),
        (b"PK\x03\x04" + b"\x00" * 26 + b"scan/data.pkl", ["PyTorch", ".npy"]),
        (b"\x1f\x8b", ["unpacked"]),
        (b"\x89HDF\r\n\x1a\n", ["HDF5", "copy or download"]),
        (b"\x93NUMPY", [".npy"]),
    ],
)
def test_foreign_files_say_what_to_do(tmp_path, start, words):
    (tmp_path / "x.h5").write_bytes(start)
    refused(tmp_path / "x.h5", *words)


def test_bruker_s_images_and_folders_are_called_that(tmp_path):
    (tmp_path / "2dseq").write_bytes(b"\1\2" * 99)
    refused(tmp_path / "2dseq", "images of Bruker", "rawdata.job0")
    (tmp_path / "acqp").write_text("##TITLE=Parameter List")
    refused(tmp_path, "ParaVision", "bruker_to_ismrmrd")


def test_folder_and_missing_file(tmp_path):
    refused(tmp_path, "folder")
    refused(tmp_path / "none.h5", "no such file")


def test_folder_of_dicom_images(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "IM0").write_bytes(b"\x00" * 128 + b"DICM" + b"\x00" * 100)
    refused(tmp_path, "DICOM images", "raw data")
    with pytest.raises(InputError, match="DICOM images"):
        find_scans(tmp_path)


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    refused(tmp_path / "a.npy", ".npy")
    (tmp_path / "b.npy").write_bytes(pickle.dumps([1]))
    refused(tmp_path / "b.npy", "no known format")


def test_hdf5_with_other_content(tmp_path):
    for name, word in (("reconstruction", "images"), ("other", "neither")):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file[name] = np.ones((2, 2))
        refused(tmp_path / "a.h5", word)


# Other files are not followed


def test_links_are_refused(path, tmp_path):
    write_fastmri(tmp_path / "other.h5", make_scan())
    for link in (h5py.ExternalLink("other.h5", "kspace"), h5py.SoftLink("/mask")):
        with h5py.File(path, "r+") as file:
            del file["kspace"]
            file["kspace"] = link
        refused(path, "kspace", "link", "not followed")


def test_data_in_other_files_are_refused(path, tmp_path):
    write_fastmri(tmp_path / "other.h5", make_scan())
    layout = h5py.VirtualLayout((2, 3, 16, 12), "c8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "kspace", (2, 3, 16, 12))
    (tmp_path / "raw.bin").write_bytes(b"secret!!" * 1152)
    with h5py.File(path, "r+") as file:
        del file["kspace"]
        file.create_virtual_dataset("kspace", layout)
    refused(path, "kspace", "another file")
    with h5py.File(path, "r+") as file:
        del file["kspace"]
        file.create_dataset("kspace", (2, 3, 16, 12), "c8", external=str(tmp_path / "raw.bin"))
    refused(path, "kspace", "another file")


def test_xml_entities_are_refused(path):
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><ismrmrdHeader>&c;</ismrmrdHeader>'
    refused(changed(path, ismrmrd_header=bomb), "ismrmrd_header", "entities")


# Sizes


def test_absurd_sizes_are_refused_before_reading(path, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with h5py.File(path, "r+") as file:
        del file["kspace"]
        file.create_dataset("kspace", (10**5, 64, 10**4, 10**4), "c8", chunks=(1, 1, 1000, 1000))
        file["kspace"][0, 0, :1, :1] = 1
    refused(path, "kspace", "GiB")
    with (tmp_path / "a.npy").open("wb") as file:
        header = {"descr": "<c8", "fortran_order": False, "shape": (10**5, 64, 10**4, 10**4)}
        np.lib.format.write_array_header_1_0(file, header)
    refused(tmp_path / "a.npy", "a.npy")
    write_cfl(tmp_path / "b.cfl", make_scan().kspace)
    (tmp_path / "b.hdr").write_text("# Dimensions\n100000 100000 1 64\n")
    refused(tmp_path / "b.cfl", "GiB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_budget(path):
    read_scan(path, budget=2 * 3 * 16 * 12 * 8)
    refused(path, "kspace", budget=2 * 3 * 16 * 12 * 8 - 1)


@pytest.mark.parametrize("shape", [(0, 3, 16, 12), (2, 0, 16, 12), (2, 3, 16, 0)])
def test_empty_arrays(path, shape):
    refused(changed(path, kspace=np.zeros(shape, np.complex64)), "kspace", "expected")


# Wrong types and shapes


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (np.ones((2, 3, 16, 12), np.float32), "complex"),
        (np.ones((2, 3, 16, 12, 3), np.float32), "complex"),
        (np.ones((16, 12), np.complex64), "[slice, coil, readout, phase_encode]"),
        (np.ones((1, 1, 2, 3, 16, 12), np.complex64), "[slice, coil, readout, phase_encode]"),
        (np.ones((1, 300, 16, 12), np.complex64), "300 coils"),
        (np.ones((1, 16, 12, 2), np.complex64), "fewer than 4"),
        ("text", "complex"),
        (np.complex64(1), "[slice, coil, readout, phase_encode]"),
    ],
)
def test_kspace_of_a_wrong_kind(path, value, word):
    refused(changed(path, kspace=value), "kspace", word)


def test_kspace_that_is_a_group(path):
    with h5py.File(path, "r+") as file:
        del file["kspace"]
        file.create_group("kspace")
    refused(path, "kspace", "group")


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        (np.ones(11), "[12] or [16, 12]"),
        (np.ones((12, 15)), "[12] or [16, 12]"),
        (np.arange(12), "0 and 1"),
        (np.full(12, np.nan), "0 and 1"),
        (np.zeros(12), "no point"),
        ("text", "0 and 1"),
        (1.0, "[12] or [16, 12]"),
    ],
)
def test_masks_that_do_not_fit(path, mask, word):
    refused(changed(path, mask=mask), "mask", word)


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("not xml", "not XML"),
        (np.ones(3), "not text"),
        ("<a><encoding><encodedSpace><matrixSize><x>ten</x><y>1</y><z>1</z></matrixSize></encodedSpace></encoding></a>",
         "expected a number"),
        ("<a><encoding><reconSpace><matrixSize><x>-5</x><y>1</y><z>1</z></matrixSize></reconSpace></encoding></a>",
         "positive"),
    ],
)  # fmt: skip
def test_headers_that_are_none(path, header, word):
    refused(changed(path, ismrmrd_header=header), "ismrmrd_header", word)


def test_a_header_that_says_nothing(path):
    scan = read_scan(changed(path, ismrmrd_header="<ismrmrdHeader/>"))
    assert scan.image_size is None


# Values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, complex(0, np.nan)])
def test_values_no_scanner_gives(path, value):
    kspace = make_scan().kspace.copy()
    kspace[1, 2, 3, 4] = value
    refused(changed(path, kspace=kspace, mask=None), "kspace", "slice 1", "not finite")


def test_zeros_only(path):
    refused(changed(path, kspace=np.zeros((2, 3, 16, 12), np.complex64)), "zeros only")


@pytest.mark.parametrize("times", [1e-22, 1e-27, 1e-42, 1e-60])
def test_values_too_small_for_single_precision_say_by_what_to_multiply(tmp_path, times):
    kspace = make_scan((1, 3, 16, 12)).kspace.astype(complex)
    np.save(tmp_path / "a.npy", kspace * times)
    text = refused(tmp_path / "a.npy", "largest value of kspace", "too small for single precision")
    factor = float(text.rpartition(" by ")[2])
    np.save(tmp_path / "a.npy", (kspace * times) * factor)
    read = read_scan(tmp_path / "a.npy").kspace
    np.testing.assert_allclose(read / (times * factor), kspace, rtol=1e-5)


def test_the_smallest_values_give_the_image_of_any_other_unit(tmp_path):
    """Squares of noise below them would vanish: the maps then came out wrong, without a word."""
    scan = simulate_scan(DataSettings(slices=1, matrix=48, coils=4, noise=0.01), 1, 0)[0]
    images = []
    for times in (1.0, 1.1 * LEAST / float(np.abs(scan.kspace.view(np.float32)).max())):
        np.save(tmp_path / "a.npy", scan.kspace * np.float32(times))
        prepared = PreparedScan.of(read_scan(tmp_path / "a.npy"))[0]
        images.append(prepared.image / np.abs(prepared.image).max())
    assert np.linalg.norm(images[1] - images[0]) < 1e-3 * np.linalg.norm(images[0])


def test_double_precision_is_noted(path):
    scan = read_scan(changed(path, kspace=make_scan(mask=LINES).kspace.astype(np.complex128)))
    assert scan.kspace.dtype == np.complex64
    assert any("complex128" in note for note in scan.notes)


def test_zero_lines_inside_the_mask_are_noted(path):
    kspace = make_scan(mask=LINES).kspace.copy()
    kspace[..., 4] = 0
    scan = read_scan(changed(path, kspace=kspace))
    assert scan.mask.sum() == LINES.sum() - 1
    assert any("not acquired" in note for note in scan.notes)


def test_slices_with_different_masks_are_refused(tmp_path):
    kspace = make_scan().kspace.copy()
    kspace[0, ..., ::2] = 0
    np.save(tmp_path / "a.npy", kspace)
    refused(tmp_path / "a.npy", "slice 0", "undersampled differently")


def test_uncentred_kspace_is_centred(tmp_path):
    kspace = make_scan((1, 2, 32, 32)).kspace
    np.save(tmp_path / "a.npy", np.fft.ifftshift(kspace, axes=(-2, -1)))
    scan = read_scan(tmp_path / "a.npy")
    assert any("index 0" in note for note in scan.notes)
    assert np.array_equal(scan.kspace, kspace)


def test_stray_zeros_are_measured(tmp_path):
    kspace = make_scan((1, 2, 16, 12), mask=LINES).kspace.copy()
    kspace[:, :, 3, 5] = 0
    np.save(tmp_path / "a.npy", kspace)
    scan = read_scan(tmp_path / "a.npy")
    np.testing.assert_array_equal(scan.mask, LINES)
    assert any("stray" in note for note in scan.notes)


def test_header_wider_than_what_is_filled(path):
    scan = make_scan(acquired_at=(3, 9))  # but all lines are filled
    scan = read_scan(write_fastmri(path, replace(scan, acquired_at=(3, 9))))
    assert scan.acquired_at is None
    assert any("filled at 0..11" in note for note in scan.notes)


# Damage


@pytest.fixture
def library_that(monkeypatch):
    """Lets the process that looks at a file first do something else than walk through it."""

    def does(what):
        command = f"import os, time\nfrom rsd_mri.scan import probe\nprobe._visit = lambda *_: {what}\nprobe.serve()"
        probe._close()
        monkeypatch.setattr(probe, "_COMMAND", command)
        monkeypatch.setattr(probe, "PATIENCE", 1.0)

    yield does
    probe._close()


@pytest.mark.parametrize("what", ["os.abort()", "os.kill(os.getpid(), 11)", "any(iter(int, 1))"])
def test_files_that_crash_or_hang_the_library(path, library_that, what):
    library_that(what)
    refused(path, "damaged")


def test_a_file_that_waits_is_not_called_damaged(path, library_that):
    """On a busy machine it may take many times its processor time."""
    library_that("time.sleep(2.5)")
    assert read_scan(path).n_slices == 2


def test_a_file_is_not_called_damaged_where_others_kill_who_looks_at_it(path, tmp_path, library_that):
    once = tmp_path / "once"
    library_that(f"os.path.exists({str(once)!r}) or (open({str(once)!r}, 'w').close(), os.kill(os.getpid(), 9))")
    assert read_scan(path).n_slices == 2
    assert once.exists()
    probe._close()
    probe._looked_at.clear()
    library_that("os.kill(os.getpid(), 9)")
    refused(path, "was killed, found no memory, or waited too long")


def test_a_file_is_read_after_who_looks_was_killed_between_two(path, tmp_path):
    other = tmp_path / "b.h5"
    other.write_bytes(path.read_bytes())
    assert read_scan(path).n_slices == 2
    probe._helpers[0].process.kill()
    probe._helpers[0].process.wait()
    assert read_scan(other).n_slices == 2


def test_other_files_are_read_after_a_crash(path, tmp_path, library_that, monkeypatch):
    library_that("os.abort()")
    other = tmp_path / "b.h5"
    other.write_bytes(path.read_bytes())
    refused(other, "damaged")
    monkeypatch.undo()
    assert read_scan(path).n_slices == 2


def test_checksums_find_a_flipped_bit(path):
    with h5py.File(path) as file:
        where = file["kspace"].id.get_chunk_info(1).byte_offset
    raw = bytearray(path.read_bytes())
    raw[where + 500] ^= 1
    path.write_bytes(raw)
    refused(path, "damaged")


def test_every_truncation(path):
    raw = path.read_bytes()
    for length in range(1, len(raw), len(raw) // 40):
        path.write_bytes(raw[:length])
        refused(path)


def small_files(folder):
    from test_formats import acquisition, write_mrd

    from rsd_mri.scan.header import format_header

    scan = make_scan((1, 2, 8, 6), mask=np.array([1, 0, 1, 1, 1, 1], bool))
    lines = [acquisition(i, scan.kspace[0, :, :, i]) for i in np.flatnonzero(scan.mask)]
    np.save(folder / "a.npy", scan.kspace)
    write_cfl(folder / "c.cfl", scan.kspace)
    return [
        write_fastmri(folder / "a.h5", scan),
        write_mrd(folder / "a.mrd", lines, format_header((8, 6), (8, 6), 1, 2)),
        folder / "a.npy",
        folder / "c.hdr",
    ]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    return [(path, path.read_bytes()) for path in small_files(folder)]


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
@example(2, [(0.02, 0)])
@example(2, [(0.14, ord(">"))])
def test_flipped_bytes(originals, monkeypatch, which, flips):
    monkeypatch.setattr(probe, "PATIENCE", 2.0)
    path, good = originals[which]
    raw = bytearray(good)
    for where, value in flips:
        raw[min(int(where * len(raw)), len(raw) - 1)] = value
    path.write_bytes(raw)
    try:
        scan = read_scan(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(scan, Scan)
        assert np.isfinite(scan.kspace).all()
        assert scan.mask.any()


@pytest.mark.parametrize(("code", "words"), [(32099, "a filter (number 32099"), (32017, "sz (number 32017")])
def test_a_compression_that_is_not_installed_is_named(tmp_path, code, words):
    if h5py.h5z.filter_avail(code):
        pytest.skip("this compression is installed")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((1, 3, 16, 12))
        properties.set_filter(code, h5py.h5z.FLAG_OPTIONAL, ())
        space, kind = h5py.h5s.create_simple((2, 3, 16, 12)), h5py.h5t.py_create(np.dtype("c8"))
        data = h5py.h5d.create(file.id, b"kspace", kind, space, properties)
        data.write_direct_chunk((0, 0, 0, 0), b"packed")
    assert "damaged" not in refused(path, words, "hdf5plugin")


def test_only_what_the_library_finds_is_called_a_damaged_file(tmp_path, path):
    broken = tmp_path / "b.h5"
    broken.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match="copy or download it again"), opened(broken) as file:
        file["kspace"][()]
    with pytest.raises(InputError, match="not understood here \\(ValueError: shapes differ"), opened(path):
        raise ValueError("shapes differ")
