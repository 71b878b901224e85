"""Bad scans through `rsd-mri prep` and `rsd-mri inspect`: one sentence, the right exit code, nothing left over."""

import h5py
import numpy as np
import pytest
from mrd_files import write_mrd
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.protocol import DataSettings
from rsd_mri.scan import write_fastmri
from rsd_mri.simulation import simulate_scan

SIZE = (2, 4, 48, 48)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    scan, _ = simulate_scan(DataSettings(slices=2, matrix=48, coils=4), 0, 0)
    path = write_fastmri(tmp_path_factory.mktemp("good") / "good.h5", scan)
    write_mrd(path.with_suffix(".mrd"), scan)
    return path


def truncated(path, good):
    path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])


def bit_flipped(path, good):
    data = bytearray(good.read_bytes())
    with h5py.File(good) as file:
        data[file["kspace"].id.get_chunk_info(0).byte_offset + 1001] ^= 4
    path.write_bytes(data)


def with_kspace(kspace):
    def make(path, good):
        path.write_bytes(good.read_bytes())
        with h5py.File(path, "r+") as file:
            if callable(kspace):
                kspace(file)
            else:
                file["kspace"][:] = kspace

    return make


def external_link(file):
    del file["kspace"]
    file["kspace"] = h5py.ExternalLink("/etc/passwd", "kspace")


def absurd_size(file):
    del file["kspace"]
    chunks = (1, 1, 48, 48)
    data = file.create_dataset("kspace", (10**6, 4, 10**5, 10**5), "c8", chunks=chunks)
    data[0, 0, :48, :48] = 1


def absurd_single_number(file):
    file["kspace"][0, 0, 0, 0] = np.inf


def nan(file):
    file["kspace"][1, 2, 3, 4] = np.nan


def mask_of_wrong_length(file):
    file["mask"] = np.ones(47, bool)


def images_instead(file):
    file["reconstruction_rss"] = np.ones((2, 48, 48), np.float32)
    del file["kspace"]


def bad_header(file):
    del file["ismrmrd_header"]
    file["ismrmrd_header"] = "<ismrmrdHeader><encoding>"


def dicom(path, good):
    path.write_bytes(bytes(128) + b"DICM" + bytes(200))


def mrd_stream(path, good):
    path.write_bytes(b"\x03\x00\x10\x00\x00\x00<?xml version='1.0'?><ismrmrdHeader>" + bytes(100))


def text(path, good):
    path.write_text("k-space of a volunteer, 3 T\n")


def mrd_truncated(path, good):
    path.write_bytes(good.with_suffix(".mrd").read_bytes()[:-5000])


def mrd_with_nan(path, good):
    path.write_bytes(good.with_suffix(".mrd").read_bytes())
    with h5py.File(path, "r+") as file:
        record = file["dataset/data"][7]
        record["data"] = np.full_like(record["data"], np.nan)
        file["dataset/data"][7] = record


BAD = {
    "truncated": (truncated, "copy or download it again"),
    "bit-flipped": (bit_flipped, "damaged"),
    "external link": (with_kspace(external_link), "links are not followed"),
    "absurd size": (with_kspace(absurd_size), "can be read here"),
    "infinite": (with_kspace(absurd_single_number), "not finite"),
    "nan": (with_kspace(nan), "not finite"),
    "zeros": (with_kspace(0), "zeros only"),
    "mask of wrong length": (with_kspace(mask_of_wrong_length), "mask has shape [47]"),
    "images": (with_kspace(images_instead), "no kspace"),
    "header": (with_kspace(bad_header), "not XML"),
    "dicom": (dicom, "DICOM"),
    "mrd stream": (mrd_stream, "ismrmrd_stream_to_hdf5"),
    "text": (text, "no known format"),
    "truncated mrd": (mrd_truncated, "copy or download it again"),
    "mrd with nan": (mrd_with_nan, "not finite"),
}


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def one_sentence(result, path, words):
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert path.name in lines[0]
    assert words in lines[0]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_scan(tmp_path, good, kind):
    make, words = BAD[kind]
    bad = tmp_path / "raw" / "bad.h5"
    bad.parent.mkdir()
    make(bad, good)
    result = run("inspect", bad)
    assert result.exit_code == 2
    one_sentence(result, bad, words)
    assert result.stdout == ""
    for source in (bad, bad.parent):
        out = tmp_path / f"out-{source.name}"
        result = run("prep", source, "--out", out)
        assert result.exit_code == 2
        one_sentence(result, bad, words)
        assert not out.exists() or {p.name for p in out.iterdir()} <= {"manifest.json", "split.json"}
    assert [p.name for p in bad.parent.iterdir()] == ["bad.h5"]


def test_bad_scans_among_good_ones(tmp_path, good):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "good.h5").write_bytes(good.read_bytes())
    chosen = ("truncated", "nan", "mask of wrong length", "dicom")
    for kind in chosen:
        BAD[kind][0](raw / f"{kind}.h5", good)
    (raw / "notes.txt").write_text("no scan, and named so: passed over")
    result = run("prep", raw)
    assert result.exit_code == 1
    assert sorted(line.split(":")[1].split("/")[-1] for line in result.stderr.strip().splitlines()) == sorted(
        f"{kind}.h5" for kind in chosen
    )
    written = {p.name for p in (tmp_path / "raw-prepared").iterdir()}
    assert written == {"good.h5", "good.png", "manifest.json", "split.json"}
    assert "1 scans prepared (1 now), 4 failed" in result.stdout


def test_header_against_array_is_said_and_the_array_wins(tmp_path, good):
    path = tmp_path / "a.h5"
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        text = file["ismrmrd_header"][()].decode()
        del file["ismrmrd_header"]
        file["ismrmrd_header"] = text.replace("<receiverChannels>4", "<receiverChannels>20")
    result = run("inspect", path)
    assert result.exit_code == 0
    assert "the header says 20 coils, k-space has 4" in result.stdout


@pytest.mark.parametrize("what", ["empty", "absent", "only text"])
def test_a_folder_without_scans(tmp_path, what):
    source = tmp_path / "raw"
    if what != "absent":
        source.mkdir()
    if what == "only text":
        (source / "notes.txt").write_text("no scan")
    result = run("prep", source)
    assert result.exit_code == 2
    one_sentence(result, source, "no such" if what == "absent" else "holds no scan")
    assert not (tmp_path / "raw-prepared").exists()
    result = run("inspect", source)
    assert result.exit_code == 2
    one_sentence(result, source, "no such" if what == "absent" else "folder")
