#!/usr/bin/env bash
# piq 0.8.0: `FID` of a set of features and itself is not zero, and of two sets it is too high. It takes the root of the product of the covariances by
# steps that end when its square is within 1e-5 of the product, in the norm of the whole matrix: the many small variances, which features of
# images have beside a few large ones, add next to nothing to that norm, but more to the trace of the root, and are cut short. With standard
# deviations that fall as 1/k, FID of a set and itself is 0.06, of a total variance of 1.6, and of two sets of the same distribution ten times what it
# is (256 features, 2000 samples each); of equal variances it is right. Double precision, which it uses, changes nothing. The surplus depends on the
# features: small distances, and the ratio of two, are lost in it. scipy's root and the eigenvalues agree with each other. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "piq==0.8.0" "torch==2.14.1" "torchvision==0.29.1" "scipy==1.15.3" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import torch
from piq import FID
from scipy.linalg import sqrtm

print("piq", version("piq"))
rng = np.random.default_rng(0)


def by_eigenvalues(x, y):
    """Frechet distance of two Gaussians: the trace of the root is the sum of the roots of the eigenvalues."""
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    roots = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0))
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(first + second) - 2 * roots.sum()


def by_scipy(x, y):
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(first + second) - 2 * np.trace(sqrtm(first @ second)).real


def by_piq(x, y):
    return float(FID()(torch.from_numpy(x), torch.from_numpy(y)))


for features, samples, fall in ((256, 2000, 0.0), (64, 1000, 1.0), (256, 2000, 1.0), (256, 2000, 1.5)):
    deviations = np.arange(1.0, features + 1) ** -fall
    x, y = (deviations * rng.standard_normal((samples, features)) for _ in range(2))
    shifted = y.copy()
    shifted[:, 0] += 0.2
    print(f"{features} features of standard deviation k ** -{fall}, {samples} samples; total variance {np.sum(deviations**2):.2f}")
    for name, other in (("itself", x), ("another draw", y), ("another draw, its mean moved by 0.2", shifted)):
        found, right, beside = by_piq(x, other), by_eigenvalues(x, other), by_scipy(x, other)
        print(f"    a set and {name}: piq {found:.4f}, by eigenvalues {right:.4f}, by scipy {beside:.4f}")
        assert abs(right - beside) < 1e-3
        if fall:
            assert found > right + 0.01, "small variances count now"
        else:
            assert abs(found - right) < 1e-3 * (1 + right)
PY
