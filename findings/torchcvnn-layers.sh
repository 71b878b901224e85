#!/usr/bin/env bash
# torchcvnn 0.10.0 (complex networks for PyTorch, with a reader of cardiac MRI), five that are not what they are called. `MaxPool2d` finds the place of the
# largest magnitude in each channel of each image, and takes the value at that place of the first channel of the first image for all of them: what
# the other channels hold changes nothing but the places. `LayerNorm`, "torch.nn.LayerNorm for complex numbers", normalises every feature
# over the batch, as batch normalisation does, and not every sample over its features: a sample's output changes with the others beside it, and of one
# sample alone nothing but NaN comes out. `zAbsReLU` keeps what lies below its threshold and sets what lies above to zero, where its formula has it the other way
# round. `complex_kaiming_normal_` and `complex_xavier_normal_` make weights of half the variance that their twins `_uniform_` make: what is
# drawn has been divided by the root of 2 twice, and eight layers leave 1/256 of the power. `RandomPhase`, which turns phases, of arrays changes them alone, and of
# tensors the magnitudes, too, by factors down to 0.002: its phases are complex. torch on the magnitudes, and formulas, are beside them. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "torchcvnn==0.10.0" "torch==2.13.0" "numpy==2.2.6" "scipy==1.15.3" "h5py==3.13.0" "pillow==11.3.0" "huggingface-hub==1.1.7"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import math
from importlib.metadata import version

import torch
import torchcvnn.nn as complex_nn
from torchcvnn.nn.modules import initialization
from torchcvnn.transforms import RandomPhase

torch.manual_seed(0)
print("torchcvnn", version("torchcvnn"))

images = torch.randn(2, 3, 64, 64, dtype=torch.complex64)
pooled, right = complex_nn.MaxPool2d(2)(images), torch.nn.functional.max_pool2d(images.abs(), 2)
others = images * torch.arange(1, 7).reshape(2, 3, 1, 1)
agree = torch.isclose(pooled.abs(), right).float().mean((2, 3)).flatten()
print("MaxPool2d: share of magnitudes that are the largest of their windows, by channel of two images:", *(f"{a:.2f}" for a in agree))
assert agree[0] == 1 and agree[1:].max() < 0.3, "the values come from their own channels now"
assert torch.equal(complex_nn.MaxPool2d(2)(others), pooled), "the values of other channels count now"


def whitened(sample):
    """One sample over its features: mean 0, both parts of variance 1/2 and not correlated."""
    parts = torch.view_as_real(sample - sample.mean())
    values, vectors = torch.linalg.eigh(parts.T @ parts / (len(parts) - 1))
    return torch.view_as_complex(parts @ vectors @ torch.diag(values**-0.5) @ vectors.T / math.sqrt(2))


layer = complex_nn.LayerNorm(256).eval()
samples = torch.randn(4, 256, dtype=torch.complex64) + torch.tensor([0, 1, 2, 3]).reshape(4, 1)
louder = samples * torch.tensor([1, 100, 100, 100]).reshape(4, 1)
with torch.no_grad():
    beside, beside_louder, alone = layer(samples)[0], layer(louder)[0], layer(samples[:1])[0]
true = whitened(samples[0])
error, change = (float((one - true).norm() / true.norm()) for one in (beside, beside_louder))
print(f"LayerNorm of one sample beside three others: {error:.2f} away from that of its own features, with the others a hundred times louder {change:.2f}")
print(f"  and alone: {int(torch.isnan(alone.real).sum())} of {len(alone)} values are NaN")
real = torch.nn.LayerNorm(256).eval()
assert torch.allclose(real(samples.real)[0], real(louder.real)[0]), "torch's own looks at other samples"
assert error > 0.5 and change > 0.5 and (beside - beside_louder).norm() > 0.1 * beside.norm() and torch.isnan(alone.real).all(), "samples stand alone now"

values = torch.tensor([0.5, 2.0], dtype=torch.complex64)
kept = complex_nn.zAbsReLU()(values).detach()
print(f"zAbsReLU, threshold 1, of 0.5 and 2: {kept[0].real:.1f} and {kept[1].real:.1f}")
assert torch.equal(kept, torch.tensor([0.5, 0], dtype=torch.complex64)), "it keeps what is above its threshold now"

for scheme, options in (("kaiming", {"nonlinearity": "linear"}), ("xavier", {"nonlinearity": "linear"})):
    for drawn, share in (("normal", 0.5), ("uniform", 1)):
        make = getattr(initialization, f"complex_{scheme}_{drawn}_")
        signal = torch.randn(512, 200, dtype=torch.complex64)
        before, powers = signal.abs().square().mean(), []
        for _ in range(8):
            weight = make(torch.empty(512, 512, dtype=torch.complex64), **options)
            powers.append(float(weight.abs().square().mean()) * 512)
            signal = weight @ signal
        left = float(signal.abs().square().mean() / before)
        print(f"complex_{scheme}_{drawn}_: {powers[0]:.3f} of the variance 1/512, eight layers leave {left:.4f} of the power")
        assert abs(powers[0] / share - 1) < 0.02 and abs(left / share**8 - 1) < 0.2, "the two draw the same variance now"

image = torch.ones(1, 64, 64, dtype=torch.complex64)
turned = {"array": abs(torch.from_numpy(RandomPhase("complex64")(image.numpy()))), "tensor": RandomPhase("complex64")(image).abs()}
for kind, magnitude in turned.items():
    print(f"RandomPhase, {kind} of magnitude 1: magnitudes from {magnitude.min():.4f} to {magnitude.max():.4f}, {magnitude.mean():.2f} in the mean")
assert torch.allclose(turned["array"], torch.ones(1)), "arrays change, too"
assert turned["tensor"].min() < 0.01 and abs(turned["tensor"].mean() - (1 - math.exp(-2 * math.pi)) / (2 * math.pi)) < 0.01, "tensors keep magnitudes now"
PY
venv/bin/python show.py
