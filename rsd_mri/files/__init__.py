"""Files are written whole or not at all, by one command at a time, and read as they were at one moment."""

import contextlib
import errno
import hashlib
import json
import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from rsd_mri.about.plain import Json, finite
from rsd_mri.errors import InputError
from rsd_mri.files.trouble import full, is_full, unwritable
from rsd_mri.machine.interrupts import at_stop

UNFINISHED = re.compile(r"\..*-rsdmri-([0-9a-f]{8})-(\d+)-[^.]*(\..*)?$")
"""Names of files that are being written, with the machine and the process that writes them."""
WITHOUT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What file systems say that do not wait for a disk."""
LONGEST = 120
"""Letters of a file's name that the name it is written under repeats."""

STATUS = Path("/proc/self/status")
"""Where Linux says what can otherwise only be asked by changing it."""

_asking = threading.Lock()
writing: set[Path] = set()
"""Files that go when the program is told to stop."""
_swept: set[Path] = set()


class NoSpaceError(OSError):
    """No space for a file whose size is known."""

    def __init__(self, error: OSError, needed: int) -> None:
        super().__init__(error.errno, error.strerror)
        self.needed = needed


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The data reach the disk before the rename, so a crash leaves either the old file or the new one. On an
    error, or where the program is told to stop, the temporary file is removed and the old file stays.

    Raises
    ------
    InputError
        If nothing can be written there, the disk is full, or the folder vanishes.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _no_other(path)
        remove_leftovers(path.parent)
        # The suffix is kept: some writers choose their format by it.
        mark = f"{_prefix(path)}rsdmri-{_machine()}-{os.getpid()}-"
        handle, name = tempfile.mkstemp(prefix=mark, suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(unwritable(path, error)) from error
    os.close(handle)
    partial = Path(name)
    writing.add(partial)
    try:
        yield partial
        try:
            _put_in_place(partial, path)
        except OSError as error:
            if is_full(error) or not path.parent.is_dir():
                raise
            raise InputError(unwritable(path, error)) from error
    except InputError:
        raise
    except Exception as error:
        if is_full(error):
            raise InputError(full(path, getattr(error, "needed", _size(partial)))) from error
        if not path.parent.is_dir():
            raise InputError(f"{path.parent}: the folder was removed while {path.name} was written there") from error
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        writing.discard(partial)


def _put_in_place(partial: Path, path: Path) -> None:
    with partial.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in WITHOUT_SYNC:
                raise
    with contextlib.suppress(OSError):  # some shares keep no permissions of files
        partial.chmod(0o666 & ~_umask())
    partial.replace(path)


def write_json(path: str | Path, values: Json) -> Path:
    """Write plain values as JSON for strict readers, whole: numbers that are not finite are null. Returns the file.

    Raises
    ------
    InputError
        As `written_whole`.
    """
    text = json.dumps(finite(values), indent=1, allow_nan=False)
    with written_whole(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    return Path(path)


def _umask() -> int:
    """Permissions that new files are not to have."""
    with contextlib.suppress(OSError, ValueError):
        for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    with _asking:  # two threads that ask in turn would leave the process without one
        umask = os.umask(0)
        os.umask(umask)
    return umask


@contextmanager
def appended(path: str | Path) -> Iterator[TextIO]:
    """Yield a text file to append lines to; what cannot be written as a whole is taken back.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = Path(path)
    before = _size(path)
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            yield file
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, before)
        raise InputError(unwritable(path, error)) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _prefix(path: Path) -> str:
    return f".{path.stem[:LONGEST]}-"


@lru_cache(maxsize=1)
def _machine() -> str:
    """Where process numbers mean the same: the machine since it was started, and the container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def remove_leftovers(folder: str | Path) -> None:
    """Remove what commands that were killed on this machine left unfinished in a folder; once a process."""
    folder = Path(folder).absolute()
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            found = UNFINISHED.match(path.name)
            if found and found[1] == _machine() and not _is_alive(int(found[2])):
                path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True


def _remove_own() -> None:
    for partial in list(writing):
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


at_stop(_remove_own)


def remove_partial(path: str | Path) -> None:
    """Remove what writers of `path` that were killed half-way left beside it; no other may be writing it now."""
    path = Path(path)
    for partial in path.parent.glob(f"{_prefix(path)}*{path.suffix}"):
        partial.unlink(missing_ok=True)


def require_writable(folder: str | Path) -> None:
    """See, before long work begins, that files can be written to a folder, which need not exist yet.

    Raises
    ------
    InputError
        If not.
    """
    folder = Path(folder).absolute()
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110 - never raises
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise InputError(f"{folder}: nothing can be written there; choose another folder with --out")


def require_target(path: str | Path) -> None:
    """See, before long work begins, that a file can be written.

    Raises
    ------
    InputError
        If not.
    """
    path = Path(path)
    _no_other(path)
    require_writable(path.parent)


def _no_other(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, and a file of this name is to be written; remove it or name another")
    if path.exists() and not path.is_file():
        raise InputError(
            f"{path}: is a device or a pipe, and no file, which is written whole or not at all; name a file"
        )


def read_whole(path: str | Path) -> bytes:
    """Read a file as it was at one moment.

    Raises
    ------
    InputError
        If it cannot be read, or was changed meanwhile.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            content = file.read()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != after.st_size:
        raise InputError(f"{path}: was changed while it was read; try again when whatever writes it has ended")
    return content


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, read in pieces, as a hexadecimal string."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
