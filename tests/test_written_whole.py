"""Files are written whole or not at all."""

import hashlib
import json
import math
import os
import sys
from dataclasses import asdict, dataclass

import pytest

from rsd_mri import files
from rsd_mri.files import sha256, write_json, written_whole
from rsd_mri.files.numbers import numbers_of


def test_old_file_survives_a_failed_write_and_nothing_is_left(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_file_appears_with_ordinary_permissions(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with written_whole(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_hash(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc" * 1000)
    assert sha256(path) == hashlib.sha256(b"abc" * 1000).hexdigest()


@dataclass(frozen=True)
class Figures:
    """Some of which may not be known."""

    level: float
    levels: tuple[float, ...]
    name: str | None


def test_json_is_for_strict_readers_and_its_numbers_come_back(tmp_path):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    path = write_json(tmp_path / "new" / "a.json", asdict(Figures(math.nan, (1.0, math.inf), None)))
    read = json.loads(path.read_text(), parse_constant=refuse)
    assert read == {"level": None, "levels": [1.0, None], "name": None}
    again = Figures(**numbers_of(Figures, read))
    assert math.isnan(again.level) and again.name is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="said by Linux")
def test_new_files_have_the_permissions_that_the_user_leaves_them_and_the_umask_is_never_touched(tmp_path, monkeypatch):
    """Threads that changed it in turn to see it would leave the process without one."""
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", None)
            with written_whole(tmp_path / "a.txt") as partial:
                partial.write_text("whole")
        monkeypatch.setattr(files, "STATUS", tmp_path / "none")  # as other systems
        with written_whole(tmp_path / "b.txt") as partial:
            partial.write_text("whole")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a.txt", "b.txt")] == [0o640, 0o640]
