#!/usr/bin/env bash
# MONAI 1.6.1: `MMDMetric` is documented as a kernel-based measure of the similarity of two distributions, which it cites the two-sample test of Gretton et al.
# for. Its kernel is the product of the images, with no other to be had, and the result the squared distance of the two mean images, whatever else the
# distributions are: sets of the same mean are equal to it, images of ten times the contrast, flat ones whose pixels have the same distribution, or the mean image
# again and again. (The filter that `y_mapping` is said to be usually does not change that, nor does any linear one.) It is said not to be
# negative, and is so of about half of all pairs of draws from one distribution. With a Gaussian kernel, written out here, the same estimator tells all of
# these pairs apart.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "monai==1.6.1" "torch==2.13.0" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import torch

with warnings.catch_warnings(action="ignore"):
    from monai.metrics import MMDMetric
    from monai.networks.layers import GaussianFilter

warnings.simplefilter("error")
print("MONAI", version("monai"))
COUNT, SIZE = 400, 4
made = torch.Generator().manual_seed(0)


def normal(scale=1.0, shift=0.0):
    """Images (count, 1, y, x) of normal values."""
    return shift + scale * torch.randn(COUNT, 1, SIZE, SIZE, generator=made, dtype=torch.float64)


def unbiased(first, second, kernel):
    """The unbiased estimate of the squared discrepancy (Gretton et al. 2012, Lemma 6)."""
    first, second = first.flatten(1), second.flatten(1)
    off = ~torch.eye(COUNT, dtype=torch.bool)
    return float(kernel(first, first)[off].mean() + kernel(second, second)[off].mean() - 2 * kernel(first, second).mean())


def gaussian(first, second):
    """A Gaussian kernel as wide as two normal images are apart."""
    return torch.exp(-(torch.cdist(first, second) ** 2) / (2 * 2 * SIZE**2))


def of_means(first, second):
    """The squared distance of the means, of which the part that comes from the draws' own variances is taken."""
    parts = [one.flatten(1) for one in (first, second)]
    apart = parts[0].mean(0) - parts[1].mean(0)
    return float((apart**2).sum() - sum(one.var(0).sum() / COUNT for one in parts))


metric = MMDMetric()
flat = normal()[..., :1, :1].expand(COUNT, 1, SIZE, SIZE)
pairs = {
    "two draws of normal images": (normal(), normal()),
    "ten times the contrast": (normal(), normal(10)),
    "flat images, pixels of the same distribution": (normal(), flat),
    "the mean image alone": (normal(), torch.zeros(COUNT, 1, SIZE, SIZE, dtype=torch.float64)),
    "a shift of a half": (normal(), normal(shift=0.5)),
}
blur = GaussianFilter(2, 1.0).double()
scores = {}
for name, (first, second) in pairs.items():
    found, means = float(metric(first, second)), of_means(first, second)
    smoothed = float(MMDMetric(y_mapping=blur)(first, second))
    # The spread of the estimate among random halves of both sets together, which have one distribution.
    both = torch.cat([first, second])
    halves = [both[torch.randperm(2 * COUNT, generator=made)].split(COUNT) for _ in range(30)]
    spread = [torch.tensor([unbiased(*one, kernel) for one in halves]).std() for kernel in (lambda a, b: a @ b.T, gaussian)]
    scores[name] = found / float(spread[0]), unbiased(first, second, gaussian) / float(spread[1])
    print(
        f"{name}: MMDMetric {found:.3f} (after a Gaussian filter {smoothed:.3f}), distance of the means {means:.3f}; in standard deviations of chance "
        f"{scores[name][0]:.1f}, with a Gaussian kernel {scores[name][1]:.1f}"
    )
    assert abs(found - means) < 1e-9, "it has another kernel now"
assert max(abs(scores[name][0]) for name in list(pairs)[:4]) < 4 < scores["a shift of a half"][0], "distributions of one mean differ now"
assert abs(scores["two draws of normal images"][1]) < 4 < min(one[1] for one in list(scores.values())[1:])
draws = [float(metric(normal(), normal())) for _ in range(100)]
below = sum(one < 0 for one in draws)
print(f"of 100 pairs of draws from one distribution {below} have a negative discrepancy, the least {min(draws):.3f}")
assert "non-negative" in " ".join(MMDMetric.__doc__.split()) and 30 < below < 70
PY
venv/bin/python show.py
