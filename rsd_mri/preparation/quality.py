"""A picture of the coil maps of a volume, to judge them by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.machine.evenly import evenly
from rsd_mri.operators.fourier import ifft2c
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.scan.middle import centre_of_last

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
    window = centre_of_last(prepared.kspace.shape, prepared.acs)
    low[window] = prepared.kspace[window]
    images = ifft2c(torch.from_numpy(low)).numpy()
    maps = prepared.csm if prepared.n_sets == 2 else prepared.csm[None]
    combined = (maps.conj() * images).sum(axis=1, keepdims=True)
    left = images - (maps * combined).sum(axis=0)
    energy, total = float((np.abs(left) ** 2).sum()), float((np.abs(images) ** 2).sum())
    support = (np.abs(maps) ** 2).sum()
    noise = prepared.sigma**2 * np.prod(prepared.acs) * (len(images) - support / np.prod(images.shape[1:]))
    share = max(energy - float(noise), 0.0) / total if total > 0 else 0.0
    return np.sqrt((np.abs(left) ** 2).sum(axis=0)), share


def picture_of_maps(
    slices: Sequence[PreparedSlice], path: str | Path, title: str = "", indices: Sequence[int] | None = None
) -> Path:
    """Draw image, eigenvalues, support, unexplained energy and maps of a few slices of a volume.

    Parameters
    ----------
    slices
        Prepared slices of one volume; the strongest maps of up to four of them, evenly spread, are shown.
    path
        Where the picture is written; the ending chooses the format (.png, .pdf, ...).
    title
        A line above the picture, such as the name of the scan.
    indices
        Place of each of `slices` in its scan; 0, 1, 2, ... by default.

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
    shown = evenly(len(slices), MAX_SLICES)
    names = range(len(slices)) if indices is None else indices
    rows = [_panels(slices[index], f"slice {names[index]}") for index in shown]
    readout, phase = rows[0][0][1].shape[:2]
    gap, label = 0.04 * phase, 0.09 * max(readout, phase)
    # One axis for all panels, in pixels of the image: an axis for each would take seconds.
    size = (len(rows[0]) * (phase + gap), len(rows) * (readout + label))
    inches = 1.7 * len(rows[0]) / size[0]
    height = size[1] * inches + 0.85
    figure = Figure(figsize=(size[0] * inches, height), dpi=110)
    axis = figure.add_axes((0, 0.3 / height, 1, 1 - 0.85 / height), xlim=(0, size[0]), ylim=(size[1], 0))
    axis.set_axis_off()
    for top, row in zip(np.arange(len(rows)) * (readout + label) + label, rows, strict=True):
        for left, (name, colours) in zip(np.arange(len(row)) * (phase + gap) + gap / 2, row, strict=True):
            axis.imshow(colours, extent=(left, left + phase, top + readout, top), interpolation="nearest")
            axis.text(left + phase / 2, top - label / 4, name, fontsize=8, ha="center")
    axis.set(xlim=(0, size[0]), ylim=(size[1], 0))
    first = slices[0]
    centre = "x".join(map(str, first.acs))
    figure.suptitle(
        f"{title + ': ' if title else ''}{first.sets_reason}\n"
        f"centre {centre}, calibration width {first.calib_width}, noise {first.sigma:.2g} ({first.noise_source}), "
        f"coil energy kept {first.energy_kept:.1%}",
        fontsize=9, y=1 - 0.1 / height,
    )  # fmt: skip
    figure.text(0.5, 0.1 / height, NOT_FOR_DIAGNOSTIC_USE, fontsize=9, ha="center")
    with written_whole(path) as partial:
        figure.savefig(partial)
    return Path(path)


def _panels(prepared: PreparedSlice, name: str) -> list[tuple[str, NDArray[np.uint8]]]:
    """One row: image, eigenvalues, support, what is unexplained, then maps with phase as colour [y, x, rgb]."""
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
    shown = [(title, colormaps[colours](data / top, bytes=True)[..., :3]) for title, data, colours, top in panels]
    return shown + [(f"map of coil {c + 1}", _coloured(one)) for c, one in enumerate(maps[0, :MAX_COILS])]


def _coloured(values: NDArray[np.complex64]) -> NDArray[np.uint8]:
    """Complex numbers as colours: brightness is the magnitude, hue the phase."""
    hue = 2 * np.pi * np.array([0, 1 / 3, 2 / 3])
    brightness = np.clip(np.abs(values), 0, 1)[..., None]
    found: NDArray[np.uint8] = np.uint8(255 * brightness * (0.5 + 0.5 * np.cos(np.angle(values)[..., None] - hue)))
    return found
