#!/usr/bin/env bash
# mrpro 0.261015: `total_variation_denoising` is said to minimise 1/2 ||x - y||^2 + weight ||grad x||_1 and minimises ||x - y||^2 + ...: the weight
# does half of what it says. Of a step between two plateaus, whose minimum is known in closed form, the first moves by half of what it should. And
# its differences go on beyond the last sample, to a zero that is not there: the end of every axis is pulled towards zero, its beginning is
# not (here the second plateau moves by twice as much as the first), and a constant image, which has no variation, comes out smaller.
# scikit-image 0.26.0 (`denoise_tv_chambolle`, the documented problem with the same weight) has the closed form. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mrpro==0.261015" "torch==2.14.1" "torchvision==0.29.1" "ismrmrd==1.15.0" "numpy==2.4.6" "scikit-image==0.26.0"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import torch

warnings.simplefilter("ignore")
from mrpro.algorithms.denoiser import total_variation_denoising
from skimage.restoration import denoise_tv_chambolle

print("mrpro", version("mrpro"), "scikit-image", version("scikit-image"))
WEIGHT = 0.8


def denoised(signal):
    return total_variation_denoising(torch.from_numpy(signal.astype(np.float32))[None, None, None], (-1,), WEIGHT, max_iterations=400)[0, 0, 0].numpy()


def objective(x, y):
    """As documented."""
    return 0.5 * np.sum((x - y) ** 2) + WEIGHT * np.abs(np.diff(x)).sum()


for length in (4, 8):
    # From -1 to 1: the level zero, beyond the last sample, lies between the plateaus.
    step = np.repeat([-1.0, 1.0], length)
    exact = step * (1 - WEIGHT / length)
    found, beside = denoised(step), denoise_tv_chambolle(step, WEIGHT, eps=1e-9, max_num_iter=5000)
    print(f"plateaus of {length} samples: the first rises by {found[2] + 1:.4f}, the last falls by {1 - found[-3]:.4f}; closed form {WEIGHT / length:.4f}, "
          f"scikit-image {beside[2] + 1:.4f} and {1 - beside[-3]:.4f}; documented objective {objective(found, step):.4f}, of the closed form {objective(exact, step):.4f}")
    assert np.abs(beside - exact).max() < 1e-3
    assert abs(found[2] + 1 - WEIGHT / length / 2) < 1e-3, "the weight is that of the documentation now"
    assert abs(1 - found[-3] - WEIGHT / length) < 1e-3, "the end of the axis is free now"
    assert objective(found, step) > objective(exact, step) * (1 + 1e-4)

for length in (4, 8):
    for level in (1.0, 10.0):
        constant = np.full(length, level)
        found, beside = denoised(constant), denoise_tv_chambolle(constant, WEIGHT)
        print(f"{length} samples of {level:g}: {found.min():.4f} to {found.max():.4f}, scikit-image {beside.min():.4f} to {beside.max():.4f}")
        assert np.allclose(found, level - WEIGHT / 2 / length, atol=1e-3) and np.allclose(beside, level), "a constant stays one now"
image = total_variation_denoising(torch.ones(1, 1, 1, 8, 8), (-2, -1), WEIGHT, max_iterations=400)[0, 0, 0]
print(f"8 x 8 pixels of 1: from {float(image.min()):.3f} to {float(image.max()):.3f}")
assert float(image.max()) < 0.99
PY
venv/bin/python show.py
