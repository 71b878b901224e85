#!/usr/bin/env bash
# torchkbnufft 1.5.2: norm="ortho" is the norm of the FFT on the oversampled grid, not that of the transform. On the points of a
# Cartesian grid the transform is unitary in no dimension: at the usual twofold grid A^H A is 1/2, 1/4 and 1/8 of the identity in
# 1-D, 2-D and 3-D, and another `grid_size`, which should change accuracy and time alone, changes it too. A regularisation weight
# or a step that was right with sigpy or mrpro, whose transforms are unitary there, is off by as much.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "torchkbnufft==1.5.2" "torch==2.8.0" "sigpy==0.1.27" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import sigpy
import torch
from torchkbnufft import KbNufft, KbNufftAdjoint

print("torchkbnufft", version("torchkbnufft"), "sigpy", version("sigpy"))
torch.manual_seed(0)
for size in ((32,), (32, 32), (16, 16, 16)):
    axes = [np.arange(n) - n // 2 for n in size]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]).astype(float)
    image = torch.randn(1, 1, *size, dtype=torch.complex64)
    theirs = sigpy.nufft(image[0, 0].numpy(), points.T, oversamp=2, width=6)
    unitary = float(np.linalg.norm(theirs) / image.norm()) ** 2
    for grid in (2.0, 1.5):
        options = {"im_size": size, "grid_size": tuple(int(grid * n) for n in size)}
        omega = torch.tensor(points * 2 * np.pi / np.array(size)[:, None], dtype=torch.float32)
        samples = KbNufft(**options)(image, omega, norm="ortho")
        back = KbNufftAdjoint(**options)(samples, omega, norm="ortho")
        gram = float((image.conj() * back).sum().real / image.norm() ** 2)
        print(f"{len(size)}-D, grid {grid} times: A^H A is {gram:.3f}, 1 over the grid's ratio {grid ** -len(size):.3f}; sigpy {unitary:.3f}")
        assert abs(gram * grid ** len(size) - 1) < 0.01 and abs(unitary - 1) < 0.02, "the norm is another now"
PY
