#!/usr/bin/env bash
# pypulseq 1.5.0.post1: `split_gradient_at` of a trapezoid with a delay loses that delay from the second part: it begins early by as much, while the first still
# lies there. Added up, which by the documentation gives the gradient that was cut, the parts are twice its amplitude for a while and end before it
# does. The area is kept, so that no check of moments finds it. Without a delay the parts are right, and so they are once the delay is added to
# that of the second. `split_gradient`, which cuts at the ramps, is right with a delay, but rounds the times of the caller's gradient in
# place. Nothing is said.
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
clock = np.arange(0, 6e-3, 2e-6) + 1e-6


def drawn(*gradients):
    """Sum of the gradients at the times of the clock [Hz/m]."""
    whole = np.zeros_like(clock)
    for one in gradients:
        if one.type == "trap":
            times, values = np.cumsum([0, one.rise_time, one.flat_time, one.fall_time]), [0, one.amplitude, one.amplitude, 0]
        else:
            times, values = one.tt, one.waveform
        whole += np.interp(clock, one.delay + times, values, left=0, right=0)
    return whole


def trapezoid(delay):
    return pp.make_trapezoid("x", amplitude=1e5, rise_time=1e-4, flat_time=2e-3, fall_time=1e-4, delay=delay, system=system)


for delay in (0.0, 0.5e-3, 1e-3):
    whole = trapezoid(delay)
    wanted, cut = drawn(whole), delay + 1e-3
    parts = pp.split_gradient_at(trapezoid(delay), cut, system=system)
    found = drawn(*parts)
    ramps = drawn(*pp.split_gradient(trapezoid(delay), system=system))
    together = pp.add_gradients(parts, system=system)
    print(f"delay {delay * 1e3:.1f} ms, cut at {cut * 1e3:.1f} ms: the second part begins at {parts[1].delay * 1e3:.1f} ms; together up to "
          f"{found.max() / 1e5:.2f} of the amplitude, area {found.sum() / wanted.sum():.3f}, ends at {pp.calc_duration(*parts) * 1e3:.1f} ms, not "
          f"{pp.calc_duration(whole) * 1e3:.1f}; by add_gradients {np.abs(together.waveform).max() / 1e5:.2f}")
    assert np.isclose(found.sum(), wanted.sum(), rtol=1e-2)
    assert np.abs(ramps - wanted).max() < 1e-6 * wanted.max()
    if delay:
        assert np.isclose(parts[1].delay, cut - delay) and found.max() > 1.99e5, "the delay is kept now"
    parts[1].delay += delay
    assert np.abs(drawn(*parts) - wanted).max() < 1e-6 * wanted.max()

uneven = pp.make_trapezoid("x", amplitude=1e5, rise_time=1e-4, flat_time=2e-3, fall_time=1e-4, delay=0.5014e-3, system=system)
pp.split_gradient(uneven, system=system)
print(f"split_gradient: the delay of the caller's gradient was 0.5014 ms and is {uneven.delay * 1e3:.4f} ms")
assert np.isclose(uneven.delay, 0.50e-3, atol=1e-9), "the caller's gradient is left alone now"
PY
venv/bin/python show.py
