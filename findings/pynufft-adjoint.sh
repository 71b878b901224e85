#!/usr/bin/env bash
# pynufft 2025.2.1: `adjoint` is that of `forward` over the number of points of the oversampled grid: <A x, y> is 4096 times
# <x, adjoint(y)> for 32 x 32 pixels on the usual twofold grid, 2304 times on one of 1.5, so that a step or a weight of an iterative
# reconstruction changes with a parameter of accuracy alone. `forward` is a plain sum of exponentials about pixel n / 2, which is
# pixel n // 2 for even sizes and half a pixel beside it for odd ones: its k-space then differs by a ramp of phase from that of an FFT
# between fftshift and ifftshift.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q "pynufft==2025.2.1" "numpy==2.2.6" "scipy==1.15.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
from pynufft import NUFFT

rng = np.random.default_rng(0)


def points(n):
    """The trajectory of a Cartesian grid [rad a pixel]."""
    axis = np.arange(n) - n // 2
    return 2 * np.pi / n * np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def random(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def made(n, grid):
    operator = NUFFT()
    operator.plan(points(n), (n, n), (grid, grid), (6, 6))
    return operator


print("pynufft", version("pynufft"))
for grid in (64, 48):
    operator = made(32, grid)
    x, y = random(32, 32), random(32 * 32)
    ratio = (np.vdot(operator.forward(x), y) / np.vdot(x, operator.adjoint(y))).real
    print(f"32 x 32 pixels on a grid of {grid} x {grid}: <A x, y> / <x, adjoint(y)> is {ratio:.0f}, the grid has {grid**2} points")
    assert abs(ratio / grid**2 - 1) < 1e-3, "the adjoint has another scale now"

for n in (32, 33):
    place = np.array([3, -5])
    image = np.zeros((n, n))
    image[tuple(n // 2 + place)] = 1
    seen = made(n, 2 * n).forward(image)
    ratio = (seen / np.exp(-1j * points(n) @ place)).reshape(n, n)
    beside = [-float(np.angle(np.mean(r))) * n / (2 * np.pi) for r in (ratio[1:] / ratio[:-1], ratio[:, 1:] / ratio[:, :-1])]
    print(f"{n} x {n} pixels: a point lies {beside[0]:.2f} and {beside[1]:.2f} pixels beside its place about n // 2")
    assert np.allclose(np.abs(ratio), 1, atol=1e-3)
    assert np.allclose(np.abs(beside), 0.5 if n % 2 else 0, atol=0.01), "the middle lies elsewhere now"
PY
venv/bin/python show.py
