"""Files are written whole or not at all."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The data reach the disk before the rename, so a crash leaves either the old file or the new one. On an
    error the temporary file is removed and the old file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept: some writers choose their format by it.
    handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=path.suffix, dir=path.parent)
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
