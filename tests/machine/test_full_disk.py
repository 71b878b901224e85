"""A disk that is full, from every command that writes: one sentence, no leftover, no crash, the old file kept."""

import errno
import resource
import subprocess
import sys
from functools import partial
from tempfile import gettempdir

import h5py
import ismrmrd
import numpy as np
import pytest

from rsd_mri.errors import InputError
from rsd_mri.files import appended, written_whole
from rsd_mri.files.hdf5 import hdf5_target, written_hdf5
from rsd_mri.files.slices import Spool
from rsd_mri.scan.spooled_lines import SpooledLines
from rsd_mri.simulation import simulate_folder

TINY = ["network.channels=4", "network.blocks=1", "data.volumes=1", "data.slices=1", "data.matrix=32", "data.coils=4"]


def command(*arguments, limit=None):
    """Run the program; no file may grow beyond `limit` bytes, which the system reports as it does a full disk."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    call = [sys.executable, "-m", "rsd_mri", *map(str, arguments)]
    return subprocess.run(
        call, capture_output=True, text=True, check=False, preexec_fn=None if limit is None else limited,
    )  # fmt: skip


def refused(done):
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    assert "full" in done.stderr and "free" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def small_limit():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    yield 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    return simulate_folder(tmp_path_factory.mktemp("scan"), 1, 2, 64, 4, acceleration=2.0)[0]


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("chunks", [None, (1, 64, 64)])
def test_hdf5_on_a_full_disk_is_refused_and_the_old_file_stays(tmp_path, chunks):
    path = tmp_path / "a.h5"
    with written_hdf5(path) as file:
        file["old"] = np.arange(3)
    with (
        pytest.raises(InputError, match=r"a.h5: the disk is full.* 1.6 MiB or more are needed"),
        written_hdf5(path) as file,
    ):
        for name in "ab":
            data = file.create_dataset(name, shape=(50, 64, 64), dtype="f4", chunks=chunks)
            for row in range(50):
                data[row] = row
            data.attrs["seen"] = float(data[3, 0, 0])
        file.attrs["last"] = "x" * 1000
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["old"], np.arange(3))
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.usefixtures("small_limit")
def test_images_that_another_package_writes_find_the_disk_full(tmp_path):
    path = tmp_path / "a.mrd"
    path.write_text("old")
    with (
        pytest.raises(InputError, match=r"a.mrd: the disk is full"),
        hdf5_target(path) as target,
        ismrmrd.Dataset(target, "images") as file,
    ):
        for _ in range(20):
            file.append_image("image", ismrmrd.Image.from_array(np.zeros((64, 64), np.complex64)))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.mrd", "old")]


def test_hdf5_is_what_the_library_writes_by_itself(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 30, 30))
    with written_hdf5(tmp_path / "a.h5") as file, h5py.File(tmp_path / "b.h5", "w") as other:
        for one in (file, other):
            one.create_dataset("x", data=values, chunks=(1, 30, 30), fletcher32=True, maxshape=(None, 30, 30))
            one["x"].resize(6, axis=0)
            one["x"][5] = 1
            one.attrs["name"] = "text"
    with h5py.File(tmp_path / "a.h5") as file, h5py.File(tmp_path / "b.h5") as other:
        np.testing.assert_array_equal(file["x"], other["x"])
        assert dict(file.attrs) == dict(other.attrs)


@pytest.mark.usefixtures("small_limit")
def test_text_and_arrays_on_a_full_disk(tmp_path):
    def text(path):
        path.write_text("x" * 300_000)

    def array(path):
        with path.open("wb") as file:
            np.save(file, np.zeros(100_000))

    for write in (text, array):
        with pytest.raises(InputError, match="the disk is full"), written_whole(tmp_path / "a.npy") as partial:
            write(partial)
    log = tmp_path / "log.csv"
    log.write_text("first\n")
    with pytest.raises(InputError, match="the disk is full"), appended(log) as file:
        file.write("y" * 300_000)
    assert log.read_text() == "first\n"
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("kind", ["slices", "lines"])
def test_temporary_files_on_a_full_disk_name_their_folder(kind):
    def put():
        if kind == "slices":
            Spool().put_aside(np.zeros((40, 100, 100), np.float32))
        else:
            lines = SpooledLines((40, 2, 100, 40))
            for number in range(200):
                lines.add(number // 40, number % 40, 0, np.zeros((2, 100), np.complex64))

    with pytest.raises(InputError, match=rf"temporary files in {gettempdir()} cannot be written .*TMPDIR"):
        put()


def test_without_a_folder_for_temporary_files(monkeypatch):
    def none(*_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", none)
    with pytest.raises(InputError, match="No usable temporary directory found.*set TMPDIR"):
        Spool()


@pytest.mark.long
def test_recon_prep_and_simulate_say_that_the_disk_is_full(scan, tmp_path):
    refused(command("recon", scan, "--method", "zero-filled", "--out", tmp_path / "r", limit=100_000))
    refused(command("simulate", tmp_path / "s", "--volumes", 1, "--slices", 1, "--matrix", 64, limit=100_000))
    done = command("prep", scan, "--out", tmp_path / "p", limit=100_000)
    refused(done)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file() and p.name not in ("manifest.json", "split.json")] == []


@pytest.mark.slow
def test_training_keeps_its_last_good_checkpoint(tmp_path):
    settings = [word for one in TINY for word in ("--set", one)]
    train = partial(
        command, "train", "--protocol", "demo", "--out", tmp_path, "--stage", "teacher", *settings,
    )  # fmt: skip
    done = train("--images", 16)
    assert done.returncode == 0, done.stderr
    kept = {p: p.read_bytes() for p in tmp_path.rglob("teacher*.safetensors")}
    largest = max(map(len, kept.values()))
    refused(train("--images", 64, limit=largest // 2))
    assert {p: p.read_bytes() for p in tmp_path.rglob("teacher*.safetensors")} == kept
    assert [p.name for p in tmp_path.rglob(".*")] == []
    assert train("--images", 64).returncode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has /dev/full")
@pytest.mark.parametrize("asked", ["protocols", "--help", "--show-completion=bash", "bench --help"])
def test_a_result_that_cannot_be_printed_is_one_sentence(asked):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        command = [sys.executable, "-m", "rsd_mri", *asked.replace("=", " ").split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "standard output" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has /dev/full")
def test_a_sentence_that_cannot_be_printed_leaves_the_exit_code():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run([sys.executable, "-m", "rsd_mri", "inspect", "none.h5"], stderr=full, check=False)
    assert done.returncode == 2


CLOSED = """
import os, sys
for number in range(3):
    os.close(number)
sys.stdin = sys.stdout = sys.stderr = None  # as Python finds them closed
sys.argv = ["rsd-mri", *{arguments}]
from rsd_mri.commands.app import main
try:
    main()
finally:
    with open({path!r}, "w") as file:
        file.write(str(file.fileno()))
"""


@pytest.mark.parametrize(("arguments", "code"), [(["protocols"], 0), (["--version"], 0), (["inspect", "none.h5"], 2)])
def test_streams_that_were_closed_are_no_files_of_the_program(tmp_path, arguments, code):
    path = tmp_path / "number"
    program = CLOSED.format(arguments=arguments, path=str(path))
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == code
    assert int(path.read_text()) > 2
