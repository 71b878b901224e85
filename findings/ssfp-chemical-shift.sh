#!/usr/bin/env bash
# ssfp 1.2.0 and gasp-ssfp 0.0.3 (balanced SSFP): a spin's frequency is to be that of the field map and of its chemical shift together, `field_map` + `delta_cs`
# (`f0` in gasp-ssfp), both in Hz, as `bssfp`'s own formula says. The sign of the field map alone is turned round before they are added: what they do is
# their difference. Fat at -220 Hz in a field that is 20 Hz too low is shown as at -200 Hz, and 10 + 10 Hz on resonance, in the dark band, where by a step
# by step solution of the Bloch equations the signal is 8 times as strong. Of each alone the magnitudes are right, so that tests with one of the two pass.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6"
venv/bin/pip install -q --no-compile --no-deps "ssfp==1.2.0" "gasp-ssfp==0.0.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import distribution, version
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np

print("ssfp", version("ssfp"), "and gasp-ssfp", version("gasp-ssfp"))


def module(package, path):
    """A single file of a package, without what its other files need."""
    spec = spec_from_file_location(path.replace("/", "."), distribution(package).locate_file(path))
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


bssfp, gasp = module("ssfp", "ssfp/bssfp.py").bssfp, module("gasp-ssfp", "gasp/ssfp.py").ssfp
t1, t2, tr, alpha = 1.0, 0.1, 0.01, np.radians(30)


def bloch(frequency, pulses=2000):
    """Magnitude half a repetition after the last of many pulses about x, a spin of a frequency in Hz."""
    transverse, along = 0j, 1.0
    for _ in range(pulses):
        y = transverse.imag * np.cos(alpha) + along * np.sin(alpha)
        along = along * np.cos(alpha) - transverse.imag * np.sin(alpha)
        echo = abs(transverse.real + 1j * y) * np.exp(-tr / 2 / t2)
        transverse = (transverse.real + 1j * y) * np.exp(2j * np.pi * frequency * tr - tr / t2)
        along = 1 + (along - 1) * np.exp(-tr / t1)
    return echo


def signals(field, shift):
    one = bssfp(np.array([t1]), np.array([t2]), tr, alpha, field_map=np.array([field]), delta_cs=shift)
    other = gasp(t1, t2, tr, tr / 2, alpha, field_map=field, f0=shift)
    return abs(one).item(), abs(other).item()


for field, shift in ((0.0, 0.0), (20.0, 0.0), (0.0, 20.0), (10.0, 10.0), (20.0, 20.0), (20.0, -20.0), (-20.0, -220.0)):
    found, expected, difference = signals(field, shift), bloch(field + shift), bloch(field - shift)
    print(f"field {field:4.0f} Hz, shift {shift:4.0f} Hz: ssfp {found[0]:.4f}, gasp {found[1]:.4f}; Bloch equations at their sum {expected:.4f}, at their difference {difference:.4f}")
    assert np.allclose(found, difference, rtol=1e-6), "field and shift are added now"
    assert (field == 0 or shift == 0) == bool(np.isclose(expected, difference, rtol=1e-6))
PY
venv/bin/python -W ignore show.py
