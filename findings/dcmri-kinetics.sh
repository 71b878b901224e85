#!/usr/bin/env bash
# dcmri 0.6.20 (dynamic contrast MRI): four results that differ from what they are called. Without `inflow`, in- and outflow of magnetisation are to be ignored
# by `signal_tissue`; only the inflow is: blood leaves and takes its magnetisation along. With a flow of 0.05/s and T1 of 1 s tissue at rest has 1 / 1.05 of
# its magnetisation (0.96 with exchange of water between three compartments; without exchange, "NN", all of it). With `inflow`, after a saturation ("SR"),
# nothing flows in either: the signal is that without it to the last digit. `conc_kidney` of the free nephron model ("FN") leaves the times `t` out and counts
# steps of 1 s in the tubules: of samples every 1.5 s the peak comes 40 s late and a sixth too low; with `dt=1.5` it is right. So does `conc_plug` of an infinite
# transit time. `c_lin` gives the third compartment of three no contrast agent. None of it is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "scipy==1.15.3" "matplotlib==3.10.3" "dcmri==0.6.20"
export OMP_NUM_THREADS=1 MPLBACKEND=Agg
cat > show.py <<'PY'
from importlib.metadata import version

import dcmri
import numpy as np

print("dcmri", version("dcmri"))

t = np.arange(0, 300, 1.5)
flow, r1 = 0.05, 1.0
tissue = {"H": 0.45, "vb": 0.1, "vi": 0.3, "Fb": flow, "PS": 0.005}


def relaxed(exchange, model, inflow=None):
    """Signal without contrast agent over that of spins that nothing happened to, after pulses of a hundredth of a degree."""
    sequence = {"model": model, "S0": 1, "FA": 0.01, "TR": 0.005, "TC": 1e3, "TP": 0, "B1corr": 1, "noise_sdev": 0}
    extra = {"PSe": 0.03, "PSc": 0.03} if exchange == "RR" else {}
    signal = dcmri.signal_tissue(0 * t, r1, 5000, t=t, sequence=sequence, inflow=inflow, water_exchange=exchange, **tissue, **extra)
    return signal[0] / np.sin(np.radians(0.01))


blood = {"R10a": r1, "B1corr_a": 1}
for exchange in ("NN", "RR", "FF"):
    print(f"at rest, {exchange}: {relaxed(exchange, 'SS'):.4f} without inflow, {relaxed(exchange, 'SS', blood):.4f} with; expected 1 and 1")
    assert abs(relaxed(exchange, "SS", blood) - 1) < 1e-4
assert abs(relaxed("NN", "SS") - 1) < 1e-4
assert abs(relaxed("FF", "SS") - r1 / (r1 + flow)) < 1e-4 and abs(relaxed("RR", "SS") - 0.964) < 1e-3, "outflow is left out now"
found = relaxed("FF", "SR"), relaxed("FF", "SR", blood)
print(f"SR, 1000 s after the saturation, FF: {found[0]:.4f} without inflow, {found[1]:.4f} with; expected 1 and 1")
assert found[0] == found[1] and abs(found[1] - r1 / (r1 + flow)) < 1e-4, "blood flows in now"

ca, bounds, weights = dcmri.aif_parker(t, BAT=20), [0, 15, 30, 60, 120], [1, 2, 3, 4]
plasma_flow, plasma_time, tubular_flow = 0.05, 10.0, 0.01
given = (ca, plasma_flow, plasma_time, tubular_flow, weights)
by_t, by_dt = (dcmri.conc_kidney(*given, sum=False, kinetics="FN", TT=bounds, **times)[1] for times in ({"t": t}, {"dt": 1.5}))

# Tubules: what has been filtered and has not yet left, where transit times are spread evenly within each bin.
fine = np.arange(0, 300, 0.05)
input_ = np.interp(fine, t, ca)
passed = np.interp(fine - plasma_time, fine, input_, left=0)
plasma = np.cumsum(plasma_flow * (input_ - passed)) * 0.05 / (plasma_time * (plasma_flow + tubular_flow))
share = np.array(weights) / np.sum(weights)
residue = sum(part * np.clip((upper - fine) / (upper - lower), 0, 1) for part, lower, upper in zip(share, bounds, bounds[1:]))
true = np.convolve(tubular_flow * plasma, residue)[: len(fine)] * 0.05
true = np.interp(t, fine, true)
off = [np.abs(one - true).max() / true.max() for one in (by_t, by_dt)]
print(f"tubules every 1.5 s: given t, {100 * off[0]:.1f} % of the largest concentration off, given dt, {100 * off[1]:.1f} %; largest {1e3 * by_t.max():.3f}, {1e3 * by_dt.max():.3f}, true {1e3 * true.max():.3f} mM, after {t[by_t.argmax()]:.0f}, {t[by_dt.argmax()]:.0f}, {t[true.argmax()]:.0f} s")
assert off[1] < 0.05 and off[0] > 0.15, "t counts now"

trap, whole = dcmri.conc_plug(ca, np.inf, t=t)[-1], np.trapezoid(ca, t)
print(f"what flowed into a trap: {trap:.4f} by conc_plug, {dcmri.conc_plug(ca, 1e9, t=t)[-1]:.4f} with 1e9 s, {dcmri.conc_trap(ca, t=t)[-1]:.4f} by conc_trap; integral {whole:.4f}")
assert np.isclose(trap, whole / 1.5) and np.isclose(dcmri.conc_trap(ca, t=t)[-1], whole), "t counts now"

rates = 1 + np.outer([1, 2, 3], [0, 1e-3, 2e-3]) * 5000
agent = dcmri.c_lin(rates, 5000)
print(f"agent in three compartments at the end: {(1e3 * agent[:, -1]).round(3)} mM, true 2, 4 and 6")
assert np.allclose(1e3 * agent[:, -1], [2, 4, 0]), "the third counts now"
PY
venv/bin/python -W ignore show.py
