"""Files are written whole or not at all, by one command at a time, and read as they were at one moment."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from rsd_mri.errors import InputError
from rsd_mri.machine.interrupts import at_stop

FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
"""No space on the device, a limit on the size of files, a quota."""
UNFINISHED = re.compile(r"\..*-rsdmri-([0-9a-f]{8})-(\d+)-[^.]*(\..*)?$")
"""Names of files that are being written, with the machine and the process that writes them."""
LONGEST = 120
"""Letters of a file's name that the name it is written under repeats."""

_writing: set[Path] = set()
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
        remove_leftovers(path.parent)
        # The suffix is kept: some writers choose their format by it.
        mark = f"{_prefix(path)}rsdmri-{_machine()}-{os.getpid()}-"
        handle, name = tempfile.mkstemp(prefix=mark, suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(_full(path, 0) if _is_full(error) else _refused(path, error)) from error
    os.close(handle)
    partial = Path(name)
    _writing.add(partial)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        partial.replace(path)
    except InputError:
        raise
    except Exception as error:
        if _is_full(error):
            raise InputError(_full(path, getattr(error, "needed", _size(partial)))) from error
        if not path.parent.is_dir():
            raise InputError(f"{path.parent}: the folder was removed while {path.name} was written there") from error
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        _writing.discard(partial)


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
        raise InputError(_full(path, 0) if _is_full(error) else _refused(path, error)) from error


def unwritable(error: OSError) -> str | None:
    """A sentence for a file that could not be written since the disk is full or is not to be written to, or None."""
    path = Path(error.filename) if isinstance(error.filename, str) else Path("the output")
    if _is_full(error):
        return _full(path, 0)
    return _refused(path, error) if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) else None


def _refused(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written ({error.strerror}); choose another folder with --out"


def _full(path: Path, needed: int) -> str:
    """Say that there is no space, how much is needed and how much is there."""
    size = f"; {_mib(needed)} or more are needed" if needed else ""
    with contextlib.suppress(OSError):
        size += f", {_mib(shutil.disk_usage(path.parent).free)} are free"
    return f"{path}: the disk is full, or a quota or limit is reached{size}; make room, or choose another folder"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size < 1 << 30 else f"{size / 2**30:.1f} GiB"


def _is_full(error: Exception) -> bool:
    """Whether an error says that there is no space; numpy and libraries in other languages say it in words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    text = str(error)
    if re.search(r"\d+ requested and \d+ written", text):
        return True
    return any(f"os error {number})" in text or os.strerror(number) in text for number in FULL)


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
    for partial in list(_writing):
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


at_stop(_remove_own)


def remove_partial(path: str | Path) -> None:
    """Remove what writers of `path` that were killed half-way left beside it; no other may be writing it now."""
    path = Path(path)
    for partial in path.parent.glob(f"{_prefix(path)}*{path.suffix}"):
        partial.unlink(missing_ok=True)


@contextmanager
def claimed(path: str | Path) -> Iterator[None]:
    """Let no other command write `path` while the block runs. The claim ends with the process, however it ends.

    Raises
    ------
    InputError
        If another command has it.
    """
    path = Path(path)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    lock = path.with_name(f".{path.name[:LONGEST]}.lock")
    handle = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while handle < 0:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_nlink == 0:  # whoever had it removed the file meanwhile: this lock holds nothing
                os.close(handle)
                handle = -1
    except BlockingIOError as error:
        os.close(handle)
        raise InputError(
            f"{path}: another rsd-mri command is writing this; wait until it has ended, or choose another folder"
        ) from error
    except OSError as error:
        if handle < 0:
            raise InputError(_full(path, 0) if _is_full(error) else _refused(path, error)) from error
        # A file system without locks.
    _writing.add(lock)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink(missing_ok=True)
        _writing.discard(lock)
        os.close(handle)


def require_writable(folder: str | Path) -> None:
    """See, before long work begins, that files can be written to a folder, which need not exist yet.

    Raises
    ------
    InputError
        If not.
    """
    folder = Path(folder).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise InputError(f"{folder}: nothing can be written there; choose another folder with --out")


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
