#!/usr/bin/env bash
# torchmetrics 1.9.0 and complex images. `peak_signal_noise_ratio`, and `PeakSignalNoiseRatio`, compare the real parts alone: an image with noise in both
# parts has 3 dB too many, an image and its complex conjugate any number; torch warns of the first such call in a process, and torchmetrics
# itself says nothing. `mean_squared_error` squares complex differences without their absolute value: -2.06 where 2.06 is right, and about zero for noise;
# the normalised root mean squared error and `r2_score` are complex numbers as far off. `cosine_similarity` takes the real parts, too. The
# documentation asks for tensors, and does not exclude complex ones. `mean_absolute_error` and `minkowski_distance` are right, and SSIM refuses.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "torchmetrics==1.9.0" "torch==2.13.0" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
import math
import warnings
from importlib.metadata import version

import torch
from torchmetrics import functional as of
from torchmetrics.functional.image import peak_signal_noise_ratio
from torchmetrics.image import PeakSignalNoiseRatio

print("torchmetrics", version("torchmetrics"))
torch.manual_seed(0)
RANGE = 2.0
shape = (1, 1, 64, 64)
truth = torch.randn(shape, dtype=torch.complex64)
images = {
    "with noise in both parts": truth + 0.1 * torch.randn(shape, dtype=torch.complex64),
    "turned by 90 degrees": 1j * truth,
    "complex conjugate": truth.conj().resolve_conj(),
}
psnr, mse = {}, {}
for name, image in images.items():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        psnr[name] = float(peak_signal_noise_ratio(image, truth, data_range=RANGE))
        psnr["class", name] = float(PeakSignalNoiseRatio(data_range=RANGE)(image, truth))
    right = float((image - truth).abs().square().mean())
    mse[name] = complex(of.mean_squared_error(image, truth)), right
    psnr["right", name] = 10 * math.log10(RANGE**2 / right)
    one, other = image.flatten(), truth.flatten()
    print(
        f"{name}: PSNR {psnr[name]:.2f} dB ({psnr['class', name]:.2f} by the class), right {psnr['right', name]:.2f}; "
        f"warnings {[str(w.message)[:60] for w in said]}"
    )
    print(f"    MSE {mse[name][0]:.4f}, right {right:.4f}")
    normalised, apart = complex(of.normalized_root_mean_squared_error(one, other)), float((one - other).norm() / other.norm())
    print(f"    normalised RMSE {normalised:.2f}, right {apart:.2f}; r2_score {complex(of.r2_score(one, other)):.2f}")
    cosine, between = float(of.cosine_similarity(one[None], other[None])), float((one.conj() @ other).real / one.norm() / other.norm())
    print(f"    cosine {cosine:.2f}, right {between:.2f}")
    absolute = float(of.mean_absolute_error(image, truth)), float((image - truth).abs().mean())
    assert math.isclose(*absolute, rel_tol=1e-4), "the mean absolute error is wrong now"

noisy = "with noise in both parts"
assert 2.5 < psnr[noisy] - psnr["right", noisy] < 3.5 and abs(psnr[noisy] - psnr["class", noisy]) < 1e-3, "both parts count now"
assert math.isinf(psnr["complex conjugate"])
assert mse["complex conjugate"][0].real < -1 and abs(mse[noisy][0]) < 0.1 * mse[noisy][1], "the absolute value is squared now"
PY
