"""A hidden and a kept lesion, beside the uncertainty that goes with them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.bench.lesion_readings import Example, Reading
from rsd_mri.bench.lesion_sites import Site, disc
from rsd_mri.files import written_whole
from rsd_mri.results.figures import contact_sheet, upper_window

SIDE = 56
"""Of what is shown round a lesion [pixels]."""
ZOOM = 4
SMALLEST = 2.0
"""Size below which nobody would see in the picture what is meant [pixels]."""
COLUMNS = ("truth", "total variation", "posterior mean", "half width x 4")


def write_picture(path: Path, readings: Sequence[Reading], examples: Sequence[Example]) -> None:
    """Show the lesion that the posterior hides most and the one that it keeps best, a row each; nothing without any.

    The window is that of the truth in the part shown; the half width is shown four times as bright. A ring goes round
    the place of the lesion in the first image.
    """
    rated = [
        (share, one, site)
        for one in readings
        if one.method == "posterior" and one.half_width is not None
        for share, site in zip(_shares(one), one.sites, strict=True)
        if site.size >= SMALLEST
    ]
    if not rated:
        return
    rated.sort(key=lambda item: item[0])
    kept = min(rated, key=lambda item: (abs(item[0] - 1), item[1].case))
    tiles, labels = [], []
    for word, (share, one, site) in (("hidden", rated[0]), ("kept", kept)):
        match = (one.case, one.acceleration, site.second)
        images = next(e for e in examples if (e.case, e.acceleration, e.second) == match)
        white = upper_window(_cut(images.truth, site))
        shown = [images.truth, images.tv, images.posterior, 4 * images.half_width]
        tiles += [np.kron(np.clip(_cut(image, site) / white, 0, 1), np.ones((ZOOM, ZOOM))) for image in shown]
        tiles[-4] = _ringed(tiles[-4], images.truth.shape, site)
        text = f"{word}: {site.size:g} px, {site.contrast:+.0%}, R={one.acceleration:g}, {share:.0%} left"
        labels += [text, *COLUMNS[1:]]
    sheet = contact_sheet(np.stack(tiles), columns=len(COLUMNS), white=1.0, labels=labels)
    with written_whole(path) as partial:
        sheet.save(partial, format="PNG", optimize=True)


def _shares(one: Reading) -> NDArray[np.float64]:
    profiles = np.stack([disc(site.size) for site in one.sites])
    gained = (profiles * (one.image[1] - one.image[0])).sum((1, 2))
    shares: NDArray[np.float64] = gained / (profiles * (one.truth[1] - one.truth[0])).sum((1, 2))
    return shares


def _corner(shape: tuple[int, ...], site: Site) -> tuple[int, int]:
    row, column = (
        int(np.clip(at - SIDE // 2, 0, max(n - SIDE, 0))) for at, n in zip((site.row, site.column), shape, strict=True)
    )
    return row, column


def _cut(image: NDArray[np.floating], site: Site) -> NDArray[np.floating]:
    row, column = _corner(image.shape, site)
    return image[row : row + SIDE, column : column + SIDE]


def _ringed(tile: NDArray[np.floating], shape: tuple[int, ...], site: Site) -> NDArray[np.floating]:
    """A bright ring round the lesion, four pixels from its edge."""
    row, column = _corner(shape, site)
    y, x = np.indices(tile.shape) / ZOOM
    away = np.hypot(y - (site.row - row + 0.5), x - (site.column - column + 0.5))
    return np.where(np.abs(away - site.size / 2 - 4) < 0.4, 1.0, tile)
