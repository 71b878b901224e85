"""A channelised Hotelling observer: how well a signal of known place and shape can be told from none.

Channels are differences of Gaussians in frequency (Abbey and Barrett 2001, doi:10.1364/JOSAA.18.000473), the template
is the linear discriminant of their outputs. Where these are Gaussian, the area under the curve is Phi(d' / sqrt 2) with
d'^2 = delta^T C^-1 delta.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNELS, LOWEST, RATIO, WIDTH = 4, 0.03, 2.0, 2.0
"""Channels, the lowest frequency [cycles a pixel], that of each over the one below it, and their width."""
RIDGE = 1e-6
"""Of the mean variance, added to the covariance: channels that never vary do not divide by zero."""


def channels(size: int) -> NDArray[np.float64]:
    """Differences of Gaussians in frequency, round the centre pixel of a patch.

    Parameters
    ----------
    size
        Side of the patch, odd [pixels].

    Returns
    -------
    ndarray
        [channel, size, size], each of mean zero (brightness alone is no signal) and of unit norm.
    """
    frequency = np.fft.fftfreq(8 * size)
    power = frequency[:, None] ** 2 + frequency**2
    made = []
    for number in range(CHANNELS):
        s = LOWEST * RATIO**number
        band = np.exp(-power / (2 * (WIDTH * s) ** 2)) - np.exp(-power / (2 * s**2))
        wide = np.fft.fftshift(np.fft.ifft2(band).real)
        first = wide.shape[0] // 2 - size // 2
        patch = wide[first : first + size, first : first + size]
        patch = patch - patch.mean()
        made.append(patch / np.linalg.norm(patch))
    return np.stack(made)


@dataclass(frozen=True)
class Observer:
    """A linear discriminant of channel outputs."""

    template: NDArray[np.float64]
    """[channel]."""

    @classmethod
    def trained(cls, present: NDArray[np.float64], absent: NDArray[np.float64]) -> "Observer":
        """Learn from outputs [case, channel] with and without the signal, two of each or more."""
        covariance = (np.cov(present.T) + np.cov(absent.T)) / 2
        covariance = covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        return cls(np.linalg.solve(covariance, present.mean(0) - absent.mean(0)))

    def scores(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each case [case, channel] looks as if the signal were there, [case]."""
        return outputs @ self.template


def unseen_scores(
    present: NDArray[np.float64], absent: NDArray[np.float64], groups: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of every case by an observer that has seen no case of its group.

    Parameters
    ----------
    present, absent
        [case, channel], in pairs.
    groups
        [case]: what belongs together, such as the sites of a head; two groups or more.
    """
    found = np.empty((2, len(groups)))
    for group in np.unique(groups):
        own = groups == group
        observer = Observer.trained(present[~own], absent[~own])
        found[:, own] = observer.scores(present[own]), observer.scores(absent[own])
    return found[0], found[1]


@dataclass(frozen=True)
class Curve:
    """Area under the receiver operating characteristic, with what a bootstrap over groups makes of it."""

    area: float
    """Probability that a case with the signal scores above one without it."""
    drawn: NDArray[np.float64]
    """[draw]: the same for groups drawn with replacement. Curves of the same groups and seed are drawn alike, so the
    difference of two has an interval of its own."""

    @property
    def interval(self) -> tuple[float, float]:
        """The middle 95 %."""
        return middle(self.drawn)


Scores = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of cases with and without the signal, each [case]."""


def gain_over_chosen(own: Scores, rivals: Sequence[Scores], seed: Sequence[int], halvings: int = 400) -> float:
    """Area under the curve less that of the best of several rivals, which is chosen on cases that do not judge it.

    The best of several on the same cases is better there than elsewhere. So one half of the cases, drawn at random,
    chooses and the other judges; the mean over many halvings.

    Parameters
    ----------
    own, rivals
        Scores of the same cases, in pairs; four or more.
    seed, halvings
        Of the draws.
    """
    present, absent = (np.stack([one[number] for one in (own, *rivals)]) for number in (0, 1))
    wins = (present[:, :, None] > absent[:, None]) + 0.5 * (present[:, :, None] == absent[:, None])
    rng, count = np.random.default_rng(list(seed)), present.shape[1]
    gains = []
    for _ in range(halvings):
        order = rng.permutation(count)
        choosing, judging = (wins[:, half][:, :, half].mean((1, 2)) for half in np.array_split(order, 2))
        gains.append(judging[0] - judging[1 + int(choosing[1:].argmax())])
    return float(np.mean(gains))


def middle(values: NDArray[np.float64]) -> tuple[float, float]:
    """The interval that holds the middle 95 % of some values."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def curve_of(
    present: NDArray[np.float64],
    absent: NDArray[np.float64],
    groups: NDArray[np.integer],
    seed: Sequence[int],
    draws: int = 1000,
) -> Curve:
    """The area under the curve of scores [case], and its bootstrap over groups.

    Parameters
    ----------
    present, absent
        Scores, each [case].
    groups
        [case], of both.
    seed, draws
        Of the bootstrap.
    """
    wins = (present[:, None] > absent) + 0.5 * (present[:, None] == absent)
    _, own = np.unique(groups, return_inverse=True)
    count = int(own.max()) + 1
    member = np.eye(count)[own]
    won, played = member.T @ wins @ member, np.outer(member.sum(0), member.sum(0))
    rng = np.random.default_rng(list(seed))
    times = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    drawn = np.einsum("dg,gh,dh->d", times, won, times) / np.einsum("dg,gh,dh->d", times, played, times)
    return Curve(float(wins.mean()), drawn)
