"""Memory of `recon` on 3-D raw data: hardly more for twice the readout, for lines are transformed as they are read.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_slab_memory.py --override-ini addopts= -s
Each size is a command of its own; what is printed is the most memory it ever held.
"""

import resource
import subprocess
import sys

import ismrmrd
import numpy as np
import pytest

from rsd_mri.machine.randomness import generator
from rsd_mri.protocol import MaskSettings
from rsd_mri.scan.header import format_header
from rsd_mri.scan.patterns import draw_mask

PHASE, PARTITION, COILS = 96, 80, 12
MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "rsd_mri", *sys.argv[1:]], capture_output=True, text=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def slab_file(path, readout):
    """A blob in a volume, the readout oversampled twice, an ellipse of points at R = 4."""
    mask = draw_mask(MaskSettings("elliptical", 4.0, 16), (PHASE, PARTITION), generator(0)).mask.numpy()
    x, y, z = (np.exp(-(((np.arange(n) - n // 2) / (n / 12)) ** 2)) for n in (readout, PHASE, PARTITION))
    coils = np.exp(1j * np.arange(COILS))[:, None]
    limits = "<kspace_encoding_step_2><minimum>0</minimum><maximum>{}</maximum><center>{}</center>"
    header = format_header((readout, PHASE), (readout // 2, PHASE), 1, COILS, voxel_size=(1, 1, PARTITION))
    header = header.replace("<z>1</z>", f"<z>{PARTITION}</z>")
    header = header.replace(limits.format(0, 0), limits.format(PARTITION - 1, PARTITION // 2))
    rng = np.random.default_rng(0)
    with ismrmrd.Dataset(str(path), "dataset") as file:
        file.write_xml_header(header.encode())
        for i, j in np.argwhere(mask):
            noise = 1e-3 * rng.standard_normal((2, COILS, readout))
            acq = ismrmrd.Acquisition.from_array((coils * x * y[i] * z[j] + noise[0] + 1j * noise[1]).astype("c8"))
            acq.center_sample, acq.sample_time_us = readout // 2, 5.0
            acq.idx.kspace_encode_step_1, acq.idx.kspace_encode_step_2 = i, j
            file.append_acquisition(acq)
    return path


@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_memory_for_twice_the_readout(tmp_path):
    assert resource.RUSAGE_CHILDREN
    peaks = {}
    for readout in (384, 768):
        path = slab_file(tmp_path / f"{readout}.h5", readout)
        command = [sys.executable, "-c", MEASURED, "recon", path, "--method", "zero-filled", "--out", tmp_path / "out"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        peaks[readout] = int(done.stdout.split()[-1]) / 1024
        dense = readout * PHASE * PARTITION * COILS * 8 / 2**20
        print(f"\nreadout {readout}, k-space of {dense:.0f} MiB: at most {peaks[readout]:.0f} MiB")
        path.unlink()
    assert peaks[768] < 1.15 * peaks[384]
