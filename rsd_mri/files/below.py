"""What lies in a folder and below it, with the folders that cannot be looked into."""

import os
from collections.abc import Iterable
from pathlib import Path

from rsd_mri.errors import InputError

OF_THE_SYSTEM = ("lost+found",)
"""Folders at the root of a disk that users may not read, and need not."""


def files_below(folder: Path) -> list[Path]:
    """Files of a folder and of those below it, sorted; a folder that cannot be read stands for what is in it."""
    found: list[Path] = []

    def unread(error: OSError) -> None:
        path = Path(error.filename or folder)
        if path.name not in OF_THE_SYSTEM:
            found.append(path)

    for place, _, names in os.walk(folder, onerror=unread):
        found += [Path(place) / name for name in names]
    return sorted(found)


def require_readable(folder: Path) -> None:
    """See that a folder can be looked into.

    Raises
    ------
    InputError
        If not.
    """
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror})") from error


def readable(paths: Iterable[Path]) -> list[Path]:
    """The files among what `files_below` found.

    Raises
    ------
    InputError
        If there is a folder that cannot be read.
    """
    files = []
    for path in paths:
        if path.is_dir():
            require_readable(path)
        else:
            files.append(path)
    return files
