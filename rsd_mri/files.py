"""Files are written whole or not at all."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rsd_mri.errors import InputError


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The data reach the disk before the rename, so a crash leaves either the old file or the new one. On an
    error the temporary file is removed and the old file stays.

    Raises
    ------
    InputError
        If nothing can be written there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept: some writers choose their format by it.
        handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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


def remove_partial(path: str | Path) -> None:
    """Remove what writers of `path` that were killed half-way left beside it; no other may be writing it now."""
    path = Path(path)
    for partial in path.parent.glob(f"{_prefix(path)}*{path.suffix}"):
        partial.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f".{path.stem}-"


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, read in pieces, as a hexadecimal string."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
