#!/usr/bin/env bash
# pypulseq 1.5.0.post1 (with sigpy 0.1.27): `sigpy_n_seq` scales a multiband pulse (pulse_type="sms") by its sum, the flip angle at the frequency zero. With
# an odd number of bands one of them lies there, and each flips by what was asked for. With an even number zero lies between two bands, where the
# pulse does next to nothing: for two bands of 30 degrees the amplitude is 385 times what gives them (67 kHz instead of 175 Hz), for four 347
# times. And it counts samples of 1 us whatever the system's raster is: on a raster of 10 us a pulse of 4 ms lasts 40, at a tenth of the
# bandwidth, under a slice gradient of 4 ms. Nothing is said of either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pypulseq==1.5.0.post1" "sigpy==0.1.27" "numpy==2.2.6" "scipy==1.15.3" "matplotlib==3.10.3"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
import pypulseq as pp
from pypulseq.make_sigpy_pulse import sigpy_n_seq
from pypulseq.sigpy_pulse_opts import SigpyPulseOpts

print("pypulseq", version("pypulseq"), "sigpy", version("sigpy"))
WANTED, DURATION, BAND = 30, 4e-3, 20  # degrees, s, distance of the bands in units of 1 / DURATION


def flip(samples, dwell, frequency):
    """Of magnetisation at rest, in degrees, after samples [Hz] at an offset [Hz]: spinors, one rotation a sample."""
    alpha, beta = 1 + 0j, 0j
    for value in samples:
        turn = 2 * np.pi * dwell * np.hypot(abs(value), frequency)
        if turn:
            part = 2 * np.pi * dwell * np.sin(turn / 2) / turn
            a, b = np.cos(turn / 2) - 1j * frequency * part, -1j * value * part
            alpha, beta = a * alpha - np.conj(b) * beta, b * alpha + np.conj(a) * beta
    return np.degrees(np.arccos(np.clip(abs(alpha) ** 2 - abs(beta) ** 2, -1, 1)))


def pulse(bands, phases, system, **options):
    kind = "slr" if bands == 1 else "sms"
    settings = SigpyPulseOpts(pulse_type=kind, ptype="ex", n_bands=max(bands, 2), band_sep=BAND, phs_0_pt=phases)
    return sigpy_n_seq(np.radians(WANTED), duration=DURATION, time_bw_product=4, pulse_cfg=settings, plot=False,
                       system=system, use="excitation", **options)


usual = pp.Opts(max_grad=40, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s", rf_raster_time=1e-6)
for bands in (1, 2, 3, 4, 5):
    phases = "phs_mod" if bands == 5 else "None"
    rf = pulse(bands, phases, usual, return_gz=False)
    centres = (np.arange(bands) - (bands - 1) / 2) * BAND / DURATION
    # What the same shape needs for one of its bands, from small angles, where flip and amplitude are proportional.
    small = rf.signal * 1e-3 / np.abs(rf.signal).max() / DURATION
    factor = np.radians(WANTED) / np.radians(flip(small, 1e-6, centres[0]))
    right = small * factor
    ratio = np.abs(rf.signal).max() / np.abs(right).max()
    found = [flip(right, 1e-6, centre) for centre in centres]
    print(f"{bands} bands: peak {np.abs(rf.signal).max():.0f} Hz, {ratio:.2f} of what gives {WANTED} degrees ({np.abs(right).max():.0f} Hz, then "
          f"{min(found):.1f} to {max(found):.1f} degrees in the bands)")
    assert max(abs(angle - WANTED) for angle in found) < 2
    if bands % 2:
        assert abs(ratio - 1) < 0.1
    else:
        assert ratio > 100, "an even number of bands is scaled by its bands now"

coarse = pp.Opts(max_grad=40, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s", rf_raster_time=1e-5)
for system in (usual, coarse):
    rf, gz = pulse(1, "None", system, return_gz=True, slice_thickness=5e-3)[:2]
    print(f"raster {system.rf_raster_time * 1e6:.0f} us: a pulse of {rf.shape_dur * 1e3:.0f} ms, a gradient of {gz.flat_time * 1e3:.0f} ms, asked for {DURATION * 1e3:.0f}")
    expected = DURATION * system.rf_raster_time / 1e-6
    assert np.isclose(rf.shape_dur, expected) and np.isclose(gz.flat_time, DURATION), "the raster counts now"
PY
venv/bin/python show.py
