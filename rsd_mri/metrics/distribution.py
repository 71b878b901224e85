"""How far a set of generated images is from a set of real ones, on given features.

Features are plain arrays [image, feature]. Inception's are a download and know natural images;
`PrincipalFeatures` needs nothing but the real images.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

BALLS = 1024


def frechet_distance(real: NDArray[np.floating], fake: NDArray[np.floating]) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets of features.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), Heusel et al. 2017 (arXiv 1706.08500, eq. 6). The covariances
    are the unbiased ones. The value falls with the number of images: compare only sets of the same sizes.

    Parameters
    ----------
    real, fake
        [image, feature], at least two images each.
    """
    _require_features(real, fake, least=2)
    means = real.mean(0, dtype=np.float64), fake.mean(0, dtype=np.float64)
    covariances = [np.atleast_2d(np.cov(f.astype(np.float64), rowvar=False)) for f in (real, fake)]
    return frechet_distance_of_gaussians(means[0], covariances[0], means[1], covariances[1])


def frechet_distance_of_gaussians(mean1: Array, covariance1: Array, mean2: Array, covariance2: Array) -> float:
    """Squared Frechet (2-Wasserstein) distance of two Gaussians (Dowson and Landau 1982).

    Means are [feature], covariances [feature, feature].
    """
    values, vectors = np.linalg.eigh(covariance1)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    # tr (C1 C2)^(1/2) is that of the symmetric C1^(1/2) C2 C1^(1/2), which has a plain eigenvalue problem.
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariance2 @ root), 0, None)).sum()
    distance = np.sum((mean1 - mean2) ** 2) + np.trace(covariance1) + np.trace(covariance2) - 2 * cross
    return float(max(distance, 0.0))


def kernel_distance(real: NDArray[np.floating], fake: NDArray[np.floating]) -> float:
    """Kernel distance: unbiased squared MMD with the kernel (x.y / d + 1)^3.

    Binkowski et al. 2018 (arXiv 1801.01401, section 4). Unlike the Frechet distance it has no bias from the
    number of images, and may be slightly negative.

    Parameters
    ----------
    real, fake
        [image, feature], at least two images each.
    """
    _require_features(real, fake, least=2)
    x, y = real.astype(np.float64), fake.astype(np.float64)
    within = [_kernel(f, f) for f in (x, y)]
    means = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in within]
    return float(means[0] + means[1] - 2 * _kernel(x, y).mean())


def frechet_interval(real: NDArray[np.floating], fake: NDArray[np.floating], draws: int = 40) -> float:
    """Half width of a 95 % interval of the Frechet distance, from resampled fake images.

    Parameters
    ----------
    real, fake
        [image, feature].
    draws
        Bootstrap samples; their seed is fixed.
    """
    rng = np.random.default_rng(0)
    values = [frechet_distance(real, fake[rng.integers(len(fake), size=len(fake))]) for _ in range(draws)]
    return float(1.96 * np.std(values, ddof=1))


def precision_recall(
    real: NDArray[np.floating], fake: NDArray[np.floating], neighbours: int = 3
) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019, arXiv 1904.06991, eq. 1-2).

    Precision is the share of fake images inside the real set's manifold; recall that of real images inside
    the fake set's. A manifold is the union of balls around its images, each reaching to its
    `neighbours`-th nearest neighbour.

    Parameters
    ----------
    real, fake
        [image, feature], more than `neighbours` images each.
    """
    _require_features(real, fake, least=neighbours + 1)
    x, y = real.astype(np.float64), fake.astype(np.float64)
    return _share_covered(x, y, neighbours), _share_covered(y, x, neighbours)


@dataclass(frozen=True)
class PrincipalFeatures:
    """A fixed feature space: principal components of the real images, divided by one factor.

    Complex images are taken by their magnitudes, real ones as they are.
    """

    mean: Array
    """[pixel]."""
    components: Array
    """[feature, pixel], orthonormal."""
    scale: float
    """Root mean variance of the features kept; features are divided by it."""

    @classmethod
    def fit(cls, images: NDArray[np.generic], count: int = 64) -> "PrincipalFeatures":
        """Find the leading `count` components of `images`, [image, y, x] or [image, channel, y, x].

        Fewer are kept where there are fewer images.
        """
        flat = _pixels(images)
        mean = flat.mean(0)
        _, values, components = np.linalg.svd(flat - mean, full_matrices=False)
        keep = max(min(count, len(flat) - 1), 1)
        variance = float(np.mean(values[:keep] ** 2) / max(len(flat) - 1, 1))
        return cls(mean, components[:keep], variance**0.5 if variance > 0 else 1.0)

    def __call__(self, images: NDArray[np.generic]) -> Array:
        """Features [image, feature] of `images` of the size they were found on."""
        flat = _pixels(images)
        if flat.shape[1] != len(self.mean):
            raise ValueError(f"features are of images of {len(self.mean)} pixels, got {images.shape}")
        found: Array = (flat - self.mean) @ self.components.T / self.scale
        return found


def _pixels(images: NDArray[np.generic]) -> Array:
    if images.ndim not in (3, 4):
        raise ValueError(f"expected images [image, y, x] or [image, channel, y, x], got {images.shape}")
    values = np.abs(images) if np.iscomplexobj(images) else images
    return values.reshape(len(images), -1).astype(np.float64)


def _kernel(x: Array, y: Array) -> Array:
    values: Array = (x @ y.T / x.shape[1] + 1) ** 3
    return values


def _squared_distances(x: Array, y: Array) -> Array:
    values: Array = np.clip((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0, None)
    return values


def _share_covered(centres: Array, others: Array, neighbours: int) -> float:
    """Share of the others that lie within the manifold of the centres."""
    return float(within_manifold(centres, others, neighbours).mean())


def within_manifold(centres: Array, others: Array, neighbours: int = 3) -> NDArray[np.bool_]:
    """Which of the others lie in a ball around a centre, [image]; a few balls at a time, as all take too much memory.

    Parameters
    ----------
    centres, others
        [image, feature].
    neighbours
        As for `precision_recall`.
    """
    covered: NDArray[np.bool_] = np.zeros(len(others), dtype=bool)
    for first in range(0, len(centres), BALLS):
        part = centres[first : first + BALLS]
        within = _squared_distances(part, centres)
        own = np.arange(len(part))
        within[own, first + own] = -1.0  # itself first, whatever the rounding
        radius = np.partition(within, neighbours, axis=1)[:, neighbours]
        covered |= (_squared_distances(part, others) <= radius[:, None]).any(0)
    return covered


def _require_features(real: NDArray[np.floating], fake: NDArray[np.floating], least: int) -> None:
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"expected features [image, feature] of one width, got {real.shape} and {fake.shape}")
    if min(len(real), len(fake)) < least:
        raise ValueError(f"needs at least {least} images in each set, got {len(real)} and {len(fake)}")
