"""Nameless temporary files, which go with the object that holds them."""

import os
import shutil
import tempfile
import weakref
from typing import Any

from rsd_mri.errors import InputError


class Scratch:
    """A temporary file that has no name; many arrays may lie in one, for each open file counts.

    Raises
    ------
    InputError
        If there is no folder for temporary files.
    """

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with this object
        except OSError as error:
            raise InputError(
                f"no temporary file can be made ({error.strerror}); set TMPDIR to a folder that can be written to"
            ) from error
        weakref.finalize(self, self._file.close)

    def write(self, at: int, data: Any) -> None:
        """Write a contiguous buffer from a byte on.

        Raises
        ------
        InputError
            If the disk of temporary files is full.
        """
        left = memoryview(data).cast("B")
        try:
            while left:
                written = os.pwrite(self._file.fileno(), left, at)
                at, left = at + written, left[written:]
        except OSError as error:
            folder = tempfile.gettempdir()
            raise InputError(
                f"temporary files in {folder} cannot be written ({error.strerror}, "
                f"{shutil.disk_usage(folder).free / 2**20:.1f} MiB are free); make room, or set TMPDIR to a larger disk"
            ) from error

    def read(self, at: int, size: int) -> bytes:
        """Read so many bytes from a byte on."""
        return os.pread(self._file.fileno(), size, at)
