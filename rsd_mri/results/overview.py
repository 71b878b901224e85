"""One picture of a reconstruction: some slices, and under each its standard deviation where there is one."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.errors import InputError
from rsd_mri.results.figures import upper_window
from rsd_mri.results.planes import voxel_size
from rsd_mri.results.volume import ReconstructedVolume

MOST = 6
"""Slices shown where none are asked for."""


class Picture(Figure):
    """A figure that a notebook shows whatever its settings; elsewhere `savefig` writes it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def overview_figure(rec: ReconstructedVolume, slices: Sequence[int] | None = None) -> Picture:
    """Slices side by side, and under each its standard deviation where there is one, so many times brighter.

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
    count = rec.n_slices
    if slices is None:
        slices = np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(int)).tolist()
    if not slices or not all(0 <= index < count for index in slices):
        raise InputError(f"slices {list(slices)}: expected at least one number from 0 to {count - 1}")
    rows = {"image": rec.magnitude} | ({"std": rec.std} if rec.std is not None else {})
    read, phase, _ = voxel_size(rec.geometry)
    tall = rec.magnitude.shape[1] * read / (rec.magnitude.shape[2] * phase)
    figure = Picture(figsize=(2.8 * len(slices), 2.8 * tall * len(rows) + 0.7), layout="constrained", facecolor="black")
    axes: Any = figure.subplots(len(rows), len(slices), squeeze=False)
    white = upper_window(rec.magnitude)
    for row, (name, volume) in zip(axes, rows.items(), strict=True):
        top = upper_window(volume)
        share = "" if name == "image" else f" (x {white / top:.0f})"
        for axis, index in zip(row, slices, strict=True):
            axis.imshow(volume[index], cmap="gray", vmin=0, vmax=top, aspect=read / phase)
            axis.set_title(f"{name}{share}, slice {index}", color="white", fontsize=9)
            axis.set_axis_off()
    figure.supxlabel(NOT_FOR_DIAGNOSTIC_USE, color="#ffb347", fontsize=9)
    return figure
