#!/usr/bin/env bash
# qmrpy 2.0.0, steady states of `qmrpy.epg.epg_gre`. Of balanced SSFP the documentation puts the bands at 1/(2 TR) off resonance, as they are where pulses
# alternate in phase. `bssfp` plays all with the same phase: its bands are at 0 and 1/TR, and what it gives on resonance is 5 % of the signal. `bssfp_steady_state`
# has the formula of alternating pulses at exactly 0 Hz and takes `bssfp` beside it: 0.132 at 0 Hz, 0.006 at 0.001 Hz; and 200 pulses, called
# enough, are 12 % off for TR 5 ms and T1 1 s. `ssfp_fid` keeps transverse magnetisation in phase that a gradient has dephased: its second signal after
# pulses of 30 degrees is 0.85 of all there is, more than one pulse can give, and its steady state 18 % too high; `ssfp_echo` is a quarter of what it should
# be. `flash` without `n_pulses` gives the first signal, called the steady state there. Beside them the matrices of Bloch and the closed forms. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "qmrpy==2.0.0" "numpy==2.2.6" "scipy==1.15.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
from qmrpy.epg import epg_gre

T1, T2 = 1000.0, 80.0
print("qmrpy", version("qmrpy"))


def rotations(angle, precession):
    """A pulse about x, and precession about z."""
    c, s, p, q = np.cos(angle), np.sin(angle), np.cos(precession), np.sin(precession)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]]), np.array([[p, q, 0], [-q, p, 0], [0, 0, 1]])


def steady(degrees, tr, precession):
    """Transverse magnetisation after and before the pulse, of spins that turn by an angle in every TR."""
    pulse, turn = rotations(np.radians(degrees), precession)
    e1, e2 = np.exp(-tr / T1), np.exp(-tr / T2)
    relaxed = turn @ np.diag([e2, e2, e1])
    after = np.linalg.solve(np.eye(3) - pulse @ relaxed, pulse @ [0, 0, 1 - e1])
    before = relaxed @ after
    return complex(*after[:2]), complex(*before[:2])


print("balanced SSFP, TR 5 ms, 45 degrees, in the middle of TR")
given = dict(t1_ms=T1, t2_ms=T2, tr_ms=5.0, fa_deg=45.0)
for offset in (0.0, 0.001, 50.0, 100.0, 200.0):
    precession = 2 * np.pi * offset * 0.005
    alternating, constant = (abs(steady(45, 5, precession + more)[0]) * np.exp(-2.5 / T2) for more in (np.pi, 0))
    found = epg_gre.bssfp_steady_state(**given, off_resonance_hz=offset)
    pulses = abs(epg_gre.bssfp(**given, off_resonance_hz=offset, n_pulses=1500)[-1])
    print(f"    {offset:g} Hz: Bloch, alternating pulses {alternating:.4f}, constant ones {constant:.4f}; bssfp_steady_state {found:.4f}, bssfp {pulses:.4f}")
    assert abs(pulses - constant) < 1e-4, "bssfp alternates now"
    assert abs(found - (alternating if offset == 0 else constant)) < (1e-6 if offset == 0 else 0.016), "bssfp_steady_state is another now"
    if offset == 100:
        assert found > 1.1 * constant > 10 * alternating, "200 pulses are enough now"

print("unbalanced SSFP, TR 10 ms, 30 degrees")
given = dict(t1_ms=T1, t2_ms=T2, tr_ms=10.0, fa_deg=30.0)
spins = [steady(30, 10, turn) for turn in (np.arange(2000) + 0.5) / 2000 * 2 * np.pi]
e1, e2, c = np.exp(-10 / T1), np.exp(-10 / T2), np.cos(np.radians(30))
root = np.sqrt((1 - e2**2) / ((1 - e1 * c) ** 2 - e2**2 * (e1 - c) ** 2))
closed = np.tan(np.radians(15)) * np.array([1 - (e1 - c) * root, 1 - (1 - e1 * c) * root])
for name, function, bloch, form, wrong in zip(("ssfp_fid", "ssfp_echo"), (epg_gre.ssfp_fid, epg_gre.ssfp_echo), np.abs(np.mean(spins, 0)), closed, (1.18, 0.24)):
    found = function(**given, n_pulses=400)
    print(f"    {name}: Bloch {bloch:.4f}, closed form {form:.4f}; found {found[-1]:.4f}, {found[-1] / form:.2f} of it; its first three {found[:3].round(3)}")
    assert abs(bloch / form - 1) < 1e-3
    assert abs(found[-1] / form - wrong) < 0.02, "the steady state is another now"
    if name == "ssfp_fid":
        second = np.sin(np.radians(30)) * (1 - e1 + e1 * c)
        print(f"        its second signal {found[1]:.3f}; dephased before the second pulse {second:.3f}")
        assert found[1] > 1.8 * second

first = float(epg_gre.flash(t1_ms=1000, tr_ms=10, fa_deg=15)[0])
ernst = np.sin(np.radians(15)) * (1 - np.exp(-0.01)) / (1 - np.exp(-0.01) * np.cos(np.radians(15)))
print(f"flash, TR 10 ms, 15 degrees: {first:.4f}, the sine of the angle {np.sin(np.radians(15)):.4f}, Ernst's steady state {ernst:.4f}")
assert abs(first - np.sin(np.radians(15))) < 1e-6
PY
venv/bin/python show.py
