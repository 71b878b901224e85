#!/usr/bin/env bash
# odl 1.0.0: the adjoint of `trafos.FourierTransform` and `trafos.DiscreteFourierTransform` is their inverse; the transform is unitary, its documentation says.
# Neither is, for the inner products of its spaces. The discrete one is not normalised: A^H A is the number of pixels over the area of one, 1024 for 32 x 32
# pixels of 1 x 1, where `adjoint` makes 1 of it. A regularisation weight counts as many times too much, and `power_method_opnorm`, from which
# step sizes are taken, says 1 instead of 32. The other multiplies by the transform of its pixels: A^H A falls from 1 in the middle of k-space to 0.164
# in its corners, and `adjoint` divides where it should multiply: a sample, and its noise, counts six times too much there. Nothing is said. Beside it the
# matrices of both, built from their columns, and the slope of the misfit. Gradient and its adjoint agree.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "odl==1.0.0" "numpy==2.4.6" "scipy==1.17.1"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

with warnings.catch_warnings(action="ignore"):
    import odl

warnings.simplefilter("error")
print("odl", version("odl"))
SIZE = 32
space = odl.uniform_discr([0, 0], [SIZE, SIZE], (SIZE, SIZE), dtype=complex)
rng = np.random.default_rng(0)


def drawn(of):
    return of.element(rng.standard_normal(of.shape) + 1j * rng.standard_normal(of.shape))


def matrix(size, transform):
    """A transform in one dimension as a matrix, and the adjoint of it for the inner products of its spaces."""
    line = odl.uniform_discr(0, size, size, dtype=complex)
    operator = transform(line)
    units = [np.eye(size)[index].astype(complex) for index in range(size)]
    columns = np.stack([operator(line.element(unit)).asarray() for unit in units], 1)
    source, target = line.element(units[0]), operator.range.element(units[0])
    return columns, columns.conj().T * (target.inner(target) / source.inner(source))


def slopes(operator, image, data, direction):
    """The slope of half the squared misfit along a direction: by differences, which are exact for a square, and by `adjoint`."""
    misfit = [(operator(image + step * direction) - data).norm() ** 2 / 2 for step in (-1, 1)]
    gradient = operator.adjoint(operator(image) - data)
    return (misfit[1] - misfit[0]) / 2, gradient.inner(direction).real


gradient = odl.Gradient(odl.uniform_discr([0, 0], [SIZE, SIZE], (SIZE, SIZE)))
image, vectors = gradient.domain.element(rng.standard_normal((SIZE, SIZE))), gradient.range.element(rng.standard_normal((2, SIZE, SIZE)))
assert np.isclose(gradient(image).inner(vectors), image.inner(gradient.adjoint(vectors)))

found = {}
for transform in (odl.trafos.DiscreteFourierTransform, odl.trafos.FourierTransform):
    name = transform.__name__
    operator = transform(space)
    a, b = drawn(operator.domain), drawn(operator.range)
    ratio = operator(a).inner(b) / a.inner(operator.adjoint(b))
    forward, adjoint = matrix(SIZE, transform)
    one = np.linalg.eigvalsh(adjoint @ forward)
    whole = np.multiply.outer(one, one)
    norm = odl.power_method_opnorm(operator, maxiter=20)
    back = (operator.adjoint(operator(a)) - a).norm() / a.norm()
    by_differences, by_adjoint = slopes(operator, a, b, drawn(operator.domain))
    print(f"{name}: <A x, y> is {abs(ratio):.3g} of <x, adjoint(y)>; adjoint(A x) is x within {back:.0e}")
    print(f"    A^H A by its matrix from {whole.min():.4g} to {whole.max():.4g}, the norm {np.sqrt(whole.max()):.4g}, by power_method_opnorm {norm:.4g}")
    print(f"    slope of the misfit {by_differences:.4g}, by adjoint {by_adjoint:.4g}")
    assert abs(abs(ratio) - 1) > 0.05 and back < 1e-10, "the adjoint is no longer the inverse"
    assert abs(by_adjoint / by_differences - 1) > 0.05 and np.isclose(norm, 1)
    found[name] = whole.min(), whole.max()
assert np.allclose(found["DiscreteFourierTransform"], SIZE**2) and np.allclose(found["FourierTransform"], (0.1643, 1), atol=1e-3)

operator, weight = odl.trafos.DiscreteFourierTransform(space), 100.0
truth = drawn(space)
data = operator(truth)
solved = space.zero()
odl.solvers.conjugate_gradient(operator.adjoint @ operator + weight * odl.IdentityOperator(space), solved, operator.adjoint(data), niter=20)
kept = (solved.inner(truth) / truth.inner(truth)).real
print(f"least squares with a ridge of {weight:.0f} keeps {kept:.4f} of the image, where {SIZE**2 / (SIZE**2 + weight):.4f} is the minimum")
assert np.isclose(kept, 1 / (1 + weight), rtol=1e-3), "the weight means something else now"

operator = odl.trafos.FourierTransform(space)
corner = operator.range.zero()
corner[0, 0] = 1.0
middle = operator.range.zero()
middle[SIZE // 2, SIZE // 2] = 1.0
strengths = [operator.adjoint(one).norm() / operator.adjoint(middle).norm() for one in (middle, corner)]
expected = np.sqrt(found["FourierTransform"][0])
print(f"a point in the corner of k-space has {strengths[1]:.2f} times the image of one in the middle, where {expected:.2f} is the adjoint: {strengths[1] / expected:.1f} times")
assert np.isclose(strengths[1], 1 / expected, rtol=1e-2)
PY
venv/bin/python show.py
