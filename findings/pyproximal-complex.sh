#!/usr/bin/env bash
# pyproximal 0.13.0 (PyLops) and complex images. `L1.prox` shrinks magnitudes, as it should; `L1.proxdual` is to project onto magnitudes up to sigma, and
# takes NumPy's `minimum` and `maximum`, which put complex numbers in order by their real parts: magnitudes of 2.5 pass a ball of 1, and the two do not
# fit together by Moreau's identity (32 % beside it; real vectors fit to rounding). `PrimalDual`, which uses it, ends without a word at another image than
# that of its problem: total variation of a complex image ends 70 % above its least, 32 % of the image beside the minimiser, that of its real part at
# the least, as `LinearizedADMM` does for both. And `Nuclear`, the norm for low rank, transposes without conjugating: of a complex 6 x 4 matrix it
# finds 1.7 where the singular values have the sum 11.6, while its `prox` shrinks them as it should.
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
import pylops
import pyproximal
from pyproximal.optimization.primal import LinearizedADMM
from pyproximal.optimization.primaldual import PrimalDual

print("pyproximal", version("pyproximal"), "pylops", version("pylops"))
rng = np.random.default_rng(0)


def noise(*shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


norm, tau, vector = pyproximal.L1(sigma=1.0), 0.7, 2 * noise(8)
beside = {}
for name, one in (("complex", vector), ("real", vector.real)):
    whole = norm.prox(one, tau) + tau * norm.proxdual(one / tau, 1 / tau)
    beside[name] = np.linalg.norm(whole - one) / np.linalg.norm(one)
    largest = np.abs(norm.proxdual(one, 1.0)).max()
    print(f"{name}: prox and proxdual are {beside[name]:.1e} beside Moreau's identity, the largest magnitude after proxdual is {largest:.2f}")
assert beside["complex"] > 0.1 and beside["real"] < 1e-12, "magnitudes are projected now"

matrix = noise(6, 4)
for name, one in (("complex", matrix), ("real", matrix.real)):
    nuclear = pyproximal.Nuclear(one.shape, 1.0)
    found, right = nuclear(one.ravel()), np.linalg.norm(one, "nuc")
    shrunk = nuclear.prox(one.ravel(), 0.5).reshape(one.shape)
    values = np.maximum(np.linalg.svd(one, compute_uv=False) - 0.5, 0)
    print(f"{name}: nuclear norm {found:.2f}, sum of the singular values {right:.2f}")
    assert (abs(found / right - 1) > 0.5) == (name == "complex") and np.allclose(np.linalg.svd(shrunk, compute_uv=False), values)

size, weight, bound = 32, 0.15, 8.0
y, x = np.mgrid[:size, :size] - size // 2
disc = (np.hypot(x, y) < 10) * (1 + 0.3 * (x > 2)) * np.exp(1j * (0.4 + 0.15 * x)) + 0.1 * noise(size, size)


def least(gradient, image, steps=3000):
    """Minimiser of |x - image|^2 / 2 + weight |gradient x|_1, by accelerated projected gradients of the dual."""
    dual = ahead = np.zeros(gradient.shape[0], image.dtype)
    t = 1.0
    for _ in range(steps):
        step = ahead + gradient @ (image - gradient.H @ ahead) / bound
        new = step / np.maximum(1, np.abs(step) / weight)
        after = (1 + np.sqrt(1 + 4 * t * t)) / 2
        ahead = new + (t - 1) / after * (new - dual)
        dual, t = new, after
    return image - gradient.H @ dual


for name, image in (("complex", disc.ravel()), ("real", disc.real.ravel())):
    gradient = pylops.Gradient((size, size), edge=False, kind="forward", dtype=image.dtype)
    best = least(gradient, image)

    def objective(one):
        return np.linalg.norm(one - image) ** 2 / 2 + weight * np.abs(gradient @ one).sum()

    data, penalty, start = pyproximal.L2(b=image), pyproximal.L1(sigma=weight), np.zeros_like(image)
    size_of_steps = 0.99 / bound**0.5
    found = {
        "PrimalDual": PrimalDual(data, penalty, gradient, start, tau=size_of_steps, mu=size_of_steps, niter=1000),
        "LinearizedADMM": LinearizedADMM(data, penalty, gradient, start, tau=1.0, mu=1 / bound, niter=2000)[0],
    }
    for solver, one in found.items():
        excess, off = objective(one) / objective(best) - 1, np.linalg.norm(one - best) / np.linalg.norm(best)
        print(f"total variation of the {name} image, {solver}: objective {excess:+.2%} of the least, image {off:.1%} from the minimiser")
        wrong = name == "complex" and solver == "PrimalDual"
        assert excess > 0.3 if wrong else abs(excess) < 1e-3, "another minimum now"
PY
venv/bin/python show.py
