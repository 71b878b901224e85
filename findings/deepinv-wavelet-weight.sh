#!/usr/bin/env bash
# deepinv 0.5.0: the regularisation weight of `WaveletPrior` counts for a tenth. Its value is the sum of the magnitudes of the detail coefficients (p=1), whose
# proximal step takes gamma off each; its `prox` takes off 0.1 gamma: the argument `ths`, 0.1 by default, is a factor on gamma, and no solver gives it
# (what is given to them as g_param is passed on where nothing reads it). So PGD, FISTA, ADMM and DRS with lambda_reg=1 end at the minimum for 0.1 of an
# MRI scan of all of k-space, whose minimum PyWavelets has in closed form; ten times the weight gives what was meant. With p=0 the threshold is
# 0.1 gamma where it is the root of 2 gamma. `L1Prior`, beside it, has the weight that is given. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "deepinv==0.5.0" "torch==2.14.1" "torchvision==0.29.1" "numpy==2.2.6" "ptwt==1.0.1" "PyWavelets==1.8.0"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import pywt
import torch
from deepinv.optim import ADMM, DRS, FISTA, L2, PGD, L1Prior, WaveletPrior
from deepinv.physics import MRI

print("deepinv", version("deepinv"), "ptwt", version("ptwt"))
size = 64
random = torch.Generator().manual_seed(0)
image = torch.zeros(1, 2, size, size)
image[:, 0, 16:48, 12:52], image[:, 1, 24:40, 20:44] = 1.0, 0.5
image += 0.1 * torch.randn(image.shape, generator=random)
physics = MRI(mask=torch.ones(1, 2, size, size), img_size=(2, size, size))
kspace = physics.A(image)
assert torch.allclose(physics.A_adjoint(kspace), image, atol=1e-5)


def thresholded(weight, mode="soft"):
    """The minimum in closed form: of an orthonormal transform, the details less the weight."""
    out = []
    for channel in image[0].numpy():
        first, *details = pywt.wavedec2(channel, "haar", mode="periodization", level=2)
        details = [tuple(pywt.threshold(part, weight, mode) for part in level) for level in details]
        out.append(pywt.waverec2([first, *details], "haar", mode="periodization"))
    return torch.tensor(np.stack(out)[None])


prior = WaveletPrior(level=2, wv="haar", p=1)
value = sum(np.abs(part).sum() for channel in image[0].numpy() for level in pywt.wavedec2(channel, "haar", mode="periodization", level=2)[1:] for part in level)
print(f"value {prior.fn(image).item():.3f}, by PyWavelets {value:.3f}")
assert np.isclose(prior.fn(image).item(), value, rtol=1e-4)


def objective(x, weight):
    return (0.5 * (x - image).square().sum() + weight * prior.fn(x)).item()


for weight in (0.1, 1.0):
    exact, tenth = thresholded(weight), thresholded(0.1 * weight)
    for solver in (PGD, FISTA, ADMM, DRS):
        for g_param in (None, 1.0):
            model = solver(data_fidelity=L2(), prior=prior, lambda_reg=weight, g_param=g_param, stepsize=0.8, max_iter=200, early_stop=False)
            found = model(kspace, physics)
            beside = [torch.linalg.norm(found - other).item() / torch.linalg.norm(image - other).item() for other in (exact, tenth)]
            print(f"{solver.__name__}, weight {weight}, g_param {g_param}: sum {objective(found, weight):.2f}, least {objective(exact, weight):.2f};"
                  f" {beside[0]:.3f} of the change beside the minimum, {beside[1]:.4f} beside that of a tenth")  # fmt: skip
            assert beside[1] < 2e-2 < 0.3 < beside[0], "another weight now"
for p, mode, right in ((1, "soft", lambda gamma: gamma), (0, "hard", lambda gamma: np.sqrt(2 * gamma))):
    for gamma in (0.1, 1.0):
        found = WaveletPrior(level=2, wv="haar", p=p).prox(image, gamma=gamma)
        beside = [(found - thresholded(threshold, mode)).abs().max().item() for threshold in (right(gamma), 0.1 * gamma)]
        print(f"p={p}, prox of gamma {gamma}: {beside[0]:.3f} beside the threshold {right(gamma):.3f}, {beside[1]:.1e} beside {0.1 * gamma:.2f}")
        assert beside[1] < 1e-4 < 1e-2 < beside[0], "another threshold now"
for weight in (0.1, 1.0):
    model = PGD(data_fidelity=L2(), prior=L1Prior(), lambda_reg=weight, stepsize=0.8, max_iter=200, early_stop=False)
    assert torch.allclose(model(kspace, physics), image.sign() * (image.abs() - weight).clamp(min=0), atol=1e-4)
PY
venv/bin/python show.py
