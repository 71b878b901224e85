"""Write HDF5 files whole, whatever becomes of the disk.

The HDF5 library does not survive a disk that fills up while it writes: it crashes when it closes the file, or when the
program ends. So it writes through an object that never tells it of a failure.
"""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsd_mri.files import NoSpaceError, written_whole
from rsd_mri.machine.interrupts import shielded

if TYPE_CHECKING:
    import h5py

HELD = (errno.EAGAIN, errno.EACCES)
"""What is said of a lock that another program has; anything else, where there are no locks."""
SMALL = 1 << 16
"""What the library may read again of what it wrote, its own records, comes in smaller pieces than this [bytes]."""


@contextmanager
def written_hdf5(path: str | Path) -> Iterator["h5py.File"]:
    """Yield an HDF5 file to write to; it gets its name when the block ends without an error.

    Raises
    ------
    InputError
        As `written_whole`; where the disk is full it names the size of the file, as far as it was written.
    """
    import h5py

    with hdf5_target(path) as target, h5py.File(target, "w") as file:
        yield file


@contextmanager
def hdf5_target(path: str | Path) -> Iterator["_Target"]:
    """Yield what other packages may give the HDF5 library in place of a file's name; for the rest as `written_hdf5`."""
    with written_whole(path) as partial, partial.open("w+b", buffering=0) as raw:
        target = _Target(raw)
        try:
            yield target
        finally:
            if target.failure is not None:
                raise NoSpaceError(target.failure, target.size)


def read_hdf5(path: str | Path) -> "h5py.File":
    """Open an HDF5 file for reading: under a lock, so that no program writes to it, where the file system has locks."""
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        if error.errno in HELD or "unable to lock file" not in str(error):
            raise
    return h5py.File(path, "r", locking=False)


class _Target(io.RawIOBase):
    """A file for the library: after the first failure to write it only pretends, and remembers the small pieces."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self.raw = raw
        self.failure: OSError | None = None
        self.size = 0
        self._at = 0
        self._kept: list[tuple[int, bytes]] = []

    @shielded
    def readable(self) -> bool:
        """It is."""
        return True

    @shielded
    def writable(self) -> bool:
        """It is."""
        return True

    @shielded
    def seekable(self) -> bool:
        """It is."""
        return True

    @shielded
    def tell(self) -> int:
        """Where the next byte goes."""
        return self._at

    @shielded
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    @shielded
    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what was written; zeros where nothing was."""
        view = memoryview(buffer).cast("B")
        self.raw.seek(self._at)
        done = self.raw.readinto(view) or 0
        view[done:] = bytes(len(view) - done)
        for begin, piece in self._kept:
            first, last = max(begin, self._at), min(begin + len(piece), self._at + len(view))
            if first < last:
                view[first - self._at : last - self._at] = piece[first - begin : last - begin]
        self._at += len(view)
        return len(view)

    @shielded
    def write(self, data: Any) -> int:
        """Write everything, or pretend to."""
        view = memoryview(data).cast("B")
        if self.failure is None:
            try:
                self.raw.seek(self._at)
                left = view
                while len(left):
                    left = left[self.raw.write(left) :]
            except OSError as error:
                self.failure = error
        if self.failure is not None and len(view) <= SMALL:
            self._kept.append((self._at, bytes(view)))
        self._at += len(view)
        self.size = max(self.size, self._at)
        return len(view)

    @shielded
    def truncate(self, size: int | None = None) -> int:
        """Make the file so long."""
        size = self._at if size is None else size
        if self.failure is None:
            try:
                self.raw.truncate(size)
            except OSError as error:
                self.failure = error
        self.size = size
        return size

    @shielded
    def flush(self) -> None:
        """Everything is written at once."""
