#!/usr/bin/env bash
# pypulseq 1.5.0.post1: `Sequence.calculate_kspace(gradient_offset=)` is said to simulate background gradients. On an axis that the sequence uses the
# offset begins with the first gradient of that axis, not with the pulse: all that the spins dephase before is missing. Of a pulse, a wait
# of 10 ms and a readout along x, k-space along x moves by 1 1/m at the first sample where the integral is 11.5, and along y and z, which have
# no gradient, by 11.5. After a gradient of no area in front of the sequence all three agree. Later repetitions are right, so that the first line of a
# scan differs from the others. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pypulseq==1.5.0.post1" "numpy==2.2.6" "scipy==1.15.3" "matplotlib==3.9.4"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import pypulseq as pp

print("pypulseq", version("pypulseq"))
system = pp.Opts(max_grad=40, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
offset, samples = 1000.0, 64
"""Hz/m on all three axes."""


def moved(repetitions, first):
    """What the offset adds to k-space at the first sample of each readout [axis, repetition], and its integral since the pulse."""
    sequence = pp.Sequence(system)
    if first:
        for sign in (1, -1):
            sequence.add_block(pp.make_trapezoid("x", area=100 * sign, duration=1e-3, system=system))
    pulse = pp.make_block_pulse(np.pi / 2, duration=1e-3, system=system, use="excitation")
    readout = pp.make_trapezoid("x", flat_area=samples / 0.256, flat_time=3.2e-3, system=system)
    samples_of_readout = pp.make_adc(samples, duration=3.2e-3, delay=readout.rise_time, system=system)
    for _ in range(repetitions):
        sequence.add_block(pulse)
        sequence.add_block(pp.make_delay(10e-3))
        sequence.add_block(pp.make_trapezoid("x", area=-readout.area / 2, duration=1e-3, system=system))
        sequence.add_block(readout, samples_of_readout)
        sequence.add_block(pp.make_delay(20e-3))
    without, _, pulses, _, times = sequence.calculate_kspace()
    with_offset = sequence.calculate_kspace(gradient_offset=offset)[0]
    return (with_offset - without)[:, ::samples], offset * (times[::samples] - np.array(pulses))


for first in (False, True):
    found, integral = moved(2, first)
    print("after a gradient and its reverse along x:" if first else "the pulse first:")
    for repetition in range(2):
        print(f"  repetition {repetition}: k-space moves by {found[:, repetition].round(3)} 1/m along x, y, z, the integral is {integral[repetition]:.3f}")
    assert np.allclose(found[1:], integral) and np.allclose(found[0, 1], integral[1])
    assert np.allclose(found[0, 0], integral[0]) == first, "the offset begins elsewhere now"
PY
venv/bin/python show.py
