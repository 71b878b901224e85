"""Distances between distributions against closed forms and constructed sets."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.metrics.distribution import (
    PrincipalFeatures,
    frechet_distance,
    frechet_distance_of_gaussians,
    kernel_distance,
    precision_recall,
)


def test_commuting_gaussians_have_a_closed_form():
    a, b = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 2.0])
    means = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 0.0])
    expected = 5 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    found = frechet_distance_of_gaussians(means[0], np.diag(a), means[1], np.diag(b))
    assert found == pytest.approx(expected)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_the_square_root_is_the_matrix_square_root(seed, size):
    rng = np.random.default_rng(seed)
    c1, c2 = (m @ m.T + 0.1 * np.eye(size) for m in rng.normal(size=(2, size, size)))
    means = rng.normal(size=(2, size))
    root = scipy.linalg.sqrtm(c1 @ c2).real
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance_of_gaussians(means[0], c1, means[1], c2) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_distances_of_sets():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4000, 3))
    shifted = y + np.array([2.0, 0.0, 0.0])
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, shifted) == pytest.approx(4, rel=0.05)
    assert frechet_distance(x, 3 * y) == pytest.approx(3 * 4, rel=0.1)
    assert abs(kernel_distance(x[:500], y[:500])) < 0.1 < kernel_distance(x[:500], shifted[:500])


def test_the_kernel_distance_has_no_bias():
    rng = np.random.default_rng(1)
    found = [kernel_distance(*rng.normal(size=(2, 10, 4))) for _ in range(2000)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


def test_precision_falls_with_wrong_images_and_recall_with_missing_ones():
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(2, 200, 2)) * 0.1 + np.array([[[0.0, 0.0]], [[10.0, 0.0]]])
    real = np.concatenate((left, right))
    again = rng.normal(size=(200, 2)) * 0.1
    precision, recall = precision_recall(real, again)
    assert precision > 0.9 and recall == pytest.approx(0.5, abs=0.06)
    precision, recall = precision_recall(left, np.concatenate((again, right)))
    assert precision == pytest.approx(0.5, abs=0.06) and recall > 0.9
    assert precision_recall(real, real) == (1.0, 1.0)


def test_principal_features_keep_distances_of_the_images_they_were_fitted_to():
    rng = np.random.default_rng(3)
    images = (rng.normal(size=(20, 8, 6)) + 1j * rng.normal(size=(20, 8, 6))).astype(np.complex64)
    features = PrincipalFeatures.fit(images, 64)
    found = features(images)
    assert found.shape == (20, 19)
    flat = np.abs(images).reshape(20, -1)
    expected = np.linalg.norm(flat[0] - flat[1])
    assert np.linalg.norm(found[0] - found[1]) * features.scale == pytest.approx(expected, rel=1e-5)
    assert found.var(0, ddof=1).mean() == pytest.approx(1)
    assert np.isfinite(PrincipalFeatures.fit(np.ones((3, 4, 4)))(np.ones((2, 4, 4)))).all()


def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one width"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="at least 4"):
        precision_recall(np.zeros((3, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="pixels"):
        PrincipalFeatures.fit(np.ones((3, 4, 4)))(np.ones((2, 5, 5)))
