#!/usr/bin/env bash
# complexPyTorch 0.4 (layers of Deep Complex Networks, Trabelsi et al. 2018). `ComplexDropout` and `ComplexDropout2d` scale what they keep by 1/(1 - p) twice: in
# training the mean of the output is 1/(1 - p) times that of evaluation, 2 for p = 0.5 and 5 for 0.8, where dropout keeps it, as torch's own does. The factor enters
# whatever follows, and is gone when the network is used. `ComplexBatchNorm2d` and `1d` whiten both parts to a variance of 1 and multiply by the root of 2,
# where the paper multiplies by one over the root of 2, so that the power is 1: it is 4 (inverse covariance by eigenvalues, beside it). Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "complexPyTorch==0.4" "torch==2.13.0" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import torch
from complexPyTorch import complexLayers

torch.manual_seed(0)
print("complexPyTorch", version("complexPyTorch"))
ones = torch.ones(64, 64, 8, 8)
for name in ("Dropout", "Dropout2d"):
    for p in (0.2, 0.5, 0.8):
        layer, real = getattr(complexLayers, f"Complex{name}")(p), getattr(torch.nn, name)(p)
        training, usual = layer.train()(ones.to(torch.complex64)).mean().real, real.train()(ones).mean()
        evaluated = layer.eval()(ones.to(torch.complex64)).mean().real
        print(f"Complex{name}({p}): mean of ones in training {training:.2f}, in evaluation {evaluated:.2f}; torch's {name} {usual:.2f}")
        assert evaluated == 1 and abs(usual - 1) < 0.1, "torch's own has another mean"
        assert abs(training * (1 - p) - 1) < 0.1, "the mean is kept now"

mix = torch.tensor([[2.0, 0.0], [1.5, 0.5]])
parts = torch.randn(16, 1, 32, 32, 2) @ mix.T + torch.tensor([3.0, -1.0])
signal = torch.view_as_complex(parts.contiguous())
values, vectors = np.linalg.eigh(np.cov(parts.reshape(-1, 2).numpy().T))
centred = parts.reshape(-1, 2).numpy() - parts.reshape(-1, 2).numpy().mean(0)
paper = centred @ vectors @ np.diag(values**-0.5) @ vectors.T / np.sqrt(2)
paper = paper[:, 0] + 1j * paper[:, 1]
for name, shaped in (("2d", signal), ("1d", signal.reshape(-1, 1))):
    layer = getattr(complexLayers, f"ComplexBatchNorm{name}")(1)
    with torch.no_grad():
        out = layer.train()(shaped).numpy().ravel()
    power = np.mean(abs(out) ** 2)
    print(f"ComplexBatchNorm{name}: power {power:.3f}, in the paper {np.mean(abs(paper) ** 2):.3f}; their ratio {abs(np.vdot(paper, out) / np.vdot(paper, paper)):.3f}")
    assert abs(power - 4) < 0.01 and np.allclose(out, 2 * paper, atol=5e-3), "the power is 1 now"
PY
venv/bin/python show.py
