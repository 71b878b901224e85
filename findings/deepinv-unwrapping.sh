#!/usr/bin/env bash
# deepinv 0.5.0: `ItohFidelity`, the data term of phase unwrapping, is documented as |Dx - w(Dy)|^2 / (2 sigma^2): the differences of the phase x should be
# those of the wrapped phase y, wrapped. Its value wraps the differences of x as well: the wrapped phase itself has the value 0, and so has the true one plus any
# whole wraps, pixel by pixel; its gradient is that of the documented term, not of the value. `prox` has the step size the wrong way round, as
# gamma / 2 beside the image instead of beside the data, and leaves sigma out: a larger step goes less towards the data. The mean of
# the image, of which the term knows nothing and which a proximal step keeps, is multiplied by gamma / 2. With a Tikhonov prior ADMM, which
# takes steps of `prox`, ends at other images with other step sizes, PGD, of the same problem, at its minimum by least squares. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "deepinv==0.5.0" "torch==2.14.1" "torchvision==0.29.1" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import torch
from deepinv.optim import ADMM, PGD, ItohFidelity, Tikhonov
from deepinv.physics import SpatialUnwrapping

print("deepinv", version("deepinv"))
rows, columns = 12, 16
size = rows * columns
y, x = np.mgrid[:rows, :columns]
# In wraps; neighbours differ by less than half of one.
phase = torch.tensor(0.3 * x + 0.2 * y + 0.1 * np.sin(x) + 1.5)[None, None]
physics = SpatialUnwrapping(threshold=1.0, mode="round")
wrapped = physics(phase)
assert (phase - wrapped).abs().max() > 3


def differences():
    """Every difference of neighbours, a row each."""
    lines = []
    for axis, count in ((1, columns), (0, rows)):
        one = np.diff(np.eye(count), axis=0)
        lines.append(np.kron(np.eye(rows), one) if axis else np.kron(one, np.eye(columns)))
    return np.concatenate(lines)


matrix = differences()
data = matrix @ wrapped.numpy().ravel()
data -= np.round(data)
true, start = phase.numpy().ravel(), wrapped.numpy().ravel()
random = np.random.default_rng(0)
fidelity = ItohFidelity(sigma=1.0, threshold=1.0)
whole = torch.tensor(random.integers(-3, 4, (1, 1, rows, columns)).astype(float))
for name, image in (("the true phase", phase), ("the wrapped phase", wrapped), ("the true phase plus whole wraps", phase + whole)):
    found, exact = fidelity.fn(image, wrapped, physics).item(), 0.5 * np.sum((matrix @ image.numpy().ravel() - data) ** 2)
    print(f"value of {name}: {found:.3f}, by the formula {exact:.3f}")
    assert abs(found) < 1e-9, "another value now"
    gradient = fidelity.grad(image, wrapped).numpy().ravel()
    assert np.allclose(gradient, matrix.T @ (matrix @ image.numpy().ravel() - data), atol=1e-9), "another gradient now"

near = true + 0.1 * random.standard_normal(size)
for sigma in (1.0, 0.5):
    for gamma in (0.1, 1.0, 2.0, 10.0):
        weight = gamma / sigma**2
        exact = np.linalg.solve(weight * matrix.T @ matrix + np.eye(size), weight * matrix.T @ data + near)
        image = torch.tensor(near.reshape(1, 1, rows, columns))
        found = ItohFidelity(sigma=sigma).prox(image, wrapped, physics, gamma=gamma).numpy().ravel()
        other = np.linalg.solve(matrix.T @ matrix + gamma / 2 * np.eye(size), matrix.T @ data + gamma / 2 * near)
        print(f"sigma {sigma}, gamma {gamma}: mean {found.mean():.3f} of an image of mean {near.mean():.3f}, without the mean"
              f" {np.std(found - exact):.4f} beside the minimum by least squares, which is {np.std(exact - near):.4f} beside the image")  # fmt: skip
        assert np.isclose(exact.mean(), near.mean()) and np.isclose(found.mean(), gamma / 2 * near.mean(), rtol=1e-4), "another mean now"
        assert np.std(found - other) < 1e-4 * np.std(other), "another step now"

weight = 0.2
exact = np.linalg.solve(matrix.T @ matrix + weight * np.eye(size), matrix.T @ data)
for solver, stepsize in ((PGD, 0.1), (PGD, 0.2), (ADMM, 0.2), (ADMM, 1.0), (ADMM, 5.0)):
    model = solver(data_fidelity=fidelity, prior=Tikhonov(), lambda_reg=weight, stepsize=stepsize, max_iter=1000, early_stop=False)
    found = model(wrapped, physics, init=wrapped if solver is PGD else (wrapped, wrapped)).numpy().ravel()
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    print(f"{solver.__name__}, step {stepsize}: {error:.4f} of the minimum beside it")
    assert (error < 1e-3) if solver is PGD else (error > 0.1), "another end now"
PY
venv/bin/python show.py
