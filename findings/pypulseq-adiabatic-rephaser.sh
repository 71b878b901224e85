#!/usr/bin/env bash
# pypulseq 1.5.0.post1: the rephasing gradient that `make_adiabatic_pulse` returns with `return_gz=True` has nearly the whole area of the slice gradient
# where it should have half: the centre of the pulse, in seconds, is taken for a part of it. The 5 ms of a pulse of 10 ms count as 0.005. Played
# together, slice gradient and rephaser leave half of a slice gradient over: a spoiler of as many cycles across the slice as half the
# pulse's bandwidth times its duration, in the wrong place. The rephasers of the other pulses, here `make_sinc_pulse`, are right. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pypulseq==1.5.0.post1" "numpy==2.2.6" "scipy==1.15.3" "matplotlib==3.10.3"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
import pypulseq as pp

print("pypulseq", version("pypulseq"))
system = pp.Opts(max_grad=40, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
THICKNESS = 10e-3
for duration in (5e-3, 10e-3, 20e-3):
    options = {"duration": duration, "return_gz": True, "slice_thickness": THICKNESS, "system": system}
    made = {
        "sinc": pp.make_sinc_pulse(np.pi / 2, use="excitation", **options),
        "hypsec": pp.make_adiabatic_pulse("hypsec", beta=800, mu=4.9, **options),
        "wurst": pp.make_adiabatic_pulse("wurst", bandwidth=4000, **options),
    }
    for name, (rf, slice_gradient, rephaser) in made.items():
        # From the middle of the pulse, in time from the beginning of the flat top, to its end, and the ramp.
        flat = slice_gradient.amplitude * (slice_gradient.flat_time - rf.center)
        after = flat + slice_gradient.amplitude * slice_gradient.fall_time / 2
        left = (after + rephaser.area) * THICKNESS
        print(f"{name:6} of {duration * 1e3:.0f} ms, centre at {rf.center * 1e3:.2f} ms: rephaser {-rephaser.area / after:.3f} of what follows the centre; "
              f"{left:.2f} cycles left across the slice")
        if name == "sinc":
            assert abs(rephaser.area + after) < 1e-2 * after
        else:
            taken = slice_gradient.amplitude * duration * (1 - rf.center) + slice_gradient.amplitude * slice_gradient.fall_time / 2
            assert np.isclose(-rephaser.area, taken, rtol=1e-3) and -rephaser.area > 1.8 * after, "the centre is a part of the pulse now"
PY
venv/bin/python show.py
