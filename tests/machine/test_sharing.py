"""Commands and other programs that want the same files at the same time."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import h5py
import pytest
from typer.testing import CliRunner

from data_prep import PreparedDataset, prepare_folder
from rsd_mri.commands.app import app
from rsd_mri.errors import InputError
from rsd_mri.files import _machine, read_whole, remove_leftovers, require_target, require_writable, written_whole
from rsd_mri.files.claims import claimed
from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.protocol import PrepSettings, Protocol
from rsd_mri.scan import read_scan
from rsd_mri.serve.saving import save_raw
from rsd_mri.simulation import simulate_folder

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux does it")


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_leftovers_of_dead_commands_are_removed_and_no_others(tmp_path):
    dead, here = ended_process(), _machine()
    leftover = tmp_path / f".scan_recon-rsdmri-{here}-{dead}-abc_1.h5"
    others = [
        tmp_path / f".scan_recon-rsdmri-{here}-{os.getpid()}-abc_2.h5",  # being written
        tmp_path / f".scan_recon-rsdmri-00000000-{dead}-abc_3.h5",  # of another machine
        tmp_path / ".hidden-of-someone.h5", tmp_path / "scan.h5",
    ]  # fmt: skip
    for path in (leftover, *others):
        path.touch()
    with written_whole(tmp_path / "new.txt") as partial:
        partial.write_text("new")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "new.txt"])
    leftover.touch()
    remove_leftovers(tmp_path)  # once a process: whoever is killed later is left to the next
    assert leftover.exists()


@LINUX
def test_a_killed_command_leaves_what_the_next_one_removes(tmp_path):
    write = (
        "import os, signal; from rsd_mri.files import written_whole; from rsd_mri.files.claims import claimed\n"
        f"with claimed({str(tmp_path / 'a.txt')!r}), written_whole({str(tmp_path / 'a.txt')!r}) as path:\n"
        "    path.write_text('half'); {}\n"
    )
    subprocess.run([sys.executable, "-c", write.format("os.kill(os.getpid(), signal.SIGKILL)")], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    subprocess.run([sys.executable, "-c", write.format("path.write_text('whole')")], check=True)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "whole"}


def test_one_command_at_a_time_writes_a_file(tmp_path):
    path = tmp_path / "out" / "manifest.json"
    ask = f"from rsd_mri.files.claims import claimed\nwith claimed({str(path)!r}): print('mine')"
    with claimed(path):
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
        assert "another rsd-mri command is writing this" in done.stderr
        with claimed(path.with_name("manifest-1-of-2.json")):
            pass
    assert subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout == "mine\n"
    assert not path.parent.exists()  # nothing was put there


def _count(path):
    with claimed(path):
        number = int(path.read_text()) + 1
        with written_whole(path) as partial:
            partial.write_text(str(number))
    return number


@pytest.mark.long
def test_claims_exclude_each_other_whatever_the_moment(tmp_path):
    path = tmp_path / "count"
    path.write_text("0")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_count, path) for _ in range(60)]
        done = sum(1 for job in jobs if not job.exception())
    assert all(isinstance(job.exception(), InputError | None) for job in jobs)
    assert int(path.read_text()) == done > 0


def test_a_scan_that_is_being_written_is_no_damaged_one(tmp_path):
    path = simulate_folder(tmp_path, 1, 1, 32, 2)[0]
    with h5py.File(path, "r+"):
        ask = f"from rsd_mri.scan import read_scan; read_scan({str(path)!r})"
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    assert "another program has this file open for writing" in done.stderr
    assert read_scan(path).n_slices == 1


def test_a_prior_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    path.write_bytes((RECONSTRUCTION / "denoiser.safetensors").read_bytes()[:100_000])
    whole, stat = os.fstat, []

    def changing(handle):
        if stat:
            with path.open("ab") as file:
                file.write(b"more")
        stat.append(handle)
        return whole(handle)

    monkeypatch.setattr(os, "fstat", changing)
    with pytest.raises(InputError, match="was changed while it was read"):
        read_whole(path)


def test_a_folder_that_vanishes_is_named(tmp_path):
    folder = tmp_path / "out"
    with (
        pytest.raises(InputError, match=r"out: the folder was removed while a.txt was written"),
        written_whole(folder / "a.txt") as partial,
    ):
        partial.unlink()
        folder.rmdir()


@LINUX
def test_a_read_only_folder_is_refused(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(InputError, match="choose another folder with --out"):
            require_writable(tmp_path / "a")
        for write in (written_whole, claimed):
            with pytest.raises(InputError, match="cannot be written"), write(tmp_path / "a"):
                pass
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@LINUX
def test_a_lock_that_a_killed_command_of_another_user_left_stops_nobody(tmp_path):
    if os.geteuid():
        pytest.skip("only the superuser can stand for two users")
    tmp_path.chmod(0o1777)  # as /tmp: who is not the owner of a file may not remove it
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(0o755)
    ask = (
        "import fcntl, os, signal; from rsd_mri.files.claims import claimed\n"
        "os.umask(0o077); os.setgroups([]); os.setgid({user}); os.setuid({user})\n"
        f"with claimed({str(tmp_path / 'a')!r}): print('mine', flush=True); {{then}}"
    )

    def run(user, then):
        command = [sys.executable, "-c", ask.format(user=user, then=then)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run(12345, "os.kill(os.getpid(), signal.SIGKILL)").stdout == "mine\n"
    assert (tmp_path / ".a.lock").stat().st_uid == 12345
    done = run(12346, "pass")
    assert done.stdout == "mine\n", done.stderr


@LINUX
def test_what_is_being_prepared_is_not_trained_on(tmp_path):
    scans, out = simulate_folder(tmp_path / "scans", 2, 1, 32, 2), tmp_path / "p"
    prepare_folder(scans[0].parent, out, Protocol(prep=PrepSettings(virtual_coils=2)))
    with (
        claimed(out / "manifest-1-of-2.json"),
        pytest.raises(InputError, match="p: another rsd-mri command is writing this"),
    ):
        PreparedDataset(out)
    one_coil = Protocol(prep=PrepSettings(virtual_coils=1))
    for name, shard in (("manifest-1-of-2.json", None), ("manifest.json", (1, 2)), ("manifest-1-of-2.json", (1, 2))):
        with claimed(out / name), pytest.raises(InputError, match="another rsd-mri command is writing this"):
            prepare_folder(scans[0].parent, out, one_coil, shard=shard)
    assert len(PreparedDataset(out)[0]["csm"]) == 2
    with claimed(out / "manifest-1-of-2.json"):
        prepare_folder(scans[0].parent, out, one_coil, shard=(2, 2))
    assert len(PreparedDataset(out)) == 2


def test_what_is_prepared_anew_is_not_mixed_with_what_was_there(tmp_path):
    scans, out = simulate_folder(tmp_path / "scans", 1, 2, 32, 4), tmp_path / "p"
    prepare_folder(scans[0], out, Protocol(prep=PrepSettings(virtual_coils=2)))
    begun, other = PreparedDataset(out), PreparedDataset(out)
    coils = len(begun[0]["csm"])
    prepare_folder(scans[0], out, Protocol(prep=PrepSettings(virtual_coils=2)))
    assert len(other[0]["csm"]) == coils  # nothing had to be done
    other.close()
    prepare_folder(scans[0], out, Protocol(prep=PrepSettings(virtual_coils=3)))
    assert len(begun[1]["csm"]) == coils  # open since before
    with pytest.raises(InputError, match="was prepared anew since this command looked at it"):
        other[1]


@LINUX
def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe.h5"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="pipe.h5: is a device or a pipe"):
        require_target(pipe)
    with pytest.raises(InputError, match="pipe.h5: is a device or a pipe"), written_whole(pipe):
        pass
    assert list(tmp_path.iterdir()) == [pipe] and pipe.is_fifo()


@LINUX
@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["simulate", "{out}", "--seed", "3"], "brain_3"), (["generate", "--out", "{out}/a.h5"], "a.h5"),
        (["demo", "--fast", "--out", "{out}"], "demo"), (["bench", "run", "recon", "--out", "{out}"], "card.json"),
        (["train", "--protocol", "demo", "--out", "{out}"], "checkpoint"),
    ],
)  # fmt: skip
def test_who_would_write_the_same_files_at_the_same_time_is_told(tmp_path, arguments, target):
    out = tmp_path / "out"
    with claimed(out / target):
        done = CliRunner().invoke(app, [word.format(out=out) for word in arguments])
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1 and "another rsd-mri command is writing this" in done.stderr
        assert [path.name for path in out.iterdir()] == [f".{target}.lock"]


def test_raw_data_saved_in_the_same_second_of_a_clock_that_was_set_back_keep_both(tmp_path, monkeypatch):
    monkeypatch.setattr("rsd_mri.serve.saving.time.strftime", lambda form: "20261025-023000")
    paths = [save_raw(tmp_path, 1, f"<header>{text}</header>", []) for text in "abc"]
    texts = []
    for path in paths:
        with h5py.File(path) as file:
            texts.append(file["dataset/xml"][0].decode())
    assert texts == [f"<header>{text}</header>" for text in "abc"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == sorted(path.name for path in paths)
