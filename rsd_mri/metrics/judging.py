"""Sets of images against a reference, in one space or several: the rows of a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from rsd_mri.metrics.distribution import frechet_distance, frechet_interval, precision_recall
from rsd_mri.metrics.picture_features import PictureFeatures

HEADER = (
    f"{'':<24}{'images':>7}{'Frechet':>10}{'':<10}{'structure':>10}{'detail':>8}{'precision':>10}{'recall':>8}"
    f"{'ms/image':>10}"
)

CLEAN = "clean images"
"""Images as they are, against clean images that no network has seen."""
SEEN = "clean images through A"
"""Where the teacher models measurements: its samples, and the student's images through A without noise, against clean
images through A without noise."""
MEASURED = "measurements"
"""Images corrupted again by the law of the data, noise and all, against the measurements: the Proximal distance. No
clean image enters."""


@dataclass(frozen=True)
class Judged:
    """A set of images against the reference of its space."""

    name: str
    space: str
    images: int
    frechet: float
    """Squared Frechet distance in the feature space."""
    interval: float
    """Half width of its 95 % interval."""
    precision: float
    recall: float
    seconds_per_image: float | None = None
    network_calls: int | None = None
    structure: float | None = None
    """The distance by the pixels' components alone."""
    detail: float | None = None
    """The distance by the strength of detail alone."""

    def line(self) -> str:
        """One row of the table."""
        speed = "" if self.seconds_per_image is None else f"{1000 * self.seconds_per_image:>10.2f}"
        parts = "".join(
            f"{'' if part is None else f'{part:.3f}':>{width}}"
            for part, width in ((self.structure, 10), (self.detail, 8))
        )
        return (
            f"{self.name:<24}{self.images:>7}{self.frechet:>10.3f} +-{self.interval:<7.3f}{parts}"
            f"{self.precision:>10.3f}{self.recall:>8.3f}{speed}"
        )


def judge(
    reference: NDArray[Any],
    sets: Mapping[str, NDArray[Any]],
    speed: Mapping[str, tuple[float, int]] | None = None,
    space: str = CLEAN,
) -> list[Judged]:
    """Judge sets of images by the structure and the detail of their reference.

    Parameters
    ----------
    reference
        [image, y, x] complex or [image, channel, y, x].
    sets
        Name to images of the same size.
    speed
        Name to (seconds per image, network calls), where it is known.
    space
        What is compared, for the table.
    """
    features = PictureFeatures.fit(reference)
    expected = features(reference)
    rows = []
    for name, images in sets.items():
        found = features(images)
        structure, detail = (
            frechet_distance(a, b) for a, b in zip(features.parts(expected), features.parts(found), strict=True)
        )
        precision, recall = precision_recall(expected, found)
        seconds, calls = (speed or {}).get(name, (None, None))
        rows.append(
            Judged(
                name,
                space,
                len(images),
                frechet_distance(expected, found),
                frechet_interval(expected, found),
                precision,
                recall,
                seconds,
                calls,
                structure,
                detail,
            )
        )
    return rows


def table_of(rows: list[Judged]) -> list[str]:
    """Lines that show the rows, space by space."""
    lines = []
    for space in dict.fromkeys(row.space for row in rows):
        lines += [f"against {space}", HEADER, *(row.line() for row in rows if row.space == space)]
    return lines
