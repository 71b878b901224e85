"""The channelised Hotelling observer against closed forms and another program."""

import numpy as np
import pytest
from scipy.stats import norm

from rsd_mri.metrics.observer import Observer, channels, curve_of, gain_over_chosen, middle, unseen_scores


def gaussian(rng, count, delta, root):
    draw = rng.standard_normal((2, count, len(delta))) @ root.T
    return draw[0] + delta, draw[1]


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_gaussian_outputs_give_the_area_of_the_closed_form(size):
    rng = np.random.default_rng(0)
    root = np.array([[1.0, 0, 0], [0.8, 0.5, 0], [-0.3, 0.2, 2.0]])
    delta = size * np.array([0.5, 0.1, 0.4])
    separation = np.sqrt(delta @ np.linalg.solve(root @ root.T, delta))
    present, absent = gaussian(rng, 4000, delta, root)
    groups = np.arange(4000) % 8
    curve = curve_of(*unseen_scores(present, absent, groups), groups, (0,))
    assert curve.area == pytest.approx(norm.cdf(separation / np.sqrt(2)), abs=0.01)
    template = Observer.trained(present, absent).template
    expected = np.linalg.solve(root @ root.T, delta)
    assert template @ expected > 0.99 * np.linalg.norm(template) * np.linalg.norm(expected)


def test_white_noise_in_an_image_is_read_through_the_channels():
    """A disc in white noise: the observer reaches what its channels see of it, no more than the ideal observer."""
    rng = np.random.default_rng(1)
    bank = channels(15).reshape(4, -1)
    y, x = np.mgrid[-7:8, -7:8]
    disc = 0.5 * (np.hypot(y, x) < 2).ravel()
    noise = rng.standard_normal((2, 2000, 225))
    present, absent = (noise[0] + disc) @ bank.T, noise[1] @ bank.T
    groups = np.arange(2000) % 5
    area = curve_of(*unseen_scores(present, absent, groups), groups, (1,)).area
    seen = bank @ disc
    separation = np.sqrt(seen @ np.linalg.solve(bank @ bank.T, seen))
    assert area == pytest.approx(norm.cdf(separation / np.sqrt(2)), abs=0.02)
    assert separation <= np.linalg.norm(disc)


def test_no_signal_is_not_seen_and_an_observer_is_not_judged_by_what_it_learned():
    """With few cases and many channels the resubstituted area is far above one half; the unseen one is not."""
    rng = np.random.default_rng(2)
    areas, fooled = [], []
    for _ in range(40):
        present, absent = rng.standard_normal((2, 20, 8))
        groups = np.arange(20) % 10
        areas.append(curve_of(*unseen_scores(present, absent, groups), groups, (2,), 2).area)
        observer = Observer.trained(present, absent)
        fooled.append(curve_of(observer.scores(present), observer.scores(absent), groups, (2,), 2).area)
    assert abs(np.mean(areas) - 0.5) < 0.1
    assert np.mean(fooled) > 0.7


def test_the_area_is_that_of_scikit_learn_with_ties():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    present, absent = rng.integers(0, 6, 50) + 1.0, rng.integers(0, 6, 50) * 1.0
    expected = metrics.roc_auc_score(np.repeat([1, 0], 50), np.concatenate([present, absent]))
    assert curve_of(present, absent, np.arange(50), (0,)).area == pytest.approx(expected)


def test_the_interval_covers_the_true_area():
    rng = np.random.default_rng(4)
    truth, held = norm.cdf(1 / np.sqrt(2)), 0
    for number in range(200):
        present, absent = rng.standard_normal(60) + 1, rng.standard_normal(60)
        low, high = curve_of(present, absent, np.arange(60) // 3, (number,), 300).interval
        held += low <= truth <= high
    assert 0.88 <= held / 200 <= 0.99


def test_curves_of_the_same_groups_are_drawn_alike():
    rng = np.random.default_rng(5)
    present, absent, groups = rng.standard_normal(40) + 1, rng.standard_normal(40), np.arange(40) // 4
    one, same = (curve_of(present, absent, groups, (7,)) for _ in range(2))
    assert middle(one.drawn - same.drawn) == (0.0, 0.0)


def test_the_best_of_several_is_not_flattered():
    """Six methods of one law: the best of five seems ahead, unless others than those who chose judge."""
    rng = np.random.default_rng(6)
    flattered, apart, ahead = [], [], []
    for number in range(60):
        own, *rivals = [(rng.standard_normal(18) + 1, rng.standard_normal(18)) for _ in range(6)]
        areas = [curve_of(*one, np.arange(18), (0,), 2).area for one in (own, *rivals)]
        flattered.append(areas[0] - max(areas[1:]))
        apart.append(gain_over_chosen(own, rivals, (number,), 50))
        ahead.append(gain_over_chosen((own[0] + 1, own[1]), rivals, (number,), 50))
    assert np.mean(flattered) < -0.06
    assert abs(np.mean(apart)) < 0.03
    assert np.mean(ahead) == pytest.approx(norm.cdf(2 / np.sqrt(2)) - norm.cdf(1 / np.sqrt(2)), abs=0.03)


def test_channels_see_no_brightness_and_have_unit_norm():
    bank = channels(15)
    assert bank.shape == (4, 15, 15)
    assert np.abs(bank.sum((1, 2))).max() < 1e-12
    assert np.allclose((bank**2).sum((1, 2)), 1)
    assert np.allclose(bank, bank[:, ::-1]) and np.allclose(bank, bank.swapaxes(1, 2))
