#!/usr/bin/env bash
# image-similarity-measures 0.3.6 (metrics of images), two of its eight. `fsim` (feature similarity, Zhang et al. 2011) compares the magnitudes of gradients,
# and takes the gradients into whole numbers without a sign: of those that fall along x or y zero is left. An image and its negative have the same edges and
# phase congruency, and the index 1; here 0.51. An image of half the contrast is 0.85 by definition and 0.93 here, a blurred one 0.74 and 0.80. (Images from 0
# to 1 have no gradients left at all but rounded ones: the constants are for 0 to 255.) `sre`, the signal to reconstruction error ratio (Lanaras et al. 2018),
# is the mean squared over the mean squared error; it is given the root of the sum of squares over the number of pixels: ten times the unit is 10 dB more, half
# the error 3 dB instead of 6, and four times as many pixels of the same are 3 dB more, where a ratio stays. Nothing is said of either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "image-similarity-measures==0.3.6" "numpy==1.26.4" "opencv-python==4.11.0.86" "phasepack==1.5" "scikit-image==0.20.0" "scipy==1.15.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from scipy.ndimage import convolve, gaussian_filter

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a faster FFT that is not there
    from image_similarity_measures.quality_metrics import fsim, sre
    from phasepack.phasecong import phasecong

print("image-similarity-measures", version("image-similarity-measures"))
rng = np.random.default_rng(0)
y, x = np.mgrid[0:128, 0:128]
head = np.zeros((128, 128))
head[((x - 64) / 45) ** 2 + ((y - 64) / 55) ** 2 < 1] = 204
head[(x - 50) ** 2 + (y - 60) ** 2 < 12**2] = 77
head[(x - 80) ** 2 + (y - 70) ** 2 < 9**2] = 140
head = gaussian_filter(head, 1)


def by_definition(first, second, congruency=0.85, gradient=160.0):
    """The index with the phase congruency that the package takes, and the gradients by Scharr's kernels as they are."""
    scharr = np.outer([3, 10, 3], [-1, 0, 1])

    def features(image):
        edges = np.hypot(convolve(image, scharr, mode="mirror"), convolve(image, scharr.T, mode="mirror"))
        return np.sum(phasecong(image, nscale=4, minWaveLength=6, mult=2, sigmaOnf=0.5978)[4], axis=0), edges

    def alike(a, b, constant):
        return (2 * a * b + constant) / (a**2 + b**2 + constant)

    (phases, edges), (other_phases, other_edges) = features(first), features(second)
    weights = np.maximum(phases, other_phases)
    return np.sum(alike(phases, other_phases, congruency) * alike(edges, other_edges, gradient) * weights) / np.sum(weights)


others = {
    "itself": head,
    "its negative": 255 - head,
    "half the contrast": head / 2,
    "blurred": gaussian_filter(head, 1.5),
    "with noise of 13": head + 13 * rng.standard_normal(head.shape),
}
for name, other in others.items():
    found, true = fsim(head[..., None], other[..., None]), by_definition(head, other)
    print(f"an image of 0 to 204 and {name}: fsim {found:.3f}, by definition {true:.3f}")
    if name == "itself":
        assert np.isclose(found, 1) and np.isclose(true, 1)
    elif name == "its negative":
        assert found < 0.6 and true > 0.99, "gradients keep their sign now"
    else:
        assert abs(found - true) > 0.01, "gradients keep their sign now"

image = 1 + 0.3 * rng.random((64, 64, 1))
error = 0.05 * rng.standard_normal(image.shape)


def ratio(image, error):
    """dB of the mean squared over the mean squared error."""
    return 10 * np.log10(np.mean(image) ** 2 / np.mean(error**2))


tiles = (2, 2, 1)
for name, (one, wrong) in {
    "as it is": (image, error),
    "in a unit a tenth as large": (10 * image, 10 * error),
    "half the error": (image, error / 2),
    "four times as many pixels": (np.tile(image, tiles), np.tile(error, tiles)),
}.items():
    print(f"{name}: sre {sre(one, one + wrong):.2f} dB, by definition {ratio(one, wrong):.2f}")
first = sre(image, image + error)
steps = sre(10 * image, 10 * (image + error)) - first, sre(image, image + error / 2) - first, sre(np.tile(image, tiles), np.tile(image + error, tiles)) - first
assert np.allclose(steps, (10, 10 * np.log10(2), 10 * np.log10(2)), atol=0.01), "it is a ratio of squares now"
assert np.isclose(ratio(10 * image, 10 * error), ratio(image, error)) and np.isclose(ratio(image, error / 2) - ratio(image, error), 20 * np.log10(2))
PY
venv/bin/python -W ignore show.py
