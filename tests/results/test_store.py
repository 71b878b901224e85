"""Images into an archive, as dcmtk and pynetdicom receive them."""

import shutil
import socket
import subprocess
import time

import numpy as np
import pytest
from mrd_files import write_mrd
from pydicom import dcmread
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.errors import InputError
from rsd_mri.results.store import Archive
from rsd_mri.scan.reading import read_scan


@pytest.fixture(scope="module")
def scan_file(undersampled_scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "head.h5"
    write_mrd(path, undersampled_scan[0])
    return path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture
def storescp(tmp_path):
    """dcmtk's receiver."""
    if shutil.which("storescp") is None:
        pytest.skip("dcmtk is not installed")
    folder, port = tmp_path / "archive", free_port()
    folder.mkdir()
    process = subprocess.Popen(["storescp", "-od", folder, "-aet", "ARCHIVE", str(port)], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield folder, port
    process.terminate()
    process.wait()


def recon(*arguments):
    return CliRunner().invoke(app, ["recon", *map(str, arguments), "--method", "zero-filled"])


def test_images_arrive_in_the_archive_as_they_are_written(scan_file, storescp, tmp_path):
    folder, port = storescp
    done = recon(
        scan_file, "--out", tmp_path / "out", "--format", "dicom", "--store", f"127.0.0.1:{port},ARCHIVE",
        "--patient-id", "P-1",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    written = {dcmread(path).SOPInstanceUID: dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")}
    arrived = {one.SOPInstanceUID: one for one in map(dcmread, folder.iterdir())}
    assert len(arrived) == 4 and set(arrived) == set(written)  # magnitude and phase of two slices
    for uid, one in arrived.items():
        np.testing.assert_array_equal(one.pixel_array, written[uid].pixel_array)
        assert (one.PatientID, one.ContentQualification) == ("P-1", "RESEARCH")


def test_files_that_were_not_asked_for_are_not_kept(scan_file, storescp, tmp_path):
    folder, port = storescp
    done = recon(scan_file, "--out", tmp_path / "out", "--store", f"127.0.0.1:{port},ARCHIVE")
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["head_recon.h5"]
    assert len(list(folder.iterdir())) == 2 * read_scan(scan_file).n_slices


def test_an_archive_that_does_not_answer_is_told_before_the_work(scan_file, tmp_path):
    done = recon(scan_file, "--out", tmp_path / "out", "--store", f"127.0.0.1:{free_port()},ARCHIVE")
    assert done.exit_code == 2 and "does not answer" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("status", [0xA700, 0xC000])
def test_an_archive_that_takes_nothing_is_told(scan_file, tmp_path, status):
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import MRImageStorage, SecondaryCaptureImageStorage

    full = AE(ae_title="FULL")
    for context in (MRImageStorage, SecondaryCaptureImageStorage):
        full.add_supported_context(context)
    server = full.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: status)])
    try:
        port = server.socket.getsockname()[1]
        done = recon(scan_file, "--out", tmp_path / "out", "--store", f"127.0.0.1:{port},FULL")
    finally:
        server.shutdown()
    assert done.exit_code == 2 and f"status {status:04X}" in done.stderr and "0 of 4" in done.stderr


@pytest.mark.parametrize("text", ["localhost", "localhost:104", ":104,AET", "localhost:0,AET", "h:104,", "h:x,A",
                                  "h:104,ATITLETHATISTOOLONG"])  # fmt: skip
def test_what_names_no_archive_is_refused(text):
    with pytest.raises(InputError, match="--store"):
        Archive.of(text)


def test_addresses_are_understood():
    assert Archive.of("[::1]:4242,ORTHANC") == Archive("::1", 4242, "ORTHANC")
    assert str(Archive.of("pacs.lab:104,PACS 1")) == "pacs.lab:104,PACS 1"
