#!/usr/bin/env bash
# merlinth-mri 0.4.2: `ssim` and `SSIM` of `merlinth.losses` are said to be scikit-image's `structural_similarity` for batches, and agree with it
# where `data_range` is a tensor or a list. Of a whole number, as 1 or 255, they make a tensor of that many elements whose values nobody sets:
# the range is what the memory held before. The same two images then have another SSIM, or "nan", according to what other work came between; for
# 255 there are 255 ranges, and the answer is the mean over all. Nothing is said. A number with a decimal point is refused.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --no-deps "merlinth-mri==0.4.2"
venv/bin/pip install -q --no-compile "torch==2.14.1" "torchvision==0.29.1" "numpy==2.2.6" "scikit-image==0.25.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import torch

warnings.simplefilter("ignore")
from merlinth.losses.ssim import SSIM, ssim
from skimage.metrics import structural_similarity

print("merlinth-mri", version("merlinth-mri"), "scikit-image", version("scikit-image"))
rng = np.random.default_rng(0)
y, x = np.mgrid[-32:32, -32:32]
truth = (((x**2 + y**2) < 600) * (0.7 + 0.3 * np.cos(x / 3))).astype(np.float32)
noisy = (truth + 0.05 * rng.standard_normal(truth.shape)).astype(np.float32)
pair = [torch.from_numpy(one)[None, None] for one in (truth, noisy)]
expected = structural_similarity(truth, noisy, data_range=1.0)


def after(value):
    """With a range of 1, once memory of the same size was used for something else."""
    work = [torch.full((1,), value) for _ in range(64)]
    del work
    return float(ssim(*pair, data_range=1)), float(SSIM(device="cpu")(*pair, data_range=1))


print(f"scikit-image, range 1: {expected:.4f}")
for name, given in (("a tensor", torch.tensor([1.0])), ("a list", [1.0])):
    found = float(ssim(*pair, data_range=given))
    print(f"    {name} of 1: {found:.4f}")
    assert abs(found - expected) < 1e-3
seen = []
for value in (0.01, 0.3, 3.0, 100.0):
    seen.extend(after(value))
    print(f"    the number 1, after other work with {value:g}: {seen[-2]:.4f}, SSIM {seen[-1]:.4f}")
wrong = [one for one in seen if not abs(one - expected) < 1e-2]
print(f"    {len(wrong)} of {len(seen)} are not the SSIM")
assert len(wrong) > len(seen) // 2, "a number is a range now"
large = [255 * one for one in pair]
found, ranges = ssim(*large, data_range=255, full=True)
print(f"255 for 255 times the images: {float(found):.4f}, from {ranges.shape[0]} ranges for one image")
assert ranges.shape[0] == 255, "255 is one range now"
try:
    ssim(*large, data_range=255.0)
    raise AssertionError("a number with a decimal point is taken now")
except TypeError as error:
    print("255.0:", error)
PY
venv/bin/python show.py
