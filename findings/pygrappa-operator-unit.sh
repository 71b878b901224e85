#!/usr/bin/env bash
# pygrappa 0.26.3: the operators of `grappaop` depend on the unit of the data. Its regularisation is `lamda` times the norm of the data beside their
# products, which are its square. Of the same k-space times 1e-6, a unit that files have, the default of 0.01 takes the operators to a thirtieth
# of their size: the step from one line to the next, which they are for, is then 91 % off instead of 35 %, and `grog`, which needs powers below zero
# too, makes images 27 times their size away from those of the first. `grappa` and `radialgrappaop` of the same package, whose `lamda` reads the same, give the
# same in every unit. Nothing is said. `lamda` times the factor of the data gives the same operators.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "pygrappa==0.26.3" "numpy==1.26.4" "scipy==1.13.1" "scikit-image==0.24.0" "tqdm==4.67.1"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
import contextlib
import io
from importlib.metadata import version

import numpy as np
from pygrappa import grappaop, grog, mdgrappa, radialgrappaop

print("pygrappa", version("pygrappa"))
N, COILS, SPOKES = 32, 8, 64


def apart(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


y, x = np.meshgrid((np.arange(N) - N // 2) / N, (np.arange(N) - N // 2) / N, indexing="ij")
angles = 2 * np.pi * np.arange(COILS) / COILS
maps = np.stack([np.exp(-6 * ((x - 0.5 * np.cos(a)) ** 2 + (y - 0.5 * np.sin(a)) ** 2) + 1j * a) for a in angles], -1)
image = ((x / 0.4) ** 2 + (y / 0.45) ** 2 < 1) * (1 + 0.3 * np.cos(20 * x) * np.sin(15 * y))
coils = image[..., None] * maps


def at(kx, ky):
    """k-space of the coils at points [cycles per field of view], a plain sum."""
    return np.exp(-2j * np.pi * (np.outer(kx, x.ravel()) + np.outer(ky, y.ravel()))) @ coils.reshape(-1, COILS)


grid = np.arange(N) - N // 2
full = at(*(axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))).reshape(N, N, COILS)
radius = np.arange(N + 1) - N / 2
turn = np.pi * np.arange(SPOKES) / SPOKES
kx, ky = np.outer(radius, np.cos(turn)), np.outer(radius, np.sin(turn))
spokes = at(kx.ravel(), ky.ravel())
lines = np.zeros_like(full)
lines[:, ::2] = full[:, ::2]


def gridded(scale, operators):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        out = grog(kx.ravel(), ky.ravel(), scale * spokes, N, N, *operators, ret_image=True)
    return out / scale


found = {}
for scale in (1.0, 1e-3, 1e-6):
    operators = grappaop(scale * full)
    step = apart(full[:-1].reshape(-1, COILS) @ operators[0], full[1:].reshape(-1, COILS))
    found[scale] = {
        "grappaop": operators[0],
        "grog": gridded(scale, operators),
        "radialgrappaop": radialgrappaop(kx, ky, scale * spokes.reshape(N + 1, SPOKES, COILS))[0],
        "grappa": mdgrappa(scale * lines, scale * full[8:24, 8:24].copy()) / scale,
    }
    print(f"k-space times {scale:.0e}: norm of the operator {np.linalg.norm(operators[0]):.2f}, a step with it is {step:.2f} from the next line")
    for name, result in found[scale].items():
        print(f"    {name} is {apart(result, found[1.0][name]):.1e} from that of k-space as it was")
for name in ("radialgrappaop", "grappa"):
    assert apart(found[1e-6][name], found[1.0][name]) < 1e-6, name
size = np.linalg.norm(found[1e-6]["grappaop"]) / np.linalg.norm(found[1.0]["grappaop"])
assert size < 0.2 and apart(found[1e-6]["grog"], found[1.0]["grog"]) > 0.1, "the unit does not count any more"
same = grappaop(1e-6 * full, lamda=0.01 * 1e-6)[0]
print(f"with lamda times 1e-6: {apart(same, found[1.0]['grappaop']):.1e}")
assert apart(same, found[1.0]["grappaop"]) < 1e-6
PY
