"""Walk through an HDF5 file in another process first, as a damaged one can crash or hang the HDF5 library.

The library trusts what it reads: a few wrong bytes in a variable-length string or a record are enough for an
endless loop or an abort, which no exception handler sees. One helper process is kept for all files; it is
replaced when it dies. It reads structure, text and records; plain numbers are covered by the reader's checks.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import h5py

from rsd_mri.errors import InputError
from rsd_mri.files.hdf5 import read_hdf5

BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError, UnicodeError)
"""What h5py raises on damaged files, depending on which byte is wrong."""
PATIENCE = 15.0
"""Processor time a file may take, beside its size [s]."""
SLOWEST = 5e6
"""Reading speed below which a file counts as hanging [bytes/s]."""
WAITING = 20.0
"""Seconds a file may take for one of processor time: on a busy machine, or where a disk is slow."""
SETTLED = 1_000_000_000
"""Age from which the date of a file tells a later change [ns]."""
OTHERS = (1, *(-getattr(signal, name, 0) for name in ("SIGKILL", "SIGTERM", "SIGALRM", "SIGHUP", "SIGINT")))
"""How the other process ends where that tells nothing of the file: by an error of Python's as it begins, where there is
no memory for what it loads; killed by the system or a person; or it waited, or was stopped, for too long."""
DEEPEST = 8
BLOCK = 512
_COMMAND = "from rsd_mri.scan.probe import serve; serve()"


class _Helper:
    """The other process: one JSON string in, a line out."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        path = os.pathsep.join(p for p in sys.path if p)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
        )

    def ask(self, path: Path, seconds: float) -> bool:
        """Return whether the file was walked through in time, without a crash."""
        if self.process.stdin is None or self.process.stdout is None:
            return False
        timer = threading.Timer(WAITING * seconds, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps([str(path.absolute()), seconds]) + "\n")
            self.process.stdin.flush()
            return bool(self.process.stdout.readline())
        except OSError:
            return False
        finally:
            timer.cancel()

    def blames_the_file(self) -> bool:
        """Whether the process, which has ended, did so for what it read, and was not killed or unable to begin."""
        code = self.process.wait()
        return code not in OTHERS or not hasattr(signal, "setitimer")  # Windows: nothing else ends what hangs

    def close(self) -> None:
        """End the process."""
        if self.owner == os.getpid():
            self.process.kill()
            self.process.communicate()


_lock = threading.Lock()
_helpers: list[_Helper] = []
_looked_at: set[tuple[str, int, int]] = set()


def check_readable(path: Path) -> None:
    """Make sure that reading a file neither crashes nor hangs the HDF5 library.

    Raises
    ------
    InputError
        If it does, or no process lives long enough to try it. Damage that the library itself reports passes: the
        reader will meet it again.
    """
    stat = path.stat()
    known = (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
    with _lock:
        if known in _looked_at:
            return
        if _helpers and _helpers[0].owner != os.getpid():
            _helpers.clear()  # forked: the pipes belong to the parent
        for _ in range(2):  # once more where the process was killed for no fault of the file
            if not _helpers:
                _helpers.append(_Helper())
            if _helpers[0].ask(path, PATIENCE + stat.st_size / SLOWEST):
                if time.time_ns() - stat.st_mtime_ns > SETTLED:
                    _looked_at.add(known)
                return
            blamed = _helpers[0].blames_the_file()
            _close()
            if blamed:
                break
    if not blamed:
        raise InputError(
            f"{path}: the process that looks at it first was killed, found no memory, or waited too long; try again "
            "when the machine or the disk has less to do"
        )
    raise InputError(
        f"{path}: damaged HDF5 file (reading it crashes or hangs the HDF5 library); copy or download it again"
    )


def _close() -> None:
    while _helpers:
        _helpers.pop().close()


atexit.register(_close)


def serve() -> None:
    """Answer each path on standard input with a line, once the file was walked through."""
    for line in sys.stdin:
        path, seconds = json.loads(line)
        if hasattr(signal, "setitimer"):
            # Both end this process even inside the library; the second should the parent be killed while it waits.
            signal.setitimer(signal.ITIMER_PROF, seconds)
            signal.alarm(int(WAITING * seconds) + 5)
        # Damage that the library finds itself is left to the reader.
        with suppress(*BROKEN), read_hdf5(path) as file:
            _visit(file, set(), 0)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        sys.stdout.write("done\n")
        sys.stdout.flush()


def _visit(item: h5py.Group | h5py.Dataset, visited: set[int], depth: int) -> None:
    address = h5py.h5o.get_info(item.id).addr
    if address in visited or depth > DEEPEST:
        return
    visited.add(address)
    with suppress(*BROKEN):
        for name in item.attrs:
            with suppress(*BROKEN):
                item.attrs[name]
    if isinstance(item, h5py.Dataset):
        _read(item)
        return
    for name in item:
        if isinstance(item.get(name, getlink=True), h5py.HardLink):
            with suppress(*BROKEN):  # what the library reports is no reason to stop: the next may crash it
                _visit(item[name], visited, depth + 1)


def _read(item: h5py.Dataset) -> None:
    if item.is_virtual or item.external or item.shape is None:
        return
    item.id.get_storage_size()
    if item.dtype.kind in "biufc":
        if item.chunks is not None:
            item.id.chunk_iter(lambda chunk: None)
    elif item.shape == ():
        item[()]
    else:
        for start in range(0, item.shape[0], BLOCK):
            item[start : start + BLOCK]
