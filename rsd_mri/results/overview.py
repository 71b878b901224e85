"""One picture of a reconstruction: some slices, and under each how far it may be off, where that is known."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.errors import InputError
from rsd_mri.machine.evenly import evenly
from rsd_mri.results.planes import voxel_size
from rsd_mri.results.volume import ReconstructedVolume
from rsd_mri.results.window import upper_window

MOST = 6
"""Slices shown where none are asked for."""


class Picture(Figure):
    """A figure that a notebook shows whatever its settings; elsewhere `savefig` writes it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def overview_figure(rec: ReconstructedVolume, slices: Sequence[int] | None = None) -> Picture:
    """Slices side by side, under each its half width or standard deviation where there is one, so many times brighter.

    Parameters
    ----------
    rec
        The reconstruction.
    slices
        Which, counted from 0; at most `MOST`, evenly spread, where not given.

    Raises
    ------
    InputError
        If there is no such slice.
    """
    chosen = _chosen(slices, rec.n_slices, "slices")
    rows = {"image": rec.magnitude[chosen]} | {name: values[chosen] for name, (values,) in _uncertainty([rec]).items()}
    return _sheet(rows, [f"slice {index}" for index in chosen], upper_window(rec.magnitude), rec)


def movie_figure(
    frames: Sequence[ReconstructedVolume], numbers: Sequence[int] | None = None, index: int | None = None
) -> Picture:
    """The same of frames, of one slice.

    Parameters
    ----------
    frames
        The movie.
    numbers
        Which frames, counted from 0; at most `MOST`, evenly spread, where not given.
    index
        Which slice; the middle one where not given.

    Raises
    ------
    InputError
        If there is no such frame or slice.
    """
    chosen = _chosen(numbers, len(frames), "frames")
    rec = frames[0]
    (slice_,) = _chosen([rec.n_slices // 2 if index is None else index], rec.n_slices, "slice")
    rows = {"image": np.stack([frames[number].magnitude[slice_] for number in chosen])}
    for name, values in _uncertainty([frames[number] for number in chosen]).items():
        rows[name] = np.stack([one[slice_] for one in values])
    labels = []
    for number in chosen:
        moment = frames[number].facts.moment
        labels.append(f"frame {number}" + ("" if moment is None else f", {moment:.0f} ms"))
    return _sheet(rows, labels, upper_window(rows["image"]), rec)


def _uncertainty(recs: Sequence[ReconstructedVolume]) -> dict[str, list[NDArray[np.float32]]]:
    """The half width of all, or if one has none their standard deviation; empty where one has neither."""
    for name in ("half_width", "std"):
        found = [values for rec in recs if (values := getattr(rec, name)) is not None]
        if len(found) == len(recs):
            return {name.replace("_", " "): found}
    return {}


def _chosen(asked: Sequence[int] | None, count: int, what: str) -> list[int]:
    if asked is None:
        return list(map(int, evenly(count, MOST)))
    if not len(asked) or not all(0 <= number < count for number in asked):
        raise InputError(f"{what} {list(asked)}: expected at least one number from 0 to {count - 1}")
    return list(asked)


def _sheet(
    rows: dict[str, NDArray[np.float32]], labels: Sequence[str], white: float, rec: ReconstructedVolume
) -> Picture:
    """Images [image, y, x] of each row under each other."""
    read, phase, _ = voxel_size(rec.geometry)
    tall = rec.magnitude.shape[1] * read / (rec.magnitude.shape[2] * phase)
    figure = Picture(figsize=(2.8 * len(labels), 2.8 * tall * len(rows) + 0.7), layout="constrained", facecolor="black")
    axes: Any = figure.subplots(len(rows), len(labels), squeeze=False)
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        top = white if name == "image" else upper_window(images)
        share = "" if name == "image" else f" (x {white / top:.0f})"
        for axis, image, label in zip(row, images, labels, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=top, aspect=read / phase)
            axis.set_title(f"{name}{share}, {label}", color="white", fontsize=9)
            axis.set_axis_off()
    figure.supxlabel(NOT_FOR_DIAGNOSTIC_USE, color="#ffb347", fontsize=9)
    return figure
