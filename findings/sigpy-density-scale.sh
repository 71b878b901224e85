#!/usr/bin/env bash
# sigpy 0.1.27: the weights of `sigpy.mri.pipe_menon_dcf` have the scale of its gridding kernel, which nothing takes out again. With the
# usual kernel (beta=8, width=4) gridding with them gives about 1e-12 of the image, and `beta`, which should change accuracy alone,
# changes that by powers of ten. Given to `SenseRecon` as `weights`, with a small regularisation weight, the image is as good as
# zero: the data count for nothing. The same weights, scaled so that gridding gives the image, reconstruct it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "sigpy==0.1.27" "numpy==2.2.6" "scipy==1.15.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import sigpy as sp
import sigpy.mri as mr

print("sigpy", version("sigpy"))
n = 32
at = np.arange(n) - n // 2
x, y = np.meshgrid(at, at, indexing="ij")
image = np.exp(-((x + 2) ** 2) / 40 - (y - 3) ** 2 / 60).astype(complex)
coord = mr.radial((60, n, 2), (n, n))
kspace = sp.nufft(image, coord)


def scale(found):
    return np.vdot(image, found).real / np.vdot(image, image).real


scales = {}
for beta in (4, 8, 12):
    weights = mr.pipe_menon_dcf(coord, (n, n), beta=beta, show_pbar=False)
    gridded = sp.nufft_adjoint(kspace * weights, coord, (n, n))
    scales[beta] = scale(gridded)
    error = np.linalg.norm(gridded / scales[beta] - image) / np.linalg.norm(image)
    print(f"beta {beta}: gridding gives {scales[beta]:.1e} of the image, with an error of {error:.2f} once that is divided out")
    assert error < 0.3
assert scales[8] < 1e-9 and scales[4] / scales[12] > 1e6, "another scale now"

weights = mr.pipe_menon_dcf(coord, (n, n), show_pbar=False)
maps = np.ones((1, n, n), complex)
for name, given in (("as they are", weights), ("scaled", weights / scales[8])):
    app = mr.app.SenseRecon(kspace[None], maps, lamda=1e-3, weights=given, coord=coord, max_iter=50, show_pbar=False)
    found = app.run()
    print(f"SenseRecon, lamda 0.001, weights {name}: {scale(found):.1e} of the image")
    assert (scale(found) < 1e-6) if given is weights else (scale(found) > 0.9), "another image now"
PY
venv/bin/python show.py
