#!/usr/bin/env bash
# pypulseq 1.5.0.post1: what a pulse is for (excitation, refocusing) is in Pulseq files of version 1.5 and not in those of 1.4, which
# it writes with `v141_compat=True`. `Sequence.read` leaves it "undefined" unless `detect_rf_use=True` is given, and
# `calculate_kspace` takes every such pulse for an excitation, 180 degrees too. Of a spin echo whose phase encoding comes before
# the refocusing pulse all lines then have ky = 0, and the readout starts where its middle should be: gridded with that, the scan is one
# line. No warning is given. mri-nufft 1.5.1 (`read_pulseq_traj`) reads the file so too, and has no option. With `detect_rf_use=True`,
# and from the file of version 1.5, it is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pypulseq==1.5.0.post1" "mri-nufft==1.5.1" "numpy==2.2.6" "scipy==1.15.3"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import pypulseq as pp
from mrinufft.io import read_pulseq_traj

SAMPLES, LINES, FOV = 64, 8, 0.2
system = pp.Opts(max_grad=30, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s", rf_ringdown_time=20e-6, adc_dead_time=10e-6)


def spin_echo():
    """Lines in order, encoded before the refocusing pulse."""
    sequence = pp.Sequence(system)
    excitation = pp.make_block_pulse(np.pi / 2, duration=1e-3, system=system, use="excitation")
    refocusing = pp.make_block_pulse(np.pi, duration=1e-3, system=system, use="refocusing")
    read = pp.make_trapezoid("x", flat_area=SAMPLES / FOV, flat_time=3.2e-3, system=system)
    adc = pp.make_adc(SAMPLES, duration=read.flat_time, delay=read.rise_time, system=system)
    before = pp.make_trapezoid("x", area=read.area / 2, system=system)
    for line in range(LINES):
        encode = pp.make_trapezoid("y", area=-(line - LINES // 2) / FOV, duration=1e-3, system=system)
        sequence.add_block(excitation)
        sequence.add_block(before, encode)
        sequence.add_block(refocusing)
        sequence.add_block(read, adc)
        sequence.add_block(pp.make_delay(20e-3))
    sequence.set_definition("FOV", [FOV, FOV, 0.005])
    sequence.set_definition("ImgSize", [SAMPLES, LINES, 1])
    return sequence


def lines(samples):
    """Phase encode of each line and readout of its first and last sample, in steps of k-space."""
    cycles = np.reshape(samples, (3, LINES, SAMPLES)) * FOV
    return np.round(cycles[1, :, 0]) + 0.0, np.round(cycles[0, 0, [0, -1]], 2)


print("pypulseq", version("pypulseq"), "mri-nufft", version("mri-nufft"))
made = spin_echo()
expected = lines(made.calculate_kspace()[0])
assert np.array_equal(expected[0], np.arange(LINES) - LINES // 2)
print("as designed: lines", expected[0].tolist(), "readout", expected[1].tolist())
for number, compatible in (("1.5", False), ("1.4.1", True)):
    made.write("echo.seq", v141_compat=compatible)
    for reader in ("pypulseq", "pypulseq, detect_rf_use=True", "mri-nufft"):
        if "detect" in reader and not compatible:
            continue
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            if reader == "mri-nufft":
                samples = np.concatenate(read_pulseq_traj("echo.seq")[0]).T
            else:
                sequence = pp.Sequence(system)
                sequence.read("echo.seq", detect_rf_use="detect" in reader)
                samples = sequence.calculate_kspace()[0]
        found = lines(samples)
        print(f"file of version {number}, {reader}: lines {found[0].tolist()}, readout {found[1].tolist()}, warnings {len(said)}")
        right = np.array_equal(found[0], expected[0]) and np.allclose(found[1], expected[1], atol=0.02)
        lost = not found[0].any() and found[1][0] > 0
        assert lost if compatible and "detect" not in reader else right, "read otherwise now"
        assert not said, "a warning is given now"
PY
venv/bin/python show.py
