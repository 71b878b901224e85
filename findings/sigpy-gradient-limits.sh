#!/usr/bin/env bash
# sigpy 0.1.27, the gradient designers of `sigpy.mri.rf` and the units of their documentation. `spiral_varden` takes its slew rate in g/cm/s and plays 133
# times as much: asked for 15 000 its gradient changes by two million, and the spiral is over in 7 ms instead of 18. `spiral_arch` takes mT/m/ms and stays
# a thousand times below: a spiral of 46 ms takes 1.4 s. pulpy 1.9.0, the successor, keeps either limit within 10 %. `epi` is documented in mT/m and
# takes and gives G/cm; of an odd number of echoes the last is played in the direction of the one before, from the edge of k-space to three times as far
# out. `stack_of` lays its n layers n/(n-1) times as far apart as asked for, and turns each by 1/n of a turn more than the one before. pulpy has these
# two as they are. Nothing is said of it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "sigpy==0.1.27" "pulpy==1.9.0" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import pulpy.grad as pulpy
from sigpy.mri.rf import trajgrad as sigpy

print("sigpy", version("sigpy"), "pulpy", version("pulpy"))
DT = 4e-6  # s


def fastest(gradient):
    """Largest change of the gradient vector [its unit / s], without the step to zero that ends it."""
    ends = np.flatnonzero(np.linalg.norm(gradient, axis=1))[-1]
    return np.linalg.norm(np.diff(gradient[: ends + 1], axis=0), axis=1).max() / DT


print("slew rates asked for and played")
for name, module in (("sigpy", sigpy), ("pulpy", pulpy)):
    g, k = module.spiral_varden(24, 0.4, DT, 15_000, 4, 600, 100, 1)[:2]
    played = fastest(g)
    print(f"    {name} spiral_varden: 15000 g/cm/s, {played:.0f}; {len(g) * DT * 1e3:.1f} ms")
    wrong = 133 if name == "sigpy" else 1
    assert abs(played / 15_000 / wrong - 1) < 0.1, "spiral_varden keeps another limit now"
    assert np.abs(np.diff(k, axis=0) / (4258 * DT) - g[1:]).max() < 1e-3, "k-space is no longer that of the gradient in g/cm"
for name, module in (("sigpy", sigpy), ("pulpy", pulpy)):
    g, k = module.spiral_arch(0.22, 0.002, DT, 150, 40)[:2]
    played = fastest(g) / 1e3
    print(f"    {name} spiral_arch: 150 mT/m/ms, {played:.2f}; {len(g) * DT * 1e3:.1f} ms")
    wrong = 1e-3 if name == "sigpy" else 1
    assert abs(played / 150 / wrong - 1) < 0.15, "spiral_arch keeps another limit now"
    assert np.abs(np.diff(k, axis=0) / (42577 * DT) - g[:-1]).max() < 1e-3 * np.abs(g).max(), "k-space is no longer that of the gradient in mT/m"

print("epi of 60 points over 24 cm, whose edge is 1.25 cycles/cm")
for echoes in (20, 15):
    g, k = sigpy.epi(24, 60, echoes, DT, 40, 150)[:2]
    assert np.array_equal(g, pulpy.epi(24, 60, echoes, DT, 40, 150)[0])
    unit = np.abs(100 * np.diff(k[0]) / (42577 * DT)).max() / np.abs(g[0]).max()
    print(f"    {echoes} echoes: kx from {k[0].min():.2f} to {k[0].max():.2f} cycles/cm, whose gradient in mT/m is {unit:.2f} times the one given")
    assert abs(unit - 10) < 0.01, "epi has another unit now"
    assert abs(np.abs(k[0]).max() / 1.25 - (3.3 if echoes % 2 else 1.1)) < 0.1, "the last echo lies elsewhere now"

print("stack_of, layers 0.1 apart")
line = np.stack([np.arange(5.0), np.zeros(5)], 1)
for name, module in (("sigpy", sigpy), ("pulpy", pulpy)):
    for layers in (4, 8):
        stack = module.stack_of(line, layers, 0.1).reshape(layers, 5, 3)
        apart = np.diff(stack[:, 0, 2])
        turned = np.degrees(np.arctan2(stack[1, -1, 1], stack[1, -1, 0]))
        print(f"    {name}, {layers} layers: {apart.min():.4f} to {apart.max():.4f} apart, the second turned by {turned:.0f} degrees")
        assert np.allclose(apart, 0.1 * layers / (layers - 1)) and abs(turned - 360 / layers) < 1e-6, "the layers lie elsewhere now"
PY
venv/bin/python show.py
