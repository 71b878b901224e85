"""Two workers on a folder of eight scans against one: `recon` and `calibrate`.

Run with: pytest tests/benchmarks/test_workers.py --override-ini addopts= -s, on a machine that does nothing else.
"""

import subprocess
import sys
import time

import pytest

from rsd_mri.simulation import simulate_folder

COMMANDS = {
    "recon": ["recon", "{scans}", "--method", "tv", "--out", "{out}/images{workers}"],
    "calibrate": ["calibrate", "{scans}", "--samples", "2", "--levels", "8", "--out", "{out}/{workers}.json"],
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", COMMANDS)
def test_two_workers(tmp_path, name):
    simulate_folder(tmp_path / "scans", 8, 4, 160, 4, 0.01, None if name == "calibrate" else 4.0)
    taken = {}
    for workers in (1, 2):
        given = [a.format(scans=tmp_path / "scans", out=tmp_path, workers=workers) for a in COMMANDS[name]]
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "rsd_mri", *given, "--workers", str(workers)], check=True, capture_output=True
        )
        taken[workers] = time.perf_counter() - begun
    print(f"\n{name}: one {taken[1]:.1f} s, two {taken[2]:.1f} s: {taken[2] / taken[1]:.2f} (aim: at most 0.6)")
