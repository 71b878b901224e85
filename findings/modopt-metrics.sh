#!/usr/bin/env bash
# modopt 1.7.2 (the optimisation and metrics of PySAP): `psnr`, `snr`, `mse`, `nrmse` and `ssim` of `modopt.math.metrics` stretch both
# images to the range from 0 to 1 before they compare, each by its own least and largest value. A reconstruction of half the signal,
# or one with a constant added, is perfect to them (nrmse 0, psnr without limit), and a single bright pixel in it costs 20 dB. Their
# documentation says that they take magnitudes, and nothing of a range. With `mask`, `snr` covers the test image and not the reference:
# of an image and itself it is below zero. `add_noise`, which takes complex data, adds noise to the real part alone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "modopt==1.7.2" "scikit-image==0.25.2" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from modopt.math import metrics
from modopt.signal.noise import add_noise

print("modopt", version("modopt"))
y, x = np.mgrid[-32:32, -32:32]
truth = ((x**2 + y**2) < 600) * (1 + 0.3 * np.cos(x / 3))
noisy = truth + 0.02 * np.random.default_rng(0).standard_normal(truth.shape)
bright = noisy.copy()
bright[32, 32] *= 3


def usual_psnr(image):
    return 10 * np.log10(truth.max() ** 2 / np.mean((image - truth) ** 2))


def usual_nrmse(image):
    return np.linalg.norm(image - truth) / np.linalg.norm(truth)


found = {}
for name, image in {"noisy": noisy, "half the signal": 0.5 * truth, "a constant added": truth + 0.5, "a bright pixel": bright}.items():
    with np.errstate(divide="ignore"):
        found[name] = metrics.psnr(image, truth), metrics.nrmse(image, truth), metrics.ssim(image, truth)
    psnr, nrmse, ssim = found[name]
    print(f"{name:16}: psnr {psnr:5.1f} dB, nrmse {nrmse:.3f}, ssim {ssim:.3f}; usual {usual_psnr(image):.1f} dB, {usual_nrmse(image):.3f}")
for name in ("half the signal", "a constant added"):
    assert found[name][0] > 300 and found[name][1] < 1e-12 and found[name][2] > 0.9999, "the scale counts now"
assert found["a bright pixel"][0] < 12 and usual_psnr(bright) > 25, "one pixel no longer sets the range"

inside = (x**2 + y**2) < 100
itself = metrics.snr(truth, truth, inside)
print(f"snr of an image and itself within a mask {itself:.1f} dB")
assert itself < 0, "both images are masked now"

noise = add_noise(np.zeros(10000, complex), 1.0)
print(f"noise added to complex zeros: real part {noise.real.std():.2f}, imaginary part {noise.imag.std():.2f}")
assert noise.real.std() > 0.9 and not noise.imag.any(), "the imaginary part has noise now"
PY
