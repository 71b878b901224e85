"""Preparation of a volume, all included, against BART's `ecalib` alone on the same slices.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_prepare_against_bart.py --override-ini addopts= -s
"""

import dataclasses
import shutil
import time

import numpy as np
import pytest
from test_espirit_against_bart import SIZE, bart_seconds

from rsd_mri.preparation import calibrate_volume, prepare_slice
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.simulation import simulate_scan

N_SLICES = 32


@pytest.mark.parametrize("with_noise_scan", [True, False], ids=["noise scan", "noise estimated"])
def test_a_volume_against_bart(tmp_path, with_noise_scan, benchmark):
    if shutil.which("bart") is None:
        pytest.skip("BART is not installed")
    scan, _ = simulate_scan(DataSettings(slices=4, coils=8, noise=0.01), 0, 0, size=SIZE)
    scan = dataclasses.replace(
        scan,
        kspace=np.concatenate([scan.kspace] * (N_SLICES // 4)),
        noise=scan.noise if with_noise_scan else None,
    )
    settings = PrepSettings()

    def prepare(count):
        start = time.perf_counter()
        volume = calibrate_volume(scan, settings)
        shared = time.perf_counter() - start
        for index in range(count):
            prepare_slice(scan, index, settings, volume)
        return shared, time.perf_counter() - start

    prepare(1)
    # BART and ours in turns of a few slices, so that a busy machine slows both.
    shared, ours, barts = 0.0, 0.0, 0.0
    for first in range(0, N_SLICES, 8):
        barts += bart_seconds(tmp_path, scan.kspace[first : first + 8])
        shared, total = prepare(8)
        ours += total - shared
    ratio = (ours + shared) / barts
    benchmark.extra_info["ratio to bart ecalib"] = ratio
    benchmark.pedantic(prepare, args=(1,), rounds=1)
    print(f"\n{N_SLICES} slices: {ours + shared:.1f} s (volume {shared:.1f} s), bart ecalib {barts:.1f} s: {ratio:.2f}")
