"""A hidden and a kept lesion, beside the uncertainty that goes with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.bench.lesion_card import HIDDEN
from rsd_mri.bench.lesion_readings import Example, Reading
from rsd_mri.bench.lesion_sites import Site, disc
from rsd_mri.files import written_whole
from rsd_mri.results.figures import contact_sheet
from rsd_mri.results.window import upper_window

SIDE = 56
"""Of what is shown round a lesion [pixels]."""
NEAR = 36
"""The same on the report page, where pictures are small."""
ZOOM = 4
SMALLEST = 2.0
"""Size below which nobody would see in the picture what is meant [pixels]."""
NEARLY = 0.2
"""By how much what is left of the contrast of a kept lesion may differ from all of it."""
SHOWN = "posterior"
"""Method of which the bench's own picture is."""
COLUMNS = ("truth", "total variation", "posterior mean", "half width x 4")


@dataclass(frozen=True)
class Rated:
    """A lesion in a method's image."""

    share: float
    """Of its contrast, what is left."""
    reading: Reading
    site: Site


def rated(readings: Sequence[Reading], method: str) -> list[Rated]:
    """Every lesion of which a method's interval is known, the most hidden one first."""
    known = [one for one in readings if one.method == method and one.half_width is not None]
    found = [
        Rated(float(share), one, site) for one in known for share, site in zip(_shares(one), one.sites, strict=True)
    ]
    return sorted(found, key=lambda one: one.share)


def best_kept(lesions: Sequence[Rated]) -> Rated:
    """The one of which the contrast is nearest to what it was."""
    return min(lesions, key=lambda one: (abs(one.share - 1), one.reading.case))


def write_picture(path: Path, readings: Sequence[Reading], examples: Sequence[Example]) -> None:
    """Show the lesion that the posterior hides most and the one that it keeps best, a row each; nothing without any."""
    lesions = [one for one in rated(readings, SHOWN) if one.site.size >= SMALLEST]
    if not lesions:
        return
    tiles, labels = [], []
    for word, one in (("hidden", lesions[0]), ("kept", best_kept(lesions))):
        tiles += tiles_of(one, examples)
        text = f"{word}: {one.site.size:g} px, {one.site.contrast:+.0%}, R={one.reading.acceleration:g}"
        labels += [f"{text}, {one.share:.0%} left", *COLUMNS[1:]]
    sheet = contact_sheet(np.stack(tiles), columns=len(COLUMNS), white=1.0, labels=labels)
    with written_whole(path) as partial:
        sheet.save(partial, format="PNG", optimize=True)


def page_picture(
    readings: Sequence[Reading],
    examples: Sequence[Example],
    method: str,
    acceleration: float,
    lost: float,
    kept: float | None,
) -> NDArray[np.uint8] | None:
    """A lesion that a method hid and one that it kept, for the report page; None where there are none to show.

    Parameters
    ----------
    readings, examples
        Of the bench.
    method, acceleration
        Of both.
    lost, kept
        Their diameters [pixels]; without the second the hidden one alone.

    Returns
    -------
    ndarray
        Grey, a row each, of each the lesion that is plainest in the truth: truth with a ring round the place, the
        image, and its half width four times as bright.
    """
    here = [one for one in rated(readings, method) if one.reading.acceleration == acceleration]
    hidden = [one for one in here if one.site.size == lost and one.share < HIDDEN]
    whole = [one for one in here if one.site.size == kept and abs(one.share - 1) < NEARLY]
    if not hidden:
        return None
    rows = []
    for lesions in (hidden, whole):
        if lesions:
            truth, _, image, half_width = tiles_of(max(lesions, key=_plain), examples)
            rows.append([_near(tile) for tile in (truth, image, half_width)])
    sheet = np.block(rows)
    grey: NDArray[np.uint8] = np.round(255 * sheet).astype(np.uint8)
    return grey


def tiles_of(one: Rated, examples: Sequence[Example]) -> list[NDArray[np.floating]]:
    """What `COLUMNS` names, round a lesion, from 0 to 1.

    The window is that of the truth in the part shown; the half width is shown four times as bright. A ring goes round
    the place of the lesion in the first image.
    """
    match = (one.reading.case, one.reading.method, one.reading.acceleration, one.site.second)
    images = next(e for e in examples if (e.case, e.method, e.acceleration, e.second) == match)
    white = upper_window(_cut(images.truth, one.site))
    shown = [images.truth, images.tv, images.image, 4 * images.half_width]
    tiles = [np.kron(np.clip(_cut(image, one.site) / white, 0, 1), np.ones((ZOOM, ZOOM))) for image in shown]
    return [_ringed(tiles[0], images.truth.shape, one.site), *tiles[1:]]


def _plain(one: Rated) -> float:
    """By how much a lesion changes the truth, in what is white there."""
    at = next(number for number, site in enumerate(one.reading.sites) if site == one.site)
    without, there = one.reading.truth[:, at]
    return float(np.abs(there - without).max() / upper_window(there))


def _near(tile: NDArray[np.floating]) -> NDArray[np.floating]:
    """The middle of a tile, where the lesion is."""
    edge = (SIDE - NEAR) // 2 * ZOOM
    return tile[edge:-edge, edge:-edge]


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
