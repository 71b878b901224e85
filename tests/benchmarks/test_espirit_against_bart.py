"""ESPIRiT against BART's `ecalib` and sigpy's `EspiritCalib`, same slices, same threads.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_espirit_against_bart.py --override-ini addopts= -s

BART is timed with its own start-up and file reading (some 20 ms), as any user of it is.
"""

import os
import shutil
import subprocess
import time

import numpy as np
import pytest
import sigpy
import sigpy.mri
import torch
from bart_files import write_cfl

from rsd_mri.coils.espirit import espirit
from rsd_mri.protocol import DataSettings
from rsd_mri.simulation import simulate_scan

SIZE = (320, 168)
THREADS = torch.get_num_threads()


@pytest.fixture(scope="module")
def kspace():
    scan, _ = simulate_scan(DataSettings(slices=2, coils=8, noise=0.01), 0, 0, size=SIZE)
    return scan.kspace


def bart_seconds(tmp_path, slices):
    for index, one in enumerate(slices):
        write_cfl(tmp_path / f"k{index}", one.transpose(1, 2, 0)[:, :, None])
    environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS))
    start = time.perf_counter()
    for index in range(len(slices)):
        command = ["bart", "ecalib", "-m1", "-r24", "-k6", f"k{index}", "maps"]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def our_seconds(slices, sets=1):
    start = time.perf_counter()
    for one in slices:
        espirit(torch.from_numpy(sigpy.resize(one, (8, 24, 24)))[None], SIZE, sets=sets)
    return time.perf_counter() - start


@pytest.mark.parametrize("sets", [1, 2])
def test_against_bart(kspace, tmp_path, sets, benchmark):
    if shutil.which("bart") is None:
        pytest.skip("BART is not installed")
    our_seconds(kspace, sets)
    # Alternating rounds: a busy machine slows both.
    ratio = float(np.median([our_seconds(kspace, sets) / bart_seconds(tmp_path, kspace) for _ in range(3)]))
    benchmark.extra_info["ratio to bart ecalib"] = ratio
    benchmark.pedantic(our_seconds, args=(kspace, sets), rounds=3)
    print(f"\nESPIRiT, {sets} set(s): {ratio:.2f} of bart ecalib's time")


def test_against_sigpy(kspace, benchmark):
    our_seconds(kspace)
    ours = our_seconds(kspace)
    start = time.perf_counter()
    for one in kspace:
        sigpy.mri.app.EspiritCalib(one, calib_width=24, crop=0.9, show_pbar=False).run()
    ratio = ours / (time.perf_counter() - start)
    benchmark.extra_info["ratio to sigpy"] = ratio
    benchmark.pedantic(our_seconds, args=(kspace,), rounds=3)
    print(f"\nESPIRiT: {ratio:.2f} of sigpy's time")
