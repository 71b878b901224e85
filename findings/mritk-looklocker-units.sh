#!/usr/bin/env bash
# mritk 0.4.3 (T1 maps of Look-Locker and mixed sequences): `looklocker.T1_to_LL_signal` takes T1 in ms and times in s, as it says, and divides the one by
# the other as they are: whatever T1 is, the inversion has hardly recovered after 2.6 s. Nor is it the magnitude that it says it returns: it is negative.
# `T1_to_noisy_T1_looklocker`, which is to show how far noise moves T1 from its true value, then fits a flat line: 500,
# 1000 and 4000 ms all come out at 750. With times in ms, against what is written, the signal is the closed form, and the package's own fit, in s, finds T1
# again from its magnitude.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "scipy==1.15.3" "nibabel==5.4.2" "scikit-image==0.25.2" "pandas==2.2.3" "mritk==0.4.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from contextlib import redirect_stderr
from importlib.metadata import version
from io import StringIO

import numpy as np
from mritk import looklocker

print("mritk", version("mritk"))
assert "in milliseconds" in looklocker.T1_to_LL_signal.__doc__ and "times in seconds" in looklocker.T1_to_LL_signal.__doc__


def quiet(function, *given, **options):
    with redirect_stderr(StringIO()):
        return function(*given, **options)


t1, seconds = np.array([500.0, 1000.0, 4000.0]), np.linspace(0.05, 2.6, 14)
true = 1 - 2 * np.exp(-seconds / (t1[:, None] / 1e3))
found = looklocker.T1_to_LL_signal(t1, seconds)
milliseconds = looklocker.T1_to_LL_signal(t1, seconds * 1e3)
for index, value in enumerate(t1):
    print(f"T1 {value:.0f} ms: signal {found[index, 0]:.4f} after {seconds[0]:.2f} s, {found[index, -1]:.4f} after {seconds[-1]:.1f} s; closed form {true[index, 0]:.4f} and {true[index, -1]:.4f}")
assert (found < -0.98).all(), "seconds are seconds now"
assert np.allclose(milliseconds, true), "milliseconds are no longer right"

fit = quiet(looklocker.estimate_LL_T1, np.abs(true), seconds)
print(f"fit to the magnitude of the closed form: {fit.round(1)} ms")
assert np.allclose(fit, t1, rtol=1e-3)

medians = []
for value in t1:
    np.random.seed(0)
    noisy = quiet(looklocker.T1_to_noisy_T1_looklocker, np.full(40, value), seconds, sigma=0.01)
    rng = np.random.default_rng(0)
    noise = 0.01 * (rng.standard_normal((2, 40, len(seconds))))
    right = quiet(looklocker.estimate_LL_T1, np.hypot(1 - 2 * np.exp(-seconds * 1e3 / value) + noise[0], noise[1]), seconds)
    print(f"T1 {value:.0f} ms with 1 % noise, 40 times: {np.isfinite(noisy).sum()} numbers, median {np.nanmedian(noisy):.3g} ms; of the closed form {np.isfinite(right).sum()}, median {np.nanmedian(right):.0f} +- {np.nanstd(right):.0f} ms")
    medians.append(np.nanmedian(noisy))
    assert abs(np.nanmedian(right) / value - 1) < 0.05
assert np.ptp(medians) < 0.05 * medians[0], "noisy T1 depends on T1 now"
PY
venv/bin/python -W ignore show.py
