"""A picture of the coil maps of a volume, to judge them by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rsd_mri.coils.prepared import PreparedSlice
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.operators.fourier import ifft2c

MAX_SLICES = 4
"""Slices shown."""
MAX_COILS = 4
"""Maps shown per slice."""


def unexplained_energy(prepared: PreparedSlice) -> tuple[NDArray[np.float32], float]:
    """Find what the maps do not explain of the fully sampled centre: (I - S S^H) applied to its coil images.

    Returns
    -------
    energy
        [readout, phase_encode]: root sum of squares over the coils, in prepared units.
    share
        Its energy over that of the coil images, without what noise alone would leave.
    """
    # Without the fully sampled centre the aliases of undersampling would count as unexplained.
    low = np.zeros_like(prepared.kspace)
    window = [
        slice(n // 2 - w // 2, n // 2 - w // 2 + w)
        for n, w in zip(prepared.kspace.shape[-2:], prepared.acs, strict=True)
    ]
    low[:, window[0], window[1]] = prepared.kspace[:, window[0], window[1]]
    images = ifft2c(torch.from_numpy(low)).numpy()
    maps = prepared.csm if prepared.n_sets == 2 else prepared.csm[None]
    combined = (maps.conj() * images).sum(axis=1, keepdims=True)
    left = images - (maps * combined).sum(axis=0)
    energy, total = float((np.abs(left) ** 2).sum()), float((np.abs(images) ** 2).sum())
    support = (np.abs(maps) ** 2).sum()
    noise = prepared.sigma**2 * np.prod(prepared.acs) * (len(images) - support / np.prod(images.shape[1:]))
    share = max(energy - float(noise), 0.0) / total if total > 0 else 0.0
    return np.sqrt((np.abs(left) ** 2).sum(axis=0)), share


def picture_of_maps(slices: Sequence[PreparedSlice], path: str | Path, title: str = "") -> Path:
    """Draw image, eigenvalues, support, unexplained energy and maps of a few slices of a volume.

    Parameters
    ----------
    slices
        Prepared slices of one volume; the strongest maps of up to four of them, evenly spread, are shown.
    path
        Where the picture is written; the ending chooses the format (.png, .pdf, ...).
    title
        A line above the picture, such as the name of the scan.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If there are no slices.
    """
    if not slices:
        raise InputError(f"{path}: a picture of the coil maps needs at least one prepared slice")
    shown = np.unique(np.linspace(0, len(slices) - 1, min(len(slices), MAX_SLICES)).round().astype(int))
    n_coils = min(MAX_COILS, len(slices[0].kspace))
    n_columns = 4 + n_coils
    figure = Figure(figsize=(2.1 * n_columns, 2.4 * len(shown) + 1.0), layout="constrained")
    axes = figure.subplots(len(shown), n_columns, squeeze=False)
    for row, index in zip(axes, shown, strict=True):
        _draw(row, slices[index], f"slice {index}", n_coils)
    first = slices[0]
    size = "x".join(map(str, first.acs))
    figure.suptitle(
        f"{title + ': ' if title else ''}{first.sets_reason}\n"
        f"centre {size}, calibration width {first.calib_width}, noise {first.sigma:.2g} ({first.noise_source}), "
        f"coil energy kept {first.energy_kept:.1%}",
        fontsize=9,
    )
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)
    return Path(path)


def _draw(row: NDArray, prepared: PreparedSlice, name: str, n_coils: int) -> None:
    """Fill one row: image, eigenvalues, support, what is unexplained, then maps with phase as colour."""
    maps = prepared.csm if prepared.n_sets == 2 else prepared.csm[None]
    images = prepared.image if prepared.n_sets == 2 else prepared.image[None]
    support = ((np.abs(maps) ** 2).sum(axis=1) > 0).sum(axis=0)
    left, share = unexplained_energy(prepared)
    magnitude = np.sqrt((np.abs(images) ** 2).sum(axis=0))
    eigenvalues = prepared.eigenvalues
    smallest = np.zeros_like(magnitude) if eigenvalues is None else eigenvalues[-1]
    panels = [
        (name, magnitude, "gray", 1.2),
        ("eigenvalue" if prepared.n_sets == 1 else "second eigenvalue", smallest, "viridis", 1.0),
        ("sets used", support, "viridis", 2),
        (f"unexplained: {share:.1%}", left, "magma", 0.2),
    ]
    for axis, (title, data, colours, top) in zip(row, panels, strict=False):
        axis.imshow(data, cmap=colours, vmin=0, vmax=top, interpolation="nearest")
        axis.set_title(title, fontsize=8)
    for coil in range(n_coils):
        row[4 + coil].imshow(_coloured(maps[0, coil]), interpolation="nearest")
        row[4 + coil].set_title(f"map of coil {coil + 1}", fontsize=8)
    for axis in row:
        axis.set_axis_off()


def _coloured(values: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Complex numbers as colours: brightness is the magnitude, hue the phase."""
    hue = 2 * np.pi * np.array([0, 1 / 3, 2 / 3])
    brightness = np.clip(np.abs(values), 0, 1)[..., None]
    return brightness * (0.5 + 0.5 * np.cos(np.angle(values)[..., None] - hue))
