#!/usr/bin/env bash
# pyunlocbox 0.6.1 (proximal methods), functions that are not what their documentation says. `norm_tv` takes the weight `lambda_` of all norms and leaves it out
# of value and proximal operator: any weight denoises as 1 does. The proximal operator of `norm_l2` of an operator called tight, as all are where nothing else
# is said, is that of an operator without a null space, A^H A = nu; the documentation, and `norm_l1` and `proj_b2` beside it, have semi-orthogonal ones, A A^H =
# nu, as sampled Fourier transforms are: what was not measured is shrunk, though nothing in the function holds it. Of complex data the square of `norm_l2` is a
# complex number, and `proj_b2` ends outside its ball. And `proj_spsd` moves matrices that are semi-definite already where two eigenvalues are equal, as of a
# diffusion tensor of one fibre, for the eigenvectors that it takes are not orthogonal then.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pyunlocbox==0.6.1" "numpy==2.2.6" "scipy==1.15.3" "scikit-image==0.25.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
from pyunlocbox.functions import norm, norm_l1, norm_l2, norm_tv, proj_b2, proj_spsd
from scipy.fft import dct, idct
from scipy.stats import ortho_group
from skimage.restoration import denoise_tv_chambolle

print("pyunlocbox", version("pyunlocbox"))
rng, step = np.random.default_rng(0), 0.1

image = np.kron(np.eye(4), np.ones((8, 8))) + 0.2 * rng.standard_normal((32, 32))
assert "lambda_" in norm.__doc__ and "attributes" in norm_tv.__doc__
plain = norm_tv(dim=2, verbosity="NONE").eval(image)
for weight in (0.5, 1.0, 4.0):
    function = norm_tv(lambda_=weight, dim=2, tol=1e-10, maxit=5000, verbosity="NONE")
    found = function.prox(image.copy(), step)
    true = {times: denoise_tv_chambolle(image, weight=times * step, eps=1e-12, max_num_iter=5000) for times in (1.0, weight)}
    print(
        f"total variation, lambda_ {weight}: value {function.eval(image) / plain:.2f} of the plain one; prox {np.abs(found - true[1.0]).max():.1e} from "
        f"scikit-image's of weight 1, {np.abs(found - true[weight]).max():.1e} from that of weight {weight}"
    )
    assert np.isclose(function.eval(image), plain) and np.abs(found - true[1.0]).max() < 1e-3, "the weight counts now"
    assert weight == 1 or np.abs(found - true[weight]).max() > 0.05

size, count, step = 32, 12, 0.7
places = rng.permutation(size)[:count]


def forward(x):
    return dct(x, norm="ortho")[places]


def adjoint(y):
    whole = np.zeros(size)
    whole[places] = y
    return idct(whole, norm="ortho")


matrix = np.stack([forward(one) for one in np.eye(size)], 1)
assert np.allclose(matrix @ matrix.T, np.eye(count)), "not semi-orthogonal"
start, data = rng.standard_normal(size), rng.standard_normal(count)
true = np.linalg.solve(np.eye(size) + 2 * step * matrix.T @ matrix, start + 2 * step * adjoint(data))
null = np.eye(size) - matrix.T @ matrix
for tight in (True, False):
    found = norm_l2(y=data, A=forward, At=adjoint, tight=tight).prox(start, step)
    kept = np.linalg.norm(null @ found) / np.linalg.norm(null @ start)
    print(f"12 of 32 orthonormal frequencies, norm_l2(tight={tight}): {np.abs(found - true).max():.1e} from the minimiser, of what was not measured {kept:.3f} is left")
    assert (np.abs(found - true).max() > 0.5) == tight and np.isclose(kept, 1 / (1 + 2 * step) if tight else 1), "semi-orthogonal operators are right now"
shrunk = forward(start) - data
shrunk = start + adjoint(np.sign(shrunk) * np.maximum(np.abs(shrunk) - step, 0) - shrunk)
assert np.allclose(norm_l1(y=data, A=forward, At=adjoint).prox(start, step), shrunk), "norm_l1 has semi-orthogonal operators"

for numbers in (np.array([3, 2j]), 3 * np.exp(1j * np.linspace(0, 2, 8))):
    square, inside = norm_l2().eval(numbers), proj_b2(epsilon=1.0).prox(numbers, 1.0)
    print(
        f"{numbers.size} complex numbers: the square of norm_l2 {square:.2f}, true {np.sum(np.abs(numbers) ** 2):.2f}; projected onto the ball "
        f"of 1 they have the norm {np.linalg.norm(inside):.2f} and turn by {np.abs(np.angle(inside / numbers)).max():.2f} rad"
    )
    assert abs(square - np.sum(np.abs(numbers) ** 2)) > 5 and np.linalg.norm(inside) > 1.05, "complex numbers have absolute values now"

for eigenvalues in ((1.7, 0.3, 0.3), (1.7, 0.4, 0.3)):
    moved = []
    for seed in range(200):
        turn = ortho_group.rvs(3, random_state=seed)
        tensor = turn @ np.diag(eigenvalues) @ turn.T
        tensor = (tensor + tensor.T) / 2
        found = proj_spsd().prox(tensor, 0)
        values, vectors = np.linalg.eigh(tensor)
        assert np.allclose(vectors @ np.diag(np.maximum(values, 0)) @ vectors.T, tensor)
        moved.append(np.abs(found - tensor).max())
    print(f"semi-definite tensors of eigenvalues {eigenvalues} in 200 directions: projected {np.median(moved):.2g} away in the middle, at most {max(moved):.2g}")
    assert (max(moved) > 0.05) == (eigenvalues[1] == eigenvalues[2]), "matrices of the set stay where they are now"
PY
venv/bin/python -W ignore show.py
