"""What one command writes, no other writes at the same time, or reads as if it were all there."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rsd_mri.errors import InputError
from rsd_mri.files import LONGEST, writing
from rsd_mri.files.trouble import unwritable

TRIES, PAUSE = 3, 0.05
"""Who only looks whether something is claimed holds it for a moment: how often to ask, and how long after [s]."""


class TakenError(InputError):
    """Another command has what was to be claimed."""


@contextmanager
def claimed(path: str | Path) -> Iterator[None]:
    """Let no other command write `path` while the block runs. The claim ends with the process, however it ends.

    Raises
    ------
    TakenError
        If another command has it.
    InputError
        If nothing can be written there.
    """
    path = Path(path)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    lock = path.with_name(f".{path.name[:LONGEST]}.lock")
    handle, tries, there = -1, 0, path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while handle < 0:
            handle = _opened(lock)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(handle)
                handle, tries = -1, tries + 1
                if tries == TRIES:
                    raise TakenError(_taken(path)) from error
                time.sleep(PAUSE)
                continue
            if os.fstat(handle).st_nlink == 0:  # whoever had it removed the file meanwhile: this lock holds nothing
                os.close(handle)
                handle = -1
    except OSError as error:
        if handle < 0:
            raise InputError(unwritable(path, error)) from error
        # A file system without locks.
    writing.add(lock)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink(missing_ok=True)
        writing.discard(lock)
        os.close(handle)
        if not there:
            with contextlib.suppress(OSError):  # nothing was put in the folder made for it
                path.parent.rmdir()


def require_unclaimed(folder: str | Path, names: str) -> None:
    """See that no command is writing what it claimed in a folder.

    Parameters
    ----------
    folder
        Where.
    names
        Pattern of what is claimed, as `manifest*.json`.

    Raises
    ------
    TakenError
        If one is.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    folder = Path(folder)
    for lock in folder.glob(f".{names}.lock"):
        try:
            handle = os.open(lock, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TakenError(_taken(folder)) from error
        except OSError:  # a file system without locks
            pass
        finally:
            os.close(handle)


def _opened(lock: Path) -> int:
    """Open a lock, which a killed command of another user may have left in a shared folder."""
    while True:
        try:
            # Never made where it is: of another user's, in a folder such as /tmp, the system would refuse that.
            return os.open(lock, os.O_RDWR)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
                with contextlib.suppress(OSError):
                    os.fchmod(handle, 0o666)  # it holds nothing; who may write to the folder may lock it
                return handle


def _taken(path: Path) -> str:
    return f"{path}: another rsd-mri command is writing this; wait until it has ended, or choose another folder"
