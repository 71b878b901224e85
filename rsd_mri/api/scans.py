"""Scans: read, simulated, prepared."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from data_prep import prepare_folder
from data_prep.manifest import Manifest
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import fft2c, ifft2c
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings, MaskSettings, Protocol, load_protocol
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.reading import read_scan, read_scans
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.trajectory import TRAJECTORIES
from rsd_mri.simulation import beating, simulate_scan
from rsd_mri.simulation.contrast import Contrast
from rsd_mri.simulation.moving import Moving
from rsd_mri.simulation.simulate import Plane

CENTRE = 20
"""Lines in the centre of a simulated scan, where they fit: those of 320 in arXiv 2505.13377."""


def read(path: str | Path) -> Scan:
    """Read one scan in any format, recognised by what is in it; of several volumes the first.

    Raises
    ------
    InputError
        If the file is not a whole, usable scan; the sentence names what was expected.
    """
    return read_scan(path)


def read_frames(path: str | Path) -> tuple[Scan, ...]:
    """Read every volume of a file: the frames of each stack of slices.

    Raises
    ------
    InputError
        As `read`.
    """
    return read_scans(path)


def simulate(
    acceleration: float | None = 4.0,
    *,
    matrix: int = 128,
    slices: int = 1,
    coils: int = 8,
    noise: float = 0.01,
    acs_lines: int | None = None,
    contrast: Contrast | None = None,
    plane: Plane | None = None,
    fov: float = 1.0,
    trajectory: str | None = None,
    slab: bool | float = False,
    motion: float | None = None,
    seed: int = 0,
) -> tuple[Scan, NDArray[np.complex64]]:
    """Simulate a multi-coil scan of a brain, and the image behind it.

    Parameters
    ----------
    acceleration
        Asked; None for a full scan.
    matrix, slices, coils
        How many pixels along each side, slices and receive coils.
    noise
        Standard deviation of the complex k-space noise over the brightest tissue.
    acs_lines
        Lines kept in the centre of k-space; where not given 20, or half of those kept where there are no 20.
    contrast, plane
        `T1`, `T2`, `FLAIR` or `PD`; `axial`, `sagittal` or `coronal`. Drawn where not given.
    fov
        Share of the whole field of view along the phase encoding; below about 0.65 an axial head wraps.
    trajectory
        `radial` or `spiral`: spokes at the golden angle or interleaved spirals, as many fewer as `acceleration` says.
    slab
        A 3-D acquisition of cubic voxels, or of such as are so many times as long as wide along the readout: slices are
        its positions, side by side, undersampled by points of an ellipse; `acs_lines` is then the side of their centre.
    motion
        Lines or points in eight segments, between which the head moves in the plane by up to so many millimetres and
        degrees; the image is that of the pose in which the centre was measured.
    seed
        Gives the head, the coils, the sampling and the noise: with another acceleration the head stays the same.

    Returns
    -------
    scan
        As a scanner would store it.
    image
        [slice, readout, phase_encode] complex: without noise, nothing missing.

    Raises
    ------
    InputError
        If a number makes no scan.
    """
    with _arguments_named():
        settings = DataSettings(slices=slices, matrix=matrix, coils=coils, noise=noise)
        size = (matrix, matrix)
        pattern = points = None
        if trajectory is not None:
            if trajectory not in TRAJECTORIES:
                raise InputError(f"trajectory {trajectory}: expected one of {', '.join(TRAJECTORIES)}")
            points = TRAJECTORIES[trajectory](size, acceleration or 1.0)
        elif acceleration is not None:
            fits = matrix**2 / acceleration >= CENTRE**2 if slab else matrix / acceleration >= CENTRE
            lines = CENTRE if acs_lines is None and fits else acs_lines
            mask_settings = MaskSettings("elliptical" if slab else "uniform", acceleration, lines)
            pattern = draw_mask(mask_settings, size, generator(seed, 0, "mask"))
        return simulate_scan(
            settings, seed, 0,
            contrast=contrast, plane=plane, fov=fov, pattern=pattern, trajectory=points, slab=slab,
            moving=None if motion is None else Moving(motion),
        )  # fmt: skip


@contextmanager
def _arguments_named() -> Iterator[None]:
    """Refuse by the names of arguments: those of the settings that they become, without the settings' own."""
    try:
        yield
    except InputError as error:
        raise InputError(re.sub(r"\bmask\.|^(MaskSettings|DataSettings|data): ", "", str(error))) from None


def simulate_beating(
    frames: int = 16,
    acceleration: int = 4,
    *,
    matrix: int = 96,
    coils: int = 8,
    noise: float = 0.01,
    seed: int = 0,
) -> tuple[tuple[Scan, ...], NDArray[np.complex64]]:
    """Simulate a beating heart in a body, whose frames are undersampled in turn.

    Parameters
    ----------
    frames
        Of one cycle.
    acceleration
        R: frame t has the lines t, t + R, t + 2 R, ...; with 1 all of them.
    matrix, coils
        Pixels along each side, and receive coils.
    noise
        Standard deviation of the complex k-space noise; the brightest tissue is near 1.
    seed
        Of coils and noise.

    Returns
    -------
    scans
        One a frame.
    images
        [frame, slice, readout, phase_encode] complex: without noise, nothing missing.

    Raises
    ------
    InputError
        If there is no such movie.
    """
    scans, images = beating.simulate_beating(frames, (matrix, matrix), coils, noise, acceleration, seed)
    return scans, images[:, None]


@overload
def prepare(source: Scan) -> PreparedScan: ...
@overload
def prepare(
    source: str | Path,
    out: str | Path | None = None,
    *,
    protocol: str | Protocol | None = None,
    settings: Mapping[str, object] | None = None,
    workers: int = 1,
    progress: Callable[[float], object] | None = None,
) -> Manifest: ...
def prepare(
    source: Scan | str | Path,
    out: str | Path | None = None,
    *,
    protocol: str | Protocol | None = None,
    settings: Mapping[str, object] | None = None,
    workers: int = 1,
    progress: Callable[[float], object] | None = None,
) -> PreparedScan | Manifest:
    """Whiten, crop, compress and scale k-space, and estimate coil maps.

    Parameters
    ----------
    source
        A scan, whose slices are then made as they are asked for; or a folder of raw scans, or one, to write beside.
    out
        Of a folder: where prepared files go; `source` with `-prepared` added where not given.
    protocol, settings
        Name or file of the protocol, and values that differ: `{"prep.sets": "2"}`.
    workers
        Processes for a folder.
    progress
        Called with the share done, from 0 to 1.

    Returns
    -------
    PreparedScan or Manifest
        Of a scan its prepared slices; of a folder what became of each scan.

    Raises
    ------
    InputError
        If there is nothing to prepare, or it cannot be.
    """
    chosen = protocol_of(protocol, settings)
    if isinstance(source, Scan):
        return PreparedScan.of(source, chosen.prep)
    return prepare_folder(source, out, chosen, workers, progress=Progress.of(progress))


def protocol_of(protocol: str | Protocol | None, settings: Mapping[str, object] | None = None) -> Protocol:
    """A protocol by name, file or value, with some values changed."""
    chosen = protocol if isinstance(protocol, Protocol) else Protocol() if protocol is None else load_protocol(protocol)
    return chosen.with_values({key: str(value) for key, value in settings.items()}) if settings else chosen


def to_image(kspace: NDArray[np.complexfloating]) -> NDArray[np.complex64]:
    """Centred, orthonormal inverse Fourier transform over the last two axes."""
    return ifft2c(torch.from_numpy(np.asarray(kspace, np.complex64))).numpy()


def to_kspace(image: NDArray[np.complexfloating]) -> NDArray[np.complex64]:
    """Centred, orthonormal Fourier transform over the last two axes."""
    return fft2c(torch.from_numpy(np.asarray(image, np.complex64))).numpy()
