#!/usr/bin/env bash
# pypulseq 1.5.0.post1: `calc_rf_bandwidth` of a pulse with a frequency offset, as every slice beside the isocentre has, is that of no pulse: the
# offset is a real exponent where a phase is meant, so that the pulse grows or falls with time. Of a sinc pulse of 980 Hz an offset of
# 200 Hz makes 1120 Hz, 1000 Hz make 2020 Hz, and the spectrum, which should move by the offset, stays where it was and
# grows by up to fifty million. A phase offset alone is right, as is the same pulse whose samples carry the offset. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pypulseq==1.5.0.post1" "numpy==2.4.6" "scipy==1.17.1"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import copy
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
import pypulseq as pp
from pypulseq.calc_rf_bandwidth import calc_rf_bandwidth

print("pypulseq", version("pypulseq"))


def middle(spectrum, axis):
    """Of where the spectrum is above half of its largest value [Hz]."""
    above = axis[np.abs(spectrum) > np.abs(spectrum).max() / 2]
    return (above[0] + above[-1]) / 2


def pulse(**offset):
    return pp.make_sinc_pulse(np.pi / 2, duration=4e-3, time_bw_product=4, apodization=0.5, use="excitation", **offset)


for offset in (0, 200, 1000, -1000):
    given = pulse(freq_offset=offset)
    carried = copy.copy(pulse())
    carried.signal = carried.signal * np.exp(2j * np.pi * offset * carried.t)
    found = []
    for rf in (given, carried):
        width, spectrum, axis = calc_rf_bandwidth(rf, return_axis=True, return_spectrum=True)
        found.append((float(np.ravel(width)[0]), float(middle(spectrum, axis)), float(np.abs(spectrum).max())))
    (width, centre, peak), (true_width, true_centre, true_peak) = found
    print(f"offset {offset} Hz: bandwidth {width:.0f} Hz about {centre:.0f} Hz, of the same offset in the samples {true_width:.0f} Hz about "
          f"{true_centre:.0f} Hz; peak of the spectrum {peak / true_peak:.3g} of the latter's")
    assert abs(true_width - 980) <= 20 and abs(true_centre - offset) <= 20
    if offset:
        assert abs(width - 980) > 100 and abs(centre) <= 20 and abs(np.log(peak / true_peak)) > 1, "the offset is a phase now"
    else:
        assert width == true_width
width = float(np.ravel(calc_rf_bandwidth(pulse(phase_offset=1.0)))[0])
print(f"phase offset of 1 rad: {width:.0f} Hz")
assert abs(width - 980) <= 20
PY
venv/bin/python show.py
