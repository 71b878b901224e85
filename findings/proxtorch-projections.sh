#!/usr/bin/env bash
# proxtorch 0.0.9 (proximal operators for PyTorch), three that are none. With weight zero a proximal operator leaves its argument as it is; `FusedLasso` adds
# the difference of its first two samples to all then, and with other weights it shrinks each difference, which neither minimises its own value nor keeps the
# mean, as total variation does. `constraints.TraceNorm`, a projection onto matrices of a trace norm up to alpha, leaves out singular values from the first with
# which they come to more than that: a matrix just outside loses a whole component, one whose largest is above alpha becomes zero. The nearest has the same
# taken from all, as the package's own `L1Ball` does. And `Huber` shrinks as the square does what is within delta before the step, not after it, and writes into
# the tensor that it is given. Nothing is said of any.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "torch==2.14.1" "numpy==2.2.6" "scipy==1.15.3"
venv/bin/pip install -q --no-compile --no-deps "proxtorch==0.0.9"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import torch
from proxtorch.constraints import L1Ball, TraceNorm
from proxtorch.operators import FusedLasso, Huber
from scipy.optimize import lsq_linear, minimize_scalar

print("proxtorch", version("proxtorch"))
torch.set_default_dtype(torch.float64)
signal = torch.tensor([1.0, 3.0, 2.0, 7.0, 7.5, 6.5, 0.0, 0.5])


def fused(values, weight):
    """argmin of 1/2 ||z - x||^2 + weight sum |z[i] - z[i+1]| by its dual: least squares within bounds."""
    differences = np.diff(np.eye(len(values)), axis=0)
    if weight == 0:
        return values
    dual = lsq_linear(differences.T, values, (-weight, weight), tol=1e-14).x
    return values - differences.T @ dual


for weight in (0.0, 0.5, 1.0):
    operator = FusedLasso(weight)
    found, true = operator.prox(signal, 1.0), torch.tensor(fused(signal.numpy(), weight))
    costs = [float(0.5 * torch.sum((one - signal) ** 2) + operator._nonsmooth(one)) for one in (found, true)]
    print(
        f"fused lasso of weight {weight}: {found.numpy().round(2)}, true {true.numpy().round(2)}; costs {costs[0]:.2f} and {costs[1]:.2f}; "
        f"means {found.mean():.2f} and {true.mean():.2f}, of the signal {signal.mean():.2f}"
    )
    assert costs[0] > costs[1] + 1 and np.isclose(true.mean(), signal.mean()), "the cost is minimised now"
assert torch.allclose(FusedLasso(0.0).prox(signal, 1.0), signal + signal[0] - signal[1]), "weight zero changes nothing now"

made = torch.Generator().manual_seed(0)
left, right = (torch.linalg.qr(torch.randn(3, 3, generator=made))[0] for _ in range(2))
for values in ((3.0, 1.0, 0.5), (3.0, 1.4, 0.2), (6.0, 1.0, 0.5)):
    matrix, radius = left @ torch.diag(torch.tensor(values)) @ right.T, 4.4
    found = TraceNorm(radius).prox(matrix)
    nearest = left @ torch.diag(L1Ball(radius).prox(torch.tensor(values))) @ right.T
    parts, best = torch.linalg.svdvals(found), torch.linalg.svdvals(nearest)
    apart = [float(torch.linalg.norm(one - matrix)) for one in (found, nearest)]
    print(f"singular values {values} onto a trace norm of {radius}: {parts.numpy().round(2)}, {apart[0]:.2f} away; nearest {best.numpy().round(2)}, {apart[1]:.2f}")
    assert best.sum() < radius + 1e-9 and apart[0] > 1.5 * apart[1], "it is the nearest matrix now"

for start in (0.9, 1.2, 1.8, 3.0):
    given = torch.tensor([start])
    found = float(Huber(1.0, 1.0).prox(given, 1.0)[0])
    true = minimize_scalar(lambda z: 0.5 * (z - start) ** 2 + (0.5 * z**2 if abs(z) <= 1 else abs(z) - 0.5), bounds=(-5, 5), method="bounded", options={"xatol": 1e-10}).x
    print(f"Huber of {start}: {found:.3f}, true {true:.3f}; the tensor that was given is {float(given[0]):.3f} now")
    assert (abs(found - true) > 0.05) == (1 < start < 2) and float(given[0]) == found, "it is the minimiser now"
PY
venv/bin/python -W ignore show.py
