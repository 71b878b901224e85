"""Pictures of images: contact sheets with the warning burnt in, and comparisons for a paper or a notebook."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.files import written_whole
from rsd_mri.results.window import upper_window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TILE = 288
"""Least width of a tile [pixels]: the warning has to be readable in each."""
TITLE = 0.3
"""Height of a line of text in a figure [inches]."""
QUICK = 1
"""Compression of a sheet: the usual one makes noise only a little smaller, in several times the time."""


def contact_sheet(
    images: NDArray[np.generic],
    columns: int | None = None,
    white: float | None = None,
    labels: Sequence[str] | None = None,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> Image.Image:
    """Lay out magnitudes on one sheet, every tile with the warning burnt in.

    Parameters
    ----------
    images
        [image, y, x], complex or real; the magnitude is shown. Colours are [image, y, x, 3], from 0 to 1.
    columns
        Tiles per row; about a square where not given.
    white
        The value shown as white; one for the whole sheet, from `upper_window` where not given.
    labels
        One line per tile.
    pixel
        Size of a pixel along (y, x), for the right proportions.

    Raises
    ------
    ValueError
        If `images` is not [image, y, x] or [image, y, x, 3], or is empty.
    """
    colours = images.ndim == 4 and images.shape[-1] == 3
    if not (images.ndim == 3 or colours) or not len(images):
        raise ValueError(f"expected images [image, y, x] or [image, y, x, 3], got {images.shape}")
    white = 1.0 if colours else white or upper_window(images)
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    tiles = [_tile(image, white, labels[i] if labels else None, pixel) for i, image in enumerate(np.abs(images))]
    width, height = tiles[0].size
    gap = 4
    rows = -(-len(tiles) // columns)
    sheet = Image.new(tiles[0].mode, (columns * (width + gap) - gap, rows * (height + gap) - gap))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * (width + gap), i // columns * (height + gap)))
    return sheet


def write_contact_sheet(
    path: str | Path, images: NDArray[np.generic], columns: int | None = None, white: float | None = None
) -> Path:
    """Write `contact_sheet` of `images` [image, y, x] or [image, y, x, 3] as PNG."""
    path = Path(path)
    with written_whole(path) as partial:
        contact_sheet(images, columns, white).save(partial, format="PNG", compress_level=QUICK)
    return path


def comparison_figure(
    images: dict[str, NDArray[np.generic]],
    reference: NDArray[np.generic] | None = None,
    white: float | None = None,
    gain: float = 5.0,
) -> "Figure":
    """Images [y, x] side by side; with a reference, also its difference from each, `gain` times brighter.

    Parameters
    ----------
    images
        Title to image; complex ones are shown as magnitudes. All share one window.
    reference
        Shown first, when given.
    white
        The value shown as white.
    gain
        Of the differences.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    # Blue, black, orange: what agrees stays dark. The page shows differences in the same colours.
    signed = LinearSegmentedColormap.from_list("signed", ["#328cff", "#000000", "#ff9628"])
    shown = ({"reference": reference} if reference is not None else {}) | images
    rows = 1 if reference is None else 2
    white = white or upper_window(np.stack([np.abs(image) for image in shown.values()]))
    height, width = next(iter(shown.values())).shape
    size = (3 * len(shown), rows * (3 * height / width + TITLE) + TITLE)
    figure = Figure(figsize=size, layout="constrained", facecolor="black")
    axes: Any = figure.subplots(rows, len(shown), squeeze=False)
    for column, (title, image) in enumerate(shown.items()):
        axes[0, column].imshow(np.abs(image), cmap="gray", vmin=0, vmax=white)
        axes[0, column].set_title(title, color="white", fontsize=11)
        if reference is not None and column:
            difference = np.abs(image).astype(np.float64) - np.abs(reference)
            axes[1, column].imshow(difference, cmap=signed, vmin=-white / gain, vmax=white / gain)
            axes[1, column].set_title(f"difference x {gain:g}", color="white", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.supxlabel(NOT_FOR_DIAGNOSTIC_USE, color="#ffb347", fontsize=9)
    return figure


def _tile(image: NDArray[np.floating], white: float, label: str | None, pixel: tuple[float, float]) -> Image.Image:
    bytes_ = np.round(np.clip(np.nan_to_num(image) / white, 0, 1) * 255).astype(np.uint8)
    rows, columns = bytes_.shape[:2]
    zoom = max(TILE / columns, 1.0)
    size = (round(columns * zoom), max(round(rows * zoom * pixel[0] / pixel[1]), 1))
    tile = Image.fromarray(bytes_).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(tile)
    if label:
        _burn(draw, (6, 4), label, "la")
    _burn(draw, (size[0] / 2, size[1] - 5), NOT_FOR_DIAGNOSTIC_USE, "md")
    return tile


def _burn(draw: ImageDraw.ImageDraw, where: tuple[float, float], text: str, anchor: str) -> None:
    """White on a black rim, so that it can be read on any image."""
    font = ImageFont.load_default(size=12)
    draw.text(where, text, fill="white", font=font, anchor=anchor, stroke_width=2, stroke_fill="black")
