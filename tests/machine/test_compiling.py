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
