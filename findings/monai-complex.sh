#!/usr/bin/env bash
# MONAI 1.6.1 and complex images, four things that it does not say. `root_sum_of_squares`, "for multi-coil MRI samples", squares complex
# numbers without their absolute value: coils of other phases work against each other, and of eight maps whose root sum of squares is 1
# it gives 0.63, a complex number. (Real and imaginary part as a last axis of two, MONAI's own layout, stay apart: an image of two.) `GibbsNoise` and `KSpaceSpikeNoise`, which work in k-space, give the real part of a
# complex image without a warning, the latter in an array of complex numbers. `GibbsNoise(alpha=0)`, documented as the identity, cuts
# the corners of k-space off volumes: white noise loses 4 % of its energy; images keep all. `FastMRIReader` gives fully sampled files, which
# hold no mask, a mask of zeros: nothing was measured.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "monai==1.6.1" "torch==2.13.0" "numpy==2.2.6" "h5py==3.13.0"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import h5py
import numpy as np
import torch

with warnings.catch_warnings(action="ignore"):
    from monai.apps.reconstruction.fastmri_reader import FastMRIReader
    from monai.apps.reconstruction.mri_utils import root_sum_of_squares
    from monai.transforms import GibbsNoise, KSpaceSpikeNoise

warnings.simplefilter("error")
torch.set_warn_always(True)
print("MONAI", version("monai"))

rng = np.random.default_rng(0)
coils, size = 8, 32
maps = torch.as_tensor(rng.standard_normal((coils, size, size)) + 1j * rng.standard_normal((coils, size, size)))
maps /= maps.abs().square().sum(0).sqrt()
combined = root_sum_of_squares(maps, spatial_dim=0)
print(f"root_sum_of_squares of {coils} complex maps whose squared magnitudes add up to 1: {combined.dtype}, magnitude {combined.abs().mean():.2f}")
print(f"    of their magnitudes {root_sum_of_squares(maps.abs(), spatial_dim=0).mean():.2f}")
assert combined.is_complex() and combined.abs().mean() < 0.7, "it is a root sum of squares now"
parts = root_sum_of_squares(torch.view_as_real(maps), spatial_dim=0)
assert parts.shape == (size, size, 2)

image = torch.exp(0.8j * torch.ones(1, size, size, size))
for name, transform in (("GibbsNoise", GibbsNoise(alpha=0.0)), ("KSpaceSpikeNoise", KSpaceSpikeNoise((9, 7, 3), k_intensity=-10.0))):
    out = torch.as_tensor(transform(image))
    imaginary = out.imag.abs().max() if out.is_complex() else 0.0
    print(f"{name} of an image of exp(0.8i): {out.dtype}, magnitude {out.abs().mean():.3f}, imaginary part {imaginary:.0g}; cos(0.8) is {np.cos(0.8):.3f}")
    assert abs(float(out.abs().mean()) - np.cos(0.8)) < 1e-3 and imaginary == 0, "complex images stay complex now"

for shape in ((size, size), (size, size, size)):
    noise = torch.as_tensor(rng.standard_normal((1, *shape)), dtype=torch.float32)
    kept = float((torch.as_tensor(GibbsNoise(alpha=0.0)(noise)).square().sum() / noise.square().sum()))
    print(f"GibbsNoise(alpha=0) keeps {kept:.3f} of the energy of white noise in {len(shape)} dimensions")
    assert abs(kept - (1 if len(shape) == 2 else 0.962)) < 0.005, "alpha=0 is the identity now"
assert "alpha = 0 acting as the identity" in " ".join(GibbsNoise.__doc__.split())

with h5py.File("full.h5", "w") as file:
    file["kspace"] = np.ones((1, coils, size, size), np.complex64)
reader = FastMRIReader()
data, header = reader.get_data(reader.read("full.h5"))
print(f"FastMRIReader, a file without a mask: k-space {np.mean(data != 0):.0%} filled, its mask {np.mean(header['mask']):.0%}")
assert np.all(data != 0) and not header["mask"].any(), "full k-space has a full mask now"
PY
venv/bin/python show.py
