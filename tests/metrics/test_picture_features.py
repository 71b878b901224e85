"""Structure and detail: strengths in closed form, and what plain principal components do not see."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from rsd_mri.metrics.distribution import PrincipalFeatures, frechet_distance
from rsd_mri.metrics.picture_features import CELLS, PictureFeatures, strengths

DIRECTIONS = 3


def by_scale(images, faintest=1e-9):
    """[image, scale, direction, cell]."""
    found = np.exp(strengths(images, faintest)) - faintest
    return found.reshape(len(images), -1, DIRECTIONS, CELLS**2)


def test_stripes_lie_in_one_scale_and_direction():
    """Rows alternating by +-a: (a + b - c - d) / 4 is a everywhere, all else is zero."""
    rows = np.where(np.arange(16) % 2, -0.3, 0.3)[:, None] * np.ones(16)
    found = by_scale(np.stack([rows, rows.T])[:, None])
    assert found.shape == (2, 2, DIRECTIONS, CELLS**2)
    expected = np.zeros_like(found)
    expected[0, 0, 0], expected[1, 0, 1] = 0.3, 0.3
    assert np.allclose(found, expected, atol=1e-8)


def test_white_noise_halves_with_every_scale():
    """A quarter of the sum of four independent numbers has half their spread; so have the averages that are left."""
    noise = 0.2 * np.random.default_rng(0).normal(size=(400, 1, 32, 32))
    found = (by_scale(noise) ** 2).mean((0, 2, 3)) ** 0.5
    assert found == pytest.approx([0.1, 0.05, 0.025], rel=0.03)


def test_noise_and_blur_are_seen():
    """Principal components of pixels find noisy images as close as clean ones."""
    rng = np.random.default_rng(1)
    clean = gaussian_filter(rng.normal(size=(800, 3, 32, 32)), (0, 0, 2, 2))
    clean = clean / clean.std() * 0.5
    real, other = clean[:400], clean[400:]
    sets = {
        "clean": other,
        "noisy": other + 0.2 * rng.normal(size=other.shape),
        "blurred": gaussian_filter(other, (0, 0, 1.5, 1.5)),
    }
    plain, ours = PrincipalFeatures.fit(real, 16), PictureFeatures.fit(real, 20)

    def distances(features):
        return {name: frechet_distance(features(real), features(images)) for name, images in sets.items()}

    assert distances(plain)["noisy"] < 1.2 * distances(plain)["clean"]
    found = distances(ours)
    assert found["noisy"] > 5 * found["clean"] and found["blurred"] > 5 * found["clean"]


def test_counts_scales_and_small_images():
    images = np.random.default_rng(2).normal(size=(100, 12, 20))
    features = PictureFeatures.fit(images, 40)
    assert features(images).shape == (100, 40) and features.name.startswith("30 principal components")
    assert features(images).var(0, ddof=1).mean() == pytest.approx(1)
    both = PictureFeatures.fit(images * np.exp(1j), 40)
    assert np.allclose(both(images * np.exp(1j)), PictureFeatures.fit(abs(images), 40)(abs(images)), atol=1e-6)
    tiny = PictureFeatures.fit(images[:, :4, :4], 8)
    assert np.isfinite(tiny(images[:, :4, :4])).all()
