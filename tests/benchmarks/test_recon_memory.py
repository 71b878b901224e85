"""Memory of `recon` on a scan of many coils and large slices: bounded, and hardly more for twice the slices.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_recon_memory.py --override-ini addopts= -s
Each size is a command of its own; what is printed is the most memory it ever held.
"""

import resource
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from rsd_mri.protocol import DataSettings
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.scan.scan import Geometry
from rsd_mri.scan.writing import write_fastmri
from rsd_mri.simulation import simulate_scan

SIZE, COILS = (640, 368), 20
MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "rsd_mri", *sys.argv[1:]], capture_output=True, text=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
@pytest.mark.parametrize("method", ["zero-filled", "cg-sense"])
def test_memory_for_twice_the_slices(tmp_path, method):
    assert resource.RUSAGE_CHILDREN
    scan, _ = simulate_scan(DataSettings(slices=1, coils=COILS, noise=0.01), 0, "memory", size=SIZE)
    scan = replace(undersampled(scan, 4.0, 0), image_size=(320, 320), geometry=Geometry())
    peaks = {}
    for count in (16, 32):
        path = tmp_path / f"{count}.h5"
        write_fastmri(path, replace(scan, kspace=np.concatenate([scan.kspace] * count)))
        command = [sys.executable, "-c", MEASURED, "recon", path, "--method", method, "--out", tmp_path / "out"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        peaks[count] = int(done.stdout.split()[-1]) / 1024
        path.unlink()
    ratio = peaks[32] / peaks[16]
    print(f"\n{method}: 16 slices {peaks[16]:.0f} MiB, 32 slices {peaks[32]:.0f} MiB: {ratio:.2f} times")
