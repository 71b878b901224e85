#!/usr/bin/env bash
# pyproximal 0.13.0 (PyLops): `Huber.prox` is no proximal operator of the Huber norm. It shrinks as the square does where the value before the step is
# within alpha, and as the absolute value does beyond, and forgets that a step of tau leads from beyond alpha to within: up to alpha + tau it should be
# x alpha / (alpha + tau). Just beyond alpha = 1 a step of 1 takes 0.99 to 0.50 and 1.01 to 0.01, so that larger values become smaller ones, which no
# convex function does, and a step of 2 makes 0 of all between 1 and 2. Its documentation has the same formula. A step for 1000 numbers ends 3.6 % above
# the least of its own objective, while `HuberCircular`, of one number the same function, has the minimum. `Log1`, said to be sigma times the sum of
# logarithms, gives its value without sigma, while its `prox` knows of it: what a solver prints, and stops by, is another objective.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pyproximal==0.13.0" "pylops==2.8.0" "numpy==2.2.6" "scipy==1.15.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import pyproximal
from scipy.optimize import minimize_scalar

print("pyproximal", version("pyproximal"))
alpha, tau = 1.0, 1.0
huber = pyproximal.Huber(alpha)


def cost(one, value):
    """What the proximal operator is to minimise: tau H(one) + (one - value)^2 / 2."""
    return tau * huber(np.array([one])) + (one - value) ** 2 / 2


beside = {}
for value in (0.5, 0.99, 1.01, 1.5, 1.99, 2.5, 4.0):
    found = huber.prox(np.array([value]), tau)[0]
    circular = pyproximal.HuberCircular(alpha).prox(np.array([value]), tau)[0]
    least = minimize_scalar(cost, args=(value,), bounds=(-5, 5), method="bounded", options={"xatol": 1e-9}).x
    print(f"{value:.2f}: Huber.prox {found:.3f}, minimiser {least:.3f}, HuberCircular.prox {circular:.3f}")
    assert abs(circular - least) < 1e-6 and abs((found if value < alpha or value > alpha + tau else circular) - least) < 1e-6
    beside[value] = found - least
large = huber.prox(np.linspace(1.01, 1.99, 5), 2.0)
print(f"a step of 2 from 1.01 to 1.99: {large.round(3)}, minimisers {(np.linspace(1.01, 1.99, 5) * alpha / (alpha + 2)).round(3)}")
assert np.all(large == 0), "a step larger than alpha is right now"
assert beside[1.01] < -0.4 and beside[1.5] < -0.2, "the step from beyond alpha is right now"

rng = np.random.default_rng(0)
data = rng.standard_normal(1000) * 2
found, right = huber.prox(data, tau), np.array([pyproximal.HuberCircular(alpha).prox(one, tau) for one in data[:, None]])[:, 0]


def total(one):
    return tau * huber(one) + np.sum((one - data) ** 2) / 2


print(f"1000 numbers of standard deviation 2: objective {total(found) / total(right) - 1:+.1%} of the least")
assert total(found) > 1.01 * total(right), "the objective is least now"

vector, delta = np.array([2.0, 3.0]), 1e-3
logarithms = np.log(vector + delta).sum()
for sigma in (0.1, 1.0, 10.0):
    print(f"Log1, sigma {sigma}: value {pyproximal.Log1(sigma, delta)(vector):.3f}, sigma times the logarithms {sigma * logarithms:.3f}")
    assert np.isclose(pyproximal.Log1(sigma, delta)(vector), logarithms), "sigma is in the value now"
PY
venv/bin/python show.py
