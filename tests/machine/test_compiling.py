"""Compiled functions compute where nothing can be kept of them, too."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import errno, sys
from numba.core import caching
if sys.argv[1] == "nowhere":  # a package that cannot be written, and no home
    caching.CacheImpl._locator_classes = []
if sys.argv[1] == "full":
    def full(self, *arguments):
        raise OSError(errno.ENOSPC, "No space left on device")
    caching.IndexDataCacheFile.save = full
import numpy as np
from made import twice
from rsd_mri.machine.compiling import kept_in
print(twice(np.arange(3.0)).tolist(), kept_in() is not None)
"""
DAMAGED = """
import sys
from pathlib import Path
if sys.argv[1] == "locked":  # files of another user, whom the program stands for by what it raises
    from numba.core import caching
    def locked(self):
        raise PermissionError(13, "Permission denied")
    caching.IndexDataCacheFile._load_index = locked
import numpy as np
from made import twice
print(twice(np.arange(3.0)).tolist(), sum(twice.stats.cache_hits.values()))
"""
MADE = """
from rsd_mri.machine.compiling import compiling
@compiling(fastmath={"contract"})
def twice(values):
    out = values.copy()
    for i in range(len(values)):
        out[i] = 2 * values[i]
    return out
"""


@pytest.mark.parametrize(("disk", "kept"), [("usual", True), ("nowhere", False), ("full", False)])
def test_what_cannot_be_kept_is_compiled_all_the_same(tmp_path, disk, kept):
    (tmp_path / "made.py").write_text(MADE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment = {**clean, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-c", PROGRAM, disk]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"[0.0, 2.0, 4.0] {disk != 'nowhere'}"
    assert bool(list(tmp_path.rglob("made.twice*.nbc"))) == kept


@pytest.mark.long
@pytest.mark.parametrize(("damage", "found"), [("none", 1), ("nbi", 0), ("nbc", 0), ("locked", 0)])
def test_what_was_kept_and_cannot_be_read_is_compiled_anew_and_kept_again(tmp_path, damage, found):
    (tmp_path / "made.py").write_text(MADE)
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "NUMBA_CACHE_DIR": str(tmp_path / "kept"),
    }  # fmt: skip

    def run(how):
        command = [sys.executable, "-c", DAMAGED, how]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run("none") == "[0.0, 2.0, 4.0] 0"
    for path in tmp_path.rglob(f"made.twice*.{damage}"):
        path.write_bytes(b"")  # as after the machine broke down
    assert run(damage) == f"[0.0, 2.0, 4.0] {found}"
    assert run("none") == "[0.0, 2.0, 4.0] 1"


AT_ONCE = """
import sys
from numba.core import caching
if sys.argv[1] == "at once":  # neither has seen what the other keeps, and the second to write was first to index
    caching.IndexDataCacheFile._load_index = lambda self: {}
    if sys.argv[2] == "float32":
        caching.IndexDataCacheFile._save_index = lambda self, overloads: None
import numpy as np
from made import twice
print(twice(np.arange(3, dtype=sys.argv[2])).tolist(), sum(twice.stats.cache_hits.values()))
"""


@pytest.mark.long
def test_processes_that_compile_at_once_do_not_take_each_others_code(tmp_path):
    (tmp_path / "made.py").write_text(MADE)
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "NUMBA_CACHE_DIR": str(tmp_path / "kept"),
    }  # fmt: skip

    def run(*how):
        command = [sys.executable, "-c", AT_ONCE, *how]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    for kind in ("float64", "float32"):  # the index names the first, the file holds the second
        assert run("at once", kind) == "[0.0, 2.0, 4.0] 0"
    assert run("later", "float64") == "[0.0, 2.0, 4.0] 0"
    assert run("later", "float64") == "[0.0, 2.0, 4.0] 1"
