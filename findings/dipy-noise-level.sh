#!/usr/bin/env bash
# dipy 1.12.1: `estimate_sigma` is documented to leave zeros out and to take all voxels with `disable_background_masking=True`; it does
# the opposite. Of a volume whose background was set to zero, as brain extraction and parallel imaging leave it, the noise that it
# finds by default falls with the share of the object; with True, said to be the wrong choice there, it comes near. Of a single slice
# it finds 0.69 of the noise: beyond the border the slice stands for its own neighbours, and is taken off from itself. Two slices give 0.84. `N=1`, advised for SENSE, is the correction of an image without signal: where there is one (100 times the
# noise here) it gives half as much again. `nlmeans` and `localpca` take these levels. None of it is said when it runs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "dipy==1.12.1" "numpy==2.2.6" "scipy==1.15.3" "nibabel==5.4.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
from dipy.denoise.noise_estimate import estimate_sigma

rng = np.random.default_rng(0)
print("dipy", version("dipy"))


def real(*shape):
    """Gaussian noise of standard deviation 1 about 100."""
    return 100 + rng.standard_normal(shape)


def magnitude(*shape):
    """The same in each of the real and the imaginary part."""
    return np.abs(real(*shape) + 1j * rng.standard_normal(shape))


whole = real(64, 64, 64)
block = (slice(16, 48),) * 3
masked = np.zeros_like(whole)
masked[block] = whole[block]
# The edge of the object is no noise: an object that is noise alone has none.
masked_noise = np.where(masked == 0, 0, masked - 100)
share = np.mean(masked_noise != 0)
default = estimate_sigma(masked_noise)[0]
disabled = estimate_sigma(masked_noise, disable_background_masking=True)[0]
print(f"noise 1 in {share:.3f} of the volume, zero elsewhere: by default {default:.2f}, the root of the share {share**0.5:.2f};")
print(f"    with disable_background_masking=True {disabled:.2f}")
assert abs(default / share**0.5 - 1) < 0.05 and abs(disabled - 1) < 0.05, "the option means something else now"
sentence = " ".join(estimate_sigma.__doc__.split())
assert "If True, uses all voxels for the estimation" in sentence, "the documentation has changed"

for slices, wanted in ((64, 1.0), (2, 0.845), (1, 0.69)):
    found = estimate_sigma(real(256, 256, slices))[0]
    print(f"noise 1 everywhere, {slices} slices: {found:.2f}")
    assert abs(found - wanted) < 0.015, "few slices are counted otherwise now"

for count, wanted in ((0, 1.0), (1, 1.51)):
    found = estimate_sigma(magnitude(64, 64, 64), N=count)[0]
    print(f"magnitude of 100 with noise 1 in both parts, N={count}: {found:.2f}")
    assert abs(found - wanted) < 0.03, "the correction knows of the signal now"
PY
venv/bin/python show.py
