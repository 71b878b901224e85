"""Reading a scan, with all its checks, against h5py's bare read of the same k-space."""

import h5py
import numpy as np
import pytest

from rsd_mri.scan import Scan, read_scan, write_fastmri


@pytest.mark.parametrize("reader", ["h5py", "rsd_mri"])
def test_read_fastmri(benchmark, tmp_path, reader):
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((4, 16, 640, 368, 2), dtype=np.float32)
    mask = np.ones(368, bool)
    scan = Scan(parts.view(np.complex64)[..., 0], mask, "full", tmp_path / "made", "simulated")
    path = write_fastmri(tmp_path / "a.h5", scan)

    def bare():
        with h5py.File(path) as file:
            return file["kspace"][()]

    benchmark.group = "read 115 MiB of k-space"
    result = benchmark(bare if reader == "h5py" else lambda: read_scan(path).kspace)
    assert result.shape == scan.kspace.shape
