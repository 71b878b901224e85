"""Whether generated images can be told from real ones, whether they are copies, and what they never show.

All of it on the features that need no download (`PictureFeatures`), or on the pixels.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.metrics.distribution import Array, within_manifold
from rsd_mri.metrics.picture_features import PictureFeatures

TREES, FOLDS, GROUPS = 200, 5, 8
FEWEST = 40
NORMAL_95 = 1.96


@dataclass(frozen=True)
class TwoSample:
    """A classifier that was trained to tell two sets apart, on images it was not trained on."""

    accuracy: float
    """0.5 is chance: the sets cannot be told apart by these features."""
    interval: float
    """Half width of its 95 % interval."""
    images: int
    """Of each set."""


@dataclass(frozen=True)
class Nearest:
    """Distance to the nearest training image, over the image's own norm, of generated and of held-out images."""

    median: float
    lowest: float
    """The lowest hundredth."""
    held_out_median: float
    held_out_lowest: float
    share_nearer: float
    """Of the generated images that are nearer to a training image than all but a hundredth of the held-out ones: 0.01
    where nothing is copied."""


@dataclass(frozen=True)
class Group:
    """Real images that are alike, and how well generated ones cover them."""

    share: float
    """Of the real images that are in it."""
    generated: float
    """Share of the generated images that are nearest to its centre."""
    recall: float
    """Share of its images that lie within the generated ones' manifold (`distribution.precision_recall`)."""
    example: int
    """Number of the real image nearest to its centre."""


@dataclass(frozen=True)
class Likeness:
    """How like the real images the generated ones are, beyond a distance."""

    two_sample: TwoSample
    groups: tuple[Group, ...]
    """Largest first."""
    nearest: Nearest | None = None

    def lines(self) -> list[str]:
        """For a person."""
        t = self.two_sample
        out = [
            f"told apart from real images by a random forest: {100 * t.accuracy:.0f} +- {100 * t.interval:.0f} % "
            "(chance 50 %)"
        ]
        rare = [g for g in self.groups if g.generated < g.share / 3]
        out.append(
            f"of {len(self.groups)} groups of real images, {len(rare)} are shown at less than a third of their share"
            + "".join(f"; {100 * g.share:.0f} % of the real, {100 * g.generated:.1f} % of the generated" for g in rare)
        )
        if self.nearest is not None:
            n = self.nearest
            out.append(
                f"distance to the nearest training image: median {n.median:.2f}, lowest hundredth {n.lowest:.2f}; "
                f"of held-out images {n.held_out_median:.2f} and {n.held_out_lowest:.2f}; "
                f"{100 * n.share_nearer:.1f} % are nearer than all but 1 % of those"
            )
        return out

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {**asdict(self), "groups": [asdict(group) for group in self.groups]}


def likeness(
    images: NDArray[Any], reference: NDArray[Any], training: NDArray[Any] | None = None, seed: int = 0
) -> Likeness:
    """Judge generated images beyond their distance.

    Parameters
    ----------
    images, reference
        Generated and held-out real images of one size, [image, y, x] or [image, channel, y, x].
    training
        What the generator learned from, or the clean images behind it, of the same size.
    seed
        Of the folds and the trees.

    Raises
    ------
    InputError
        If there are too few images.
    """
    if min(len(images), len(reference)) < FEWEST:
        raise InputError(
            f"expected at least {FEWEST} images in each set, got {len(images)} and {len(reference)}; generate more"
        )
    features = PictureFeatures.fit(reference)
    real, made = features(reference), features(images)
    near = None if training is None else nearest(images, training, reference)
    return Likeness(two_sample(real, made, seed), groups(real, made, seed), near)


def two_sample(real: Array, made: Array, seed: int = 0) -> TwoSample:
    """Cross-validated accuracy of a random forest on features [image, feature].

    Lopez-Paz and Oquab 2017 (arXiv 1610.06545). The larger set is cut to the size of the smaller one.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    rng = np.random.default_rng(seed)
    count = min(len(real), len(made))
    chosen = [f[np.sort(rng.permutation(len(f))[:count])] for f in (real, made)]
    labels = np.repeat([0, 1], count)
    forest = RandomForestClassifier(TREES, random_state=seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    accuracy = float(np.mean(cross_val_score(forest, np.concatenate(chosen), labels, cv=folds)))
    return TwoSample(accuracy, NORMAL_95 * (accuracy * (1 - accuracy) / (2 * count)) ** 0.5, count)


def nearest(images: NDArray[Any], training: NDArray[Any], held_out: NDArray[Any]) -> Nearest:
    """Relative distance of every image to its nearest training image, by pixels of the magnitudes."""
    known = _flat(training)
    generated, others = (_relative(_flat(one), known) for one in (images, held_out))
    lowest = float(np.quantile(others, 0.01))
    return Nearest(
        float(np.median(generated)),
        float(np.quantile(generated, 0.01)),
        float(np.median(others)),
        lowest,
        float(np.mean(generated < lowest)),
    )


def groups(real: Array, made: Array, seed: int = 0) -> tuple[Group, ...]:
    """Real images in groups (k-means of their features), and how the generated ones cover each."""
    from sklearn.cluster import KMeans

    means = KMeans(min(GROUPS, len(real) // 5), n_init=4, random_state=seed).fit(real)
    own, of_made = means.labels_, means.predict(made)
    covered = within_manifold(made, real)
    found = []
    for number, centre in enumerate(means.cluster_centers_):
        inside = np.flatnonzero(own == number)
        example = int(inside[np.argmin(((real[inside] - centre) ** 2).sum(1))])
        share, shown = len(inside) / len(real), float(np.mean(of_made == number))
        found.append(Group(share, shown, float(covered[inside].mean()), example))
    return tuple(sorted(found, key=lambda group: -group.share))


def _flat(images: NDArray[Any]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.abs(images).reshape(len(images), -1).astype(np.float32)
    return found


def _relative(images: NDArray[np.float32], known: NDArray[np.float32]) -> Array:
    """Smallest distance over the norm, [image]."""
    squares = (known**2).sum(1)
    parts: Sequence[NDArray[np.float32]] = [
        (squares - 2 * images[first : first + 256] @ known.T).min(1) for first in range(0, len(images), 256)
    ]
    norms = (images.astype(np.float64) ** 2).sum(1)
    found: Array = np.sqrt(np.clip(np.concatenate(parts) + norms, 0, None) / np.clip(norms, 1e-12, None))
    return found
