"""What disks, shares and limits refuse is said in a sentence, and nothing that is whole is called damaged for it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_prep import prepare_folder
from data_prep.images import read_images
from data_prep.prepared import PreparedDataset
from rsd_mri.errors import InputError
from rsd_mri.files import require_target, written_whole
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.files.trouble import refused
from rsd_mri.protocol import PrepSettings, Protocol
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.deliver import Task, reconstruct_files
from rsd_mri.reconstruction.many import Scale, reconstruct_many
from rsd_mri.results.delivery import Delivery
from rsd_mri.scan import read_scan
from rsd_mri.scan.reading import find_scans
from rsd_mri.simulation import simulate_folder


@pytest.fixture
def scans(tmp_path):
    return simulate_folder(tmp_path / "scans", 2, 1, 32, 4, acceleration=2.0)


def failing(number, text=None):
    def fail(*_, **__):
        raise OSError(number, text or os.strerror(number))

    return fail


def test_a_folder_in_place_of_a_file_is_named_before_and_after(tmp_path):
    path = tmp_path / "a.h5"
    path.mkdir()
    with pytest.raises(InputError, match="a.h5: is a folder, and a file of this name is to be written"):
        require_target(path)
    with pytest.raises(InputError, match="a.h5: is a folder"), written_whole(path):
        pass
    assert list(tmp_path.iterdir()) == [path]


def test_a_share_that_neither_waits_for_the_disk_nor_keeps_permissions_is_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    monkeypatch.setattr(Path, "chmod", failing(errno.EPERM))
    with written_whole(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "whole")]


@pytest.mark.parametrize(
    ("where", "name", "number"),
    [(os, "fsync", errno.EIO), (Path, "replace", errno.EACCES), (os, "fsync", errno.ENOSPC)],
)
def test_what_fails_at_the_end_is_a_sentence_and_the_old_file_stays(tmp_path, monkeypatch, where, name, number):
    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(where, name, failing(number))
    with pytest.raises(InputError, match="a.txt: (cannot be written|the disk is full)"), written_whole(path) as partial:
        partial.write_text("new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EMFILE, "no more files can be opened .*ulimit -n"),
        (errno.EIO, "^x: cannot be used .Input/output error"),
        (errno.EACCES, "^x: cannot be used .Permission denied"), (errno.EDQUOT, "^x: the disk is full, or a quota"),
        (errno.EROFS, "^x: cannot be written .*--out"),
    ],
)  # fmt: skip
def test_what_the_system_refuses_has_its_sentence(number, said):
    sentence = refused(OSError(number, os.strerror(number), "x"))
    assert sentence is not None
    with pytest.raises(InputError, match=said):
        raise InputError(sentence)


def test_what_the_system_does_not_name_is_left_to_a_traceback():
    assert refused(OSError("a library's own words")) is None


class WithoutLocks(h5py.File):
    """As the library finds a share whose server has no locks."""

    number = errno.ENOLCK

    def __init__(self, name, mode="r", **options):
        if options.get("locking") is not False:
            raise OSError(self.number, f"unable to lock file, errno = {self.number}, error message = '...'")
        super().__init__(name, mode, **options)


def test_scans_on_a_share_without_locks_are_read(scans, monkeypatch):
    monkeypatch.setattr(h5py, "File", WithoutLocks)
    assert read_scan(scans[0]).n_slices == 1
    monkeypatch.setattr(WithoutLocks, "number", errno.EAGAIN)
    with pytest.raises(InputError, match="another program has this file open for writing"):
        read_scan(scans[0])
    with pytest.raises(OSError, match="unable to lock file"):
        read_hdf5(scans[0])


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_a_whole_file_that_cannot_be_opened_is_not_called_damaged(scans, tmp_path, monkeypatch, number):
    prepare_folder(scans[0], tmp_path / "p", Protocol(prep=PrepSettings(virtual_coils=2)))
    np.save(tmp_path / "a.npy", np.ones((2, 8, 8), np.complex64))
    ready = PreparedDataset(tmp_path / "p")
    monkeypatch.setattr(h5py, "File", failing(number))
    monkeypatch.setattr(np, "load", failing(number))
    reads = (lambda: read_scan(scans[0]), lambda: read_scan(tmp_path / "a.npy"), lambda: ready[0])
    for read in reads:
        with pytest.raises(InputError) as error:
            read()
        assert os.strerror(number) in str(error.value)
        assert not any(word in str(error.value) for word in ("damaged", "again", "remove"))


def test_one_scan_that_may_not_be_read_stops_no_other(scans, tmp_path, monkeypatch):
    opened = Path.open

    def open_others(path, *arguments, **options):
        if path == scans[0]:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_others)
    assert find_scans(scans[0].parent) == scans
    done = reconstruct_files(scans, Task(tmp_path, CLASSICAL["zero-filled"], Delivery(tmp_path / "out")))
    assert [Path(file).name for one in done.written for file in one.files] == [f"{scans[1].stem}_recon.h5"]
    assert done.failures == [f"{scans[0]}: cannot be used (Permission denied)"]
    prepared = prepare_folder(scans[0].parent, tmp_path / "p", Protocol(prep=PrepSettings(virtual_coils=2)))
    assert [one.status for one in prepared.entries] == ["failed", "done"]
    assert prepared.failures()[0].endswith(f"{scans[0]}: cannot be used (Permission denied)")


def test_a_folder_below_that_cannot_be_read_is_said_and_stops_no_scan(scans, tmp_path, monkeypatch):
    shut = scans[0].parent / "shut"
    looked_into = os.scandir

    def look(path="."):
        if os.fspath(path) == str(shut):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return looked_into(path)

    shut.mkdir()
    monkeypatch.setattr(os, "scandir", look)
    assert find_scans(scans[0].parent) == [*scans, shut]
    like = Task(tmp_path, CLASSICAL["zero-filled"], Delivery(tmp_path / "out"))
    done = reconstruct_many([scans[0].parent], like, Scale())
    assert len(done.written) == len(scans)
    assert done.failures == [f"{shut}: the folder cannot be read (Permission denied)"]
    prepared = prepare_folder(scans[0].parent, tmp_path / "p", Protocol(prep=PrepSettings(virtual_coils=2)))
    assert [one.status for one in prepared.entries] == ["done", "done", "failed"]
    assert prepared.failures()[0].endswith(f"{shut}: the folder cannot be read (Permission denied)")
    for read in (PreparedDataset, lambda folder: read_images(folder, 8)):
        with pytest.raises(InputError, match="the folder cannot be read"):
            read(scans[0].parent)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="folders in use can be removed")
def test_a_current_folder_that_was_removed_is_said(tmp_path):
    ask = (
        "import os, sys; sys.argv = ['rsd-mri', 'inspect', 'a.h5']\n"
        f"os.chdir({str(tmp_path)!r}); os.rmdir(os.getcwd())\n"
        "from rsd_mri.commands.app import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "was removed" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux has them")
def test_doctor_says_in_a_sentence_that_libraries_find_no_room():
    import resource

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))

    done = subprocess.run(
        [sys.executable, "-m", "rsd_mri", "doctor"], capture_output=True, text=True, check=False, preexec_fn=limited
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "ulimit -v" in done.stderr
