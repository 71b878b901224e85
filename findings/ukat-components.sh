#!/usr/bin/env bash
# ukat 0.7.3 (quantitative MRI of the kidney): three numbers that are not what they are called. `StimFitModel(n_comp=2)` is to fit a sum of two T2; the
# second component is taken off where it should be added, by a misplaced bracket. Echoes without noise of half 60 ms and half 800 ms give 181 and 250 ms
# and amounts of 0.93 and 0.001, the fit of one component in other words; with the same model, start and bounds least squares of the sum find all four.
# `convert_to_velocity` of a phase multiplies radians by the velocity encoding, which is the velocity at pi: 314 cm/s where 100 is the largest that can
# be, and so is the flow that `PhaseContrast` gives, which takes magnitudes besides: flow back and forth does not cancel. And `ADC.s0_err`, called the
# certainty of S0, is the exponential of the error of its logarithm, 1.01 whatever S0 is: 1000 +- 13 and 0.001 +- 0.000013 are both +- 1.01.
# (KERAS_BACKEND and jax: its segmentation, not used here, is loaded with it.)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==1.26.4" "scipy==1.11.4" "scikit-learn==1.2.2" "scikit-image==0.21.0" "dipy==1.9.0" "nibabel==5.2.1" \
    "numba==0.60.0" "pathos==0.3.2" "pandas==2.2.3" "matplotlib==3.9.4" "tabulate==0.9.0" "tqdm==4.67.1" "keras==3.6.0" "jax==0.4.30" "wget==3.2"
venv/bin/pip install -q --no-compile --no-deps "ukat==0.7.3" "renalsegmentor==2.0.0"
export OMP_NUM_THREADS=1 KERAS_BACKEND=jax HOME="$work"
cat > show.py <<'PY'
import warnings
from contextlib import redirect_stderr
from importlib.metadata import version
from io import StringIO

import numpy as np

with warnings.catch_warnings(), redirect_stderr(StringIO()):
    warnings.simplefilter("ignore")
    from ukat.mapping.diffusion import ADC
    from ukat.mapping.t2_stimfit import StimFitModel, T2StimFit, _epgsig
    from ukat.vessels.phase_contrast import PhaseContrast, convert_to_velocity
from scipy.optimize import least_squares

print("ukat", version("ukat"))


def quiet(make, *given, **options):
    with redirect_stderr(StringIO()):
        return make(*given, **options)


def echoes(parts, b1=1.0):
    """Sum of the echo trains of components (T2 in s, amount), by the package's own model of one."""
    return sum(amount * _epgsig(t2, b1, model.opt, model.mode) for t2, amount in parts)


model = StimFitModel(ukrin_vendor="siemens", n_comp=2)
train = echoes([(0.06, 0.5), (0.8, 0.5)])
fit = quiet(T2StimFit, np.tile(train, (2, 1, 1, 1)), np.eye(4), model, multithread=False, norm=False)
t2, amounts, b1 = fit.t2_map[0].ravel(), fit.m0_map[0].ravel(), fit.b1_map[0].ravel()[0]
start = model.opt["lsq"]
right = least_squares(
    lambda p: train - echoes([p[0:2], p[2:4]], p[4]), start["X0"], bounds=(start["XL"], start["XU"]), xtol=start["xtol"], ftol=start["ftol"]
).x
signs = {sign: np.linalg.norm(echoes([(t2[0] / 1e3, amounts[0]), (t2[1] / 1e3, sign * amounts[1])], b1) - train) for sign in (1, -1)}
print(f"half 60 ms and half 800 ms: T2 {t2.round(1)} ms, amounts {amounts.round(4)}; least squares of the sum: T2 {(1e3 * right[[0, 2]]).round(1)} ms, amounts {right[[1, 3]].round(4)}")
assert abs(t2[0] - 181) < 2 and amounts[1] < 0.01, "two components are found now"
assert np.allclose(right[:4], (0.06, 0.5, 0.8, 0.5), rtol=1e-3)

many = echoes([(0.05, 0.3), (0.3, 0.6)])
model_of_one = StimFitModel(ukrin_vendor="siemens", n_comp=1)
one = quiet(T2StimFit, np.tile(many, (2, 1, 1, 1)), np.eye(4), model_of_one, multithread=False, norm=False).t2_map.ravel()[0]
two = quiet(T2StimFit, np.tile(many, (2, 1, 1, 1)), np.eye(4), model, multithread=False, norm=False).t2_map[0].ravel()
print(f"0.3 of 50 ms and 0.6 of 300 ms: one component {one:.1f} ms, two {two.round(1)} ms")
assert abs(two[0] - one) < 1, "two components are found now"

largest = 100.0
phase = np.linspace(-np.pi, np.pi, 5)
velocity = convert_to_velocity(phase, largest)
print(f"velocity encoding {largest:.0f} cm/s: phases {phase.round(2)} become {velocity.round(1)} cm/s")
assert np.allclose(velocity, phase * largest), "the phase pi is the velocity encoding now"
true = 40.0
vessel = np.full((8, 8, 3), np.pi * true / largest)
flow = PhaseContrast(convert_to_velocity(vessel, largest), np.eye(4), np.ones(vessel.shape, bool)).mean_rbf
expected = 60 * 0.64 * true
print(f"0.64 cm2 at {true:.0f} cm/s: flow {flow:.0f} ml/min, area times velocity {expected:.0f} ml/min")
assert np.isclose(flow / expected, np.pi), "the flow is area times velocity now"
noise = PhaseContrast(np.random.default_rng(0).standard_normal((32, 32, 3)), np.eye(4), np.ones((32, 32, 3), bool))
print(f"noise of 1 cm/s about no flow: mean velocity {noise.mean_velocity_global:.2f} cm/s")
assert abs(noise.mean_velocity_global - (2 / np.pi) ** 0.5) < 0.05, "velocities keep their sign now"

rng, b = np.random.default_rng(0), np.array([0, 100, 200, 400, 600, 800.0])
for s0 in (1000.0, 1.0, 1e-3):
    found = quiet(ADC, s0 * np.exp(-b * 1.5e-3) * np.exp(0.02 * rng.standard_normal((40, 25, 1, 6))), np.eye(4), b)
    print(f"S0 {s0:g}: spread over 1000 voxels {found.s0.std():.2g}, mean s0_err {found.s0_err.mean():.3f}; ADC: {found.adc.std():.2g}, adc_err {found.adc_err.mean():.2g} mm2/s")
    assert abs(found.s0_err.mean() - 1.012) < 0.005 and abs(found.s0.std() / s0 - 0.013) < 0.003, "it is the error of S0 now"
    assert abs(found.adc_err.mean() / found.adc.std() - 1) < 0.2
PY
venv/bin/python -W ignore show.py
