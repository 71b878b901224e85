"""What a disk, a network share or a limit of this process refuses, said in a sentence."""

import contextlib
import errno
import os
import re
import shutil
from pathlib import Path

FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
"""No space on the device, a limit on the size of files, a quota."""
TOO_MANY = (errno.EMFILE, errno.ENFILE)
"""Files open in this process, or on this machine."""

NOT_THE_FILE = (*TOO_MANY, *(getattr(errno, name) for name in (
    "EACCES", "EPERM", "ENOENT", "EIO", "ENOMEM", "ENODEV", "ENXIO", "ENOTCONN", "ETIMEDOUT", "ESTALE", "EHOSTDOWN",
    "EREMOTEIO",
) if hasattr(errno, name)))  # fmt: skip
"""What is said where a file cannot be read whatever is in it."""


def is_full(error: Exception) -> bool:
    """Whether an error says that there is no space; numpy and libraries in other languages say it in words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    text = str(error)
    if re.search(r"\d+ requested and \d+ written", text):
        return True
    return any(f"os error {number})" in text or os.strerror(number) in text for number in FULL)


def full(path: Path, needed: int) -> str:
    """Say that there is no space, how much is needed and how much is there."""
    size = f"; {_mib(needed)} or more are needed" if needed else ""
    with contextlib.suppress(OSError):
        size += f", {_mib(shutil.disk_usage(path.parent).free)} are free"
    return f"{path}: the disk is full, or a quota or limit is reached{size}; make room, or choose another folder"


def unwritable(path: Path, error: OSError) -> str:
    """A sentence for a file that could not be written."""
    if is_full(error):
        return full(path, 0)
    if error.errno in TOO_MANY:
        return _too_many(error)
    return f"{path}: cannot be written ({error.strerror}); choose another folder with --out"


def of_the_machine(path: Path, error: Exception) -> str | None:
    """A sentence where a file was not read for want of memory, rights or a disk; None where it may be damaged."""
    if isinstance(error, MemoryError):
        return f"{path}: there is no memory left to read it ({error}); close other programs, or ask for more"
    if isinstance(error, OSError) and error.errno is not None and error.errno in NOT_THE_FILE:
        return refused(OSError(error.errno, os.strerror(error.errno), str(path)))
    return None


def refused(error: OSError) -> str | None:
    """A sentence for whatever the system did not do, read or write; None where it does not say what."""
    if error.errno is None:
        return None
    path = Path(error.filename) if isinstance(error.filename, str) else None
    if is_full(error) or error.errno == errno.EROFS:
        return unwritable(path or Path("the output"), error)
    if error.errno in TOO_MANY:
        return _too_many(error)
    if path is None:
        return f"the system refused what was asked of it ({error.strerror})"
    return f"{path}: cannot be used ({error.strerror})"


def _too_many(error: OSError) -> str:
    return f"no more files can be opened ({error.strerror}); raise the limit (ulimit -n), or take fewer workers"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size < 1 << 30 else f"{size / 2**30:.1f} GiB"
