#!/usr/bin/env bash
# sigpy 0.1.27: `sigpy.linop.Wavelet` takes every wavelet that PyWavelets names, and its adjoint `.H` is the reconstruction by the same
# wavelet. That is the adjoint for orthogonal ones (haar, db, sym, coif) and is another operator for biorthogonal ones: of random
# coefficients of bior2.2 and rbio2.2 it makes images two thirds of their size away from the adjoint's, of bior4.4, the wavelet of JPEG
# 2000, a fifth. `L1WaveletRecon(wave_name="bior2.2")`, whose threshold step takes the transform for unitary besides, ends without a word
# at another image than that of its problem: of a fully sampled image of one coil its objective is 5 % above the least, 0.5 % with db4.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "sigpy==0.1.27" "PyWavelets==1.8.0" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import sigpy
import sigpy.mri

print("sigpy", version("sigpy"), "PyWavelets", version("PyWavelets"))
rng = np.random.default_rng(0)
n = 32


def matrix(name):
    """The transform in one array, a column a pixel."""
    transform = sigpy.linop.Wavelet((n, n), wave_name=name)
    pixels = np.eye(n * n).reshape(-1, n, n)
    return np.stack([transform(pixel).real.ravel() for pixel in pixels], axis=1)


def least(array, image, weight, steps=3000):
    """Minimiser of |x - image|^2 / 2 + weight |array x|_1, by accelerated projected gradients of the dual."""
    size = 1 / np.linalg.norm(array, 2) ** 2
    dual = ahead = np.zeros(len(array))
    t = 1.0
    for _ in range(steps):
        new = np.clip(ahead + size * (array @ (image - array.T @ ahead)), -weight, weight)
        after = (1 + np.sqrt(1 + 4 * t * t)) / 2
        dual, ahead, t = new, new + (t - 1) / after * (new - dual), after
    return image - array.T @ dual


y, x = np.mgrid[:n, :n] - n // 2
image = (np.hypot(x, y) < 10) * (1 + 0.3 * (x > 2)) + 0.1 * rng.standard_normal((n, n))
kspace = sigpy.fft(image.astype(np.complex128), axes=(-2, -1))[None]
weight, excess = 0.1, {}
for name in ("db4", "bior4.4", "bior2.2", "rbio2.2"):
    transform, array = sigpy.linop.Wavelet((n, n), wave_name=name), matrix(name)
    coefficients = rng.standard_normal(transform.oshape)
    right = array.T @ coefficients.ravel()
    apart = np.linalg.norm(transform.H(coefficients).real.ravel() - right) / np.linalg.norm(right)

    def objective(one):
        return np.sum(np.abs(one - image.ravel()) ** 2) / 2 + weight * np.abs(array @ one).sum()

    app = sigpy.mri.app.L1WaveletRecon(
        kspace, np.ones((1, n, n), complex), weight, wave_name=name, max_iter=300, show_pbar=False
    )
    theirs, best = app.run().ravel(), least(array, image.ravel(), weight)
    excess[name] = objective(theirs) / objective(best) - 1
    far = np.linalg.norm(theirs - best) / np.linalg.norm(best)
    print(f"{name:7}: .H is {apart:.1e} from the adjoint; objective {excess[name]:+.1%} of the least, image {far:.1%} from its image")
    assert (apart < 1e-9) == (name == "db4") and (apart > 0.3) == (name in ("bior2.2", "rbio2.2")), "another adjoint now"
assert excess["db4"] < 0.01 < 0.03 < min(excess["bior2.2"], excess["rbio2.2"]), "biorthogonal wavelets are minimised now"
PY
