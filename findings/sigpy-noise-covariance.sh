#!/usr/bin/env bash
# sigpy 0.1.27: `sigpy.mri.get_cov` sums over the samples of the noise and does not divide by their number. Data whitened with it
# have noise of one over the root of that number, not of one, and two noise scans of the same coils that differ in length alone
# scale the data, and with it what a regularisation weight means, differently. It also takes the mean out of the array that it is
# given: the caller's noise is changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "sigpy==0.1.27" "numpy==2.2.6"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from sigpy.mri import get_cov, whiten

rng = np.random.default_rng(0)
mix = np.eye(4) + 0.3 * rng.standard_normal((4, 4))


def noise(samples):
    white = rng.standard_normal((4, samples)) + 1j * rng.standard_normal((4, samples))
    return mix @ white / np.sqrt(2)


print("sigpy", version("sigpy"))
scan = noise(40_000)
for samples in (400, 40_000):
    measured = noise(samples)
    level = np.sqrt(np.mean(np.abs(whiten(scan, get_cov(measured))) ** 2))
    print(f"noise of {samples} samples: whitened noise {level:.5f}, one over the root of the samples {samples**-0.5:.5f}")
    assert abs(level * samples**0.5 - 1) < 0.1, "the covariance is divided by the number of samples now"

measured = noise(400) + 5
before = measured.copy()
get_cov(measured)
print(f"mean of the caller's noise before and after: {before.mean().real:.2f}, {abs(measured.mean()):.2f}")
assert abs(before.mean().real - 5) < 0.2 and abs(measured.mean()) < 1e-9, "the caller's array is left alone now"
PY
