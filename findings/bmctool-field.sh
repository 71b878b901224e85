#!/usr/bin/env bash
# bmctool 1.0.3 (Bloch-McConnell simulations of CEST for Pulseq): a field that is off, `b0_inhom` in ppm, moves water one way and the CEST pools the
# other. Where the field is 0.5 ppm higher all resonances lie 0.5 ppm higher: the spectrum is that of the homogeneous field, moved. Here water
# moves to 0.5 and amide protons from 3.5 to 3.0 instead of 4.0 ppm, so that a spectrum moved back by the shift of water, the usual correction, has its
# pool a whole ppm beside. The Bloch-McConnell equations by scipy's `expm` agree without a shift to rounding. And of the gyromagnetic ratio its documentation
# says MHz/T, where the equations want radians: with 42.577 MHz/T the pool at 3.5 ppm comes to 0.6. Nothing is said of either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "bmctool==1.0.3" "numpy==2.2.6" "scipy==1.15.3" "pypulseq==1.5.0.post1" "matplotlib==3.9.4"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
from bmctool.parameters import CESTPool, Options, Parameters, System, WaterPool
from bmctool.simulation.BlochMcConnellSolver import BlochMcConnellSolver
from scipy.linalg import expm

print("bmctool", version("bmctool"))
field, ratio, rate, fraction, shift = 3.0, 42.577, 50.0, 0.01, 3.5
"""T, MHz/T, exchange in Hz, amount and place (ppm) of the pool of amide protons."""
nutation, duration, t1, t2 = 20.0, 5.0, 1.3, 0.05
"""Continuous saturation: Hz and s; relaxation of water in s, that of the pool has T2 0.1."""


def by_bmctool(offset, inhomogeneity=0.0, gamma=2 * np.pi * ratio):
    """Longitudinal magnetisation of water after saturation at an offset in ppm of the nominal frequency."""
    parameters = Parameters(
        water_pool=WaterPool(f=1.0, t1=t1, t2=t2), cest_pools=[CESTPool(k=rate, f=fraction, dw=shift, t1=t1, t2=0.1)], mt_pool=None,
        system=System(b0=field, gamma=gamma, b0_inhom=inhomogeneity, rel_b1=1.0), options=Options(),
    )
    solver = BlochMcConnellSolver(parameters, 1)
    solver.update_matrix(nutation, 0.0, offset * field * ratio)
    return solver.solve_equation(parameters.m_vec, duration)[parameters.mz_loc]


def by_equations(offset, inhomogeneity=0.0):
    """The same: (x, y, z) of water and pool in the frame of the pulse, which turns them about x, and 1."""
    nominal, back = 2 * np.pi * field * ratio, rate * fraction
    matrix = np.zeros((7, 7))
    for first, own, (r1, r2), leaving, amount in (
        (0, 0.0, (1 / t1, 1 / t2), back, 1.0), (3, shift, (1 / t1, 1 / 0.1), rate, fraction)
    ):
        x, y, z = first, first + 1, first + 2
        turn = nominal * (own + inhomogeneity - offset)
        matrix[[x, y, z], [x, y, z]] = -np.array([r2, r2, r1]) - leaving
        matrix[x, y], matrix[y, x] = -turn, turn
        matrix[y, z], matrix[z, y] = -2 * np.pi * nutation, 2 * np.pi * nutation
        matrix[z, 6] = r1 * amount
    for axis in range(3):
        matrix[axis, axis + 3], matrix[axis + 3, axis] = rate, back
    return (expm(matrix * duration) @ np.array([0, 0, 1.0, 0, 0, fraction, 1.0]))[2]


offsets = np.round(np.arange(-6, 6.001, 0.05), 3)


def places(spectrum):
    """Offsets of the deepest dip, water, and of the deepest of what its mirror image lacks, the pool."""
    water = offsets[np.argmin(spectrum)]
    mirrored = np.interp(2 * water - offsets, offsets, spectrum)
    beside = np.where((offsets > water + 0.3) & (2 * water - offsets > -6), mirrored - spectrum, -1)
    return water, offsets[np.argmax(beside)]


spectra = {shift_of: np.array([by_bmctool(one, shift_of) for one in offsets]) for shift_of in (0.0, 0.5)}
truths = {shift_of: np.array([by_equations(one, shift_of) for one in offsets]) for shift_of in (0.0, 0.5)}
for shift_of in spectra:
    apart = np.abs(spectra[shift_of] - truths[shift_of]).max()
    (water, pool), (true_water, true_pool) = places(spectra[shift_of]), places(truths[shift_of])
    print(f"b0_inhom {shift_of} ppm: water {water:.2f}, pool {pool:.2f} ppm; by the equations {true_water:.2f} and {true_pool:.2f}; spectra {apart:.1e} apart")
    assert (apart > 0.01) == (shift_of > 0), "all pools move with the field now"
    assert np.allclose((true_water, true_pool), (shift_of, shift + shift_of), atol=0.06) and np.allclose((water, pool), (shift_of, shift - shift_of), atol=0.06)

documented = np.array([by_bmctool(one, gamma=ratio) for one in offsets])
water, pool = places(documented)
print(f"gamma {ratio} MHz/T: water {water:.2f}, pool {pool:.2f} ppm, 3.5 / (2 pi) is {shift / (2 * np.pi):.2f}")
assert "gyromagnetic ratio [MHz/T]" in System.__init__.__doc__ and abs(pool - shift / (2 * np.pi)) < 0.15, "the unit is MHz/T now"
PY
venv/bin/python show.py
