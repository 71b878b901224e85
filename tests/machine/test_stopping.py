"""SIGINT and SIGTERM: the command ends within two seconds, in one line, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_run import picture_run

from rsd_mri.machine.interrupts import GRACE
from rsd_mri.simulation import simulate_folder

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are counted in /proc")
LIMIT = 2.0 if "CI_QUIET" in os.environ else 8.0
"""Seconds to end [s]; a machine that does other work needs longer than the two of a quiet one."""


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    simulate_folder(folder, 4, 6, 96, 4, acceleration=2.0)
    return folder


def descendants(process):
    """Process numbers of everything below a process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {process}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def stopped(arguments, number, after):
    """Start a command, send it a signal when `after` says so, and return how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rsd_mri", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not after(process.pid) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    below = descendants(process.pid)
    begun = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    taken = time.monotonic() - begun
    time.sleep(0.3)
    gone = [p for p in below if Path(f"/proc/{p}/stat").exists() and " Z " not in Path(f"/proc/{p}/stat").read_text()]
    assert gone == []
    assert taken < LIMIT
    assert err == "stopped\n" and out == ""
    return process.returncode


def computing(process):
    """Whether a process, or those below it, have torch and have been at work with it for a while."""
    with_torch, seconds = False, 0.0
    for one in {process} | descendants(process):
        try:
            maps = Path(f"/proc/{one}/maps").read_text()
            used = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        with_torch |= "libtorch_cpu" in maps
        seconds += sum(map(int, used[11:13])) / os.sysconf("SC_CLK_TCK")
    return with_torch and seconds > 6


def unfinished(folder):
    return [p for p in folder.rglob(".*") if p.is_file()]


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_workers_of_prep_are_gone_and_nothing_is_left(scans, tmp_path, number, code):
    arguments = ["prep", scans, "--out", tmp_path / "p", "--workers", 2]
    assert stopped(arguments, number, lambda pid: unfinished(tmp_path) and len(descendants(pid)) > 3) == code
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            ["recon", "{scans}/brain_0_0000.h5", "--out", "{out}", "--samples", "4"], id="recon", marks=pytest.mark.long
        ),
        pytest.param(
            ["simulate", "{out}", "--volumes", "50", "--matrix", "128"], id="simulate", marks=pytest.mark.long
        ),
        pytest.param(["train", "--protocol", "demo", "--out", "{out}"], id="train", marks=pytest.mark.long),
    ],
)
def test_commands_stop(scans, tmp_path, arguments):
    given = [a.format(scans=scans, out=tmp_path) for a in arguments]
    assert stopped(given, signal.SIGTERM, lambda pid: any(tmp_path.iterdir())) == 143
    assert unfinished(tmp_path) == []


def test_a_library_that_does_not_let_python_run_is_ended_from_outside(tmp_path):
    code = (
        "import time; from rsd_mri.machine import interrupts\n"
        "from rsd_mri.files import written_whole\n"
        "import ctypes\n"
        "def program():\n"
        f"    with written_whole({str(tmp_path / 'a.txt')!r}) as path:\n"
        "        ctypes.CDLL(None).sleep(30); ctypes.CDLL(None).sleep(30)\n"
        "interrupts.run(program)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not any(tmp_path.iterdir()):
        time.sleep(0.02)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[1] == "stopped\n"
    assert time.monotonic() - begun < GRACE + LIMIT
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    simulate_folder(folder, 4, 6, 96, 4)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A run of a teacher of pictures, a large picture, and two sets of many small ones."""
    folder = tmp_path_factory.mktemp("pictures")
    picture_run(folder / "run")
    rng = np.random.default_rng(0)
    for name, shape in (("one", (3, 768, 768)), ("made", (12000, 3, 32, 32)), ("real", (12000, 3, 32, 32))):
        np.save(folder / f"{name}.npy", rng.uniform(-1, 1, shape).astype(np.float32))
    return folder


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["calibrate", "{full}", "--out", "{out}/c.json", "--samples", "8"], id="calibrate"),
        pytest.param(
            ["recon", "{scans}", "--out", "{out}", "--samples", "8", "--report", "--format", "h5,nifti,dicom,png"],
            id="report",
        ),
        pytest.param(
            [
                "evaluate",
                "{pictures}/made.npy",
                "--reference",
                "{pictures}/real.npy",
                "--features",
                "principal",
                "--likeness",
            ],
            id="evaluate",
        ),
        pytest.param(
            [
                "restore",
                "{pictures}/one.npy",
                "--prior",
                "{pictures}/run",
                "--corruption",
                "noise",
                "--sigma",
                "0.2",
                "--samples",
                "64",
                "--out",
                "{out}",
            ],
            id="restore",
        ),
        pytest.param(
            ["calibrate", "{full}", "--out", "{out}/c.json", "--samples", "8", "--workers", "2"], id="calibrate shared"
        ),
        pytest.param(["generate", "-n", "100000", "--out", "{out}/images"], id="generate"),
        pytest.param(["recon", "{scans}", "--out", "{out}", "--samples", "8", "--workers", "2"], id="recon shared"),
        pytest.param(
            ["bench", "run", "recon", "--scale", "paper", "--set", "rival_minutes=0", "--out", "{out}"], id="bench"
        ),
    ],
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_commands_stop_in_the_middle_of_computing(scans, full, pictures, tmp_path, arguments, number, code):
    given = [a.format(scans=scans, full=full, pictures=pictures, out=tmp_path) for a in arguments]
    assert stopped(given, number, computing) == code
    assert unfinished(tmp_path) == []


HELD = """
import os, signal, time
from rsd_mri.machine import interrupts, workers

def tell(number):
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(30)

@interrupts.shielded
def hold():
    while True:
        time.sleep(0.1)

def program():
    pool = workers._pool(1)
    pool.submit(tell, 1)
    hold()

if __name__ == "__main__":
    interrupts.GRACE = 0.2
    interrupts.run(program)
"""


def test_a_pool_that_is_not_left_in_time_leaves_no_semaphores(tmp_path):
    """As on a busy machine; the process that keeps account of them speaks after the one that was stopped has ended."""
    (tmp_path / "held.py").write_text(HELD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "held.py")], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "stopped\n")


HALF = """
import itertools, os, signal, time
from multiprocessing import resource_tracker, synchronize
from rsd_mri.machine import interrupts, workers

names = (f"/mp-rsdmri-{os.getpid()}-{n}" for n in itertools.count())
synchronize.SemLock._make_name = staticmethod(lambda: next(names))
note = resource_tracker.register

def told_before(name, kind):  # a semaphore is there by then, and nobody has been told of it
    resource_tracker.register = note
    os.kill(os.getpid(), signal.SIGTERM)
    note(name, kind)

resource_tracker.register = told_before

def program():
    print(os.getpid(), flush=True)
    workers._pool(1).submit(time.sleep, 60).result()

if __name__ == "__main__":
    interrupts.run(program)
"""


def test_a_signal_while_a_pool_is_made_leaves_no_semaphore(tmp_path):
    (tmp_path / "half.py").write_text(HALF)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "half.py")], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (143, "stopped\n")
    assert list(Path("/dev/shm").glob(f"*mp-rsdmri-{int(done.stdout)}-*")) == []


LATE = """
import multiprocessing, os, time
from rsd_mri.machine.interrupts import install_in_worker

def late(parent):
    while os.getppid() == parent:
        time.sleep(0.01)
    install_in_worker()
    print("still here", flush=True)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=late, args=(os.getpid(),)).start()
    os._exit(0)
"""


def test_a_worker_whose_parent_died_while_it_was_loaded_ends(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "late.py")], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


FREED = """
import os, signal, time
from rsd_mri.machine.interrupts import run

class Freed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(1000))

def program():
    try:
        Freed()
        time.sleep(30)
    finally:
        print("unwound", flush=True)

run(program)
"""


def test_a_signal_while_an_object_is_freed_stops_the_program_too():
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "unwound\n", "stopped\n")
    assert time.monotonic() - begun < 30


STARTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *rest):
        if name == "typer":  # the first that takes long
            os.kill(os.getpid(), signal.{name})
signal.signal(signal.{name}, signal.SIG_DFL)  # in the background shells have SIGINT ignored
sys.meta_path.insert(0, Finder())
sys.argv = ["rsd-mri", *{arguments}]
from rsd_mri.commands.app import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "name", "code"),
    [
        (["protocols"], "SIGINT", 130), (["recon", "--help"], "SIGTERM", 143), (["serve", "--port", "0"], "SIGTERM", 0),
        (["--debug", "serve"], "SIGINT", 0), (["serve"], "SIGHUP", 0),
    ],
)  # fmt: skip
def test_a_signal_while_a_command_is_loaded_is_heard(arguments, name, code):
    program = STARTING.format(name=name, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "stopped\n")
