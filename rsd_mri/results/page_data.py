"""What the page's scripts show, as they take it."""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.results.nifti import nifti_image
from rsd_mri.results.page_volumes import Movie, volumes
from rsd_mri.results.planes import edge_letters, is_known, voxel_size
from rsd_mri.results.timing import step_of, words_of
from rsd_mri.results.volume import ReconstructedVolume
from rsd_mri.results.window import upper_window


@dataclass(frozen=True)
class Windows:
    """The least and the greatest value shown of each kind of picture."""

    image: tuple[float, float]
    part: tuple[float, float]
    std: tuple[float, float]
    prior: tuple[float, float]
    difference: tuple[float, float]


@dataclass(frozen=True)
class Shown:
    """A volume of the page."""

    name: str
    kind: str
    caption: str
    frames: int
    nifti: str | None
    """Compressed and in base64; None for a difference, which the page computes."""
    subtracted: int | None
    """Number of the volume that this is the difference to."""
    sample: int | None
    """Number of the sample, where it is one."""


@dataclass(frozen=True)
class PageData:
    """All of it; `size` is [slice, readout, phase_encode]."""

    size: tuple[int, ...]
    pixel: tuple[float, ...]
    """Sides (mm)."""
    letters: tuple[str, str, str, str] | None
    """Sides of the patient at the left, right, top and bottom edge; None where they are not known."""
    windows: Windows
    frames: list[str]
    """What is said of each."""
    rate: float | None
    """Frames a second."""
    residual: list[list[float]]
    """Of each frame and slice."""
    panels: list[int]
    """Volumes shown at first."""
    volumes: list[Shown]


def page_data(movies: Sequence[Movie], reference: NDArray[np.floating] | None) -> PageData:
    """Of movies of one size, the reported one first, and a fully sampled image where there is one."""
    main = movies[0]
    rec = main[0]
    shown = volumes(movies, reference)
    names = [v.name for v in shown]
    by_kind = {v.kind: v.values for v in reversed(shown)}

    def white(values: NDArray[np.floating] | None, percentile: float = 99.8) -> float:
        return 1.0 if values is None else upper_window(values, percentile)

    bright = white(shown[0].values if reference is None else reference)
    step = step_of(main)
    return PageData(
        size=rec.magnitude.shape,
        pixel=voxel_size(rec.geometry)[:2],
        letters=edge_letters(rec.geometry) if is_known(rec.geometry, rec.n_slices) else None,
        windows=Windows(
            image=(0, bright),
            part=(0, bright),
            std=(0, white(by_kind.get("std"), 99.5)),
            prior=(0, white(by_kind.get("prior"))),
            difference=(-bright / 5, bright / 5),
        ),
        frames=[words_of(frame) for frame in main] if len(main) > 1 else [""],
        rate=None if step is None else 1e3 / step,
        residual=[[round(float(value), 3) for value in frame.residual] for frame in main],
        panels=[i for i, v in enumerate(shown) if v.sample is None][:4],
        volumes=[
            Shown(
                name=v.name,
                kind=v.kind,
                caption=v.caption,
                frames=1 if v.values is None else len(v.values),
                nifti=None if v.values is None else _nifti(v.values, rec),
                subtracted=names.index(v.subtracted) if v.subtracted else None,
                sample=v.sample,
            )
            for v in shown
        ],
    )


def _nifti(values: NDArray[np.floating], rec: ReconstructedVolume) -> str:
    """A compressed NIfTI of 16-bit values with their scale, in base64: both viewers read it."""
    last = values.astype(np.float32)
    image = nifti_image(last[0] if len(last) == 1 else np.moveaxis(last, 0, 3), rec.geometry)
    image.set_data_dtype(np.int16)
    return base64.b64encode(gzip.compress(image.to_bytes(), 6, mtime=0)).decode()
