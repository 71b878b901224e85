#!/usr/bin/env bash
# sewar 0.4.10 (image quality metrics): `uqi` is no universal quality index (Wang and Bovik 2002). The formula that it follows wants the sums over the window;
# it is given their means, so that nearly the whole mean square is left in every variance and covariance, and what is to be compared hardly counts. Of two draws
# of independent noise the index is 0, and 0.96 here where the mean is five standard deviations (0.9996 where it is fifty); of an image and its negative -0.97,
# and 0.90 here; of an image and a blurred one 0.47, and 0.99 here. Nothing is said. `d_lambda`, `d_s` and `qnr` count with it. The index by definition,
# scikit-image's structural similarity with both constants zero, which is the same index, and sewar's own `ssim` with nearly none agree.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "sewar==0.4.10" "numpy==2.2.6" "scipy==1.15.3" "pillow==11.2.1" "scikit-image==0.25.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter
from sewar.full_ref import ssim, uqi
from skimage.metrics import structural_similarity

print("sewar", version("sewar"))
rng, window = np.random.default_rng(0), 7


def by_definition(first, second):
    """Correlation times likeness of the means times likeness of the variances, the mean over all windows."""
    a, b = (sliding_window_view(one, (window, window)).reshape(-1, window**2) for one in (first, second))
    mean_a, mean_b = a.mean(1), b.mean(1)
    together = ((a - mean_a[:, None]) * (b - mean_b[:, None])).mean(1)
    return np.mean(4 * together * mean_a * mean_b / ((a.var(1) + b.var(1)) * (mean_a**2 + mean_b**2)))


def by_scikit_image(first, second):
    return structural_similarity(first, second, win_size=window, K1=0, K2=0, data_range=1.0, use_sample_covariance=False)


def noise():
    return 1 + 0.2 * rng.standard_normal((128, 128))


smooth = gaussian_filter(rng.standard_normal((128, 128)), 2)
image = 0.5 + 0.1 * smooth / smooth.std()
pairs = {
    "two draws of noise, 1 +- 0.2": (noise(), noise()),
    "an image and its negative": (image, 1 - image),
    "an image with as much noise as contrast": (image, image + 0.1 * rng.standard_normal(image.shape)),
    "an image and a blurred one": (image, gaussian_filter(image, 3)),
    "an image and itself": (image, image.copy()),
}
found = {}
for name, (first, second) in pairs.items():
    here, true = uqi(first, second, ws=window), by_definition(first, second)
    again, similar = by_scikit_image(first, second), ssim(first, second, ws=window, MAX=1.0, K1=1e-8, K2=1e-8)[0]
    found[name] = here, true
    print(f"{name}: uqi {here:.3f}; by definition {true:.3f}, scikit-image {again:.3f}, sewar's ssim without constants {similar:.3f}")
    assert abs(true - again) < 1e-6 and abs(true - similar) < 1e-6
assert found["two draws of noise, 1 +- 0.2"][0] > 0.9 and abs(found["two draws of noise, 1 +- 0.2"][1]) < 0.02, "the index counts variances now"
assert found["an image and its negative"][0] > 0 > found["an image and its negative"][1], "the index counts variances now"
assert found["an image and a blurred one"][0] > found["an image and a blurred one"][1] + 0.2
assert abs(found["an image and itself"][0] - 1) < 1e-9

first, second = noise(), noise()
raised = {level: (uqi(first - 1 + level, second - 1 + level), by_definition(first - 1 + level, second - 1 + level)) for level in (0.3, 1.0, 10.0)}
for level, (here, true) in raised.items():
    print(f"the noise of 0.2 about {level}: uqi {here:.4f}, by definition {true:.4f}")
assert raised[0.3][0] < raised[1.0][0] < raised[10.0][0] and raised[10.0][0] > 0.999 and abs(raised[10.0][1]) < 0.02
PY
venv/bin/python -W ignore show.py
