"""A folder of simulated scans in fastMRI's layout."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.scan import write_fastmri
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.trajectory import TRAJECTORIES
from rsd_mri.simulation.moving import Moving
from rsd_mri.simulation.simulate import Plane, simulate_scan


def simulate_folder(
    out: str | Path,
    volumes: int,
    slices: int,
    matrix: int | tuple[int, int],
    coils: int,
    noise: float = 0.01,
    acceleration: float | None = None,
    seed: int = 0,
    *,
    mask: MaskSettings | None = None,
    plane: Plane | None = None,
    fov: float = 1.0,
    first: int = 0,
    trajectory: str | None = None,
    slab: bool = False,
    motion: float | None = None,
    progress: Progress = SILENT,
) -> list[Path]:
    """Simulate scans and write them as HDF5 files in fastMRI's layout.

    Each file holds `kspace`, the noise-only samples, `reconstruction_rss` of the noiseless full scan and,
    with an acceleration, the `mask`: one pattern per volume, keyed by (seed, case).

    Parameters
    ----------
    out
        The folder; made if it is not there.
    volumes, slices, coils
        How many.
    matrix
        Matrix size, one number or (readout, phase_encode).
    noise
        Standard deviation of the complex k-space noise over the brightest tissue.
    acceleration
        Undersample by this, with `MaskSettings`' law; None for full scans.
    seed
        What everything is keyed by.
    mask
        The law to undersample by, in place of `acceleration`.
    plane, fov
        As `simulate_scan` takes them.
    first
        Number of the first case, for more scans of the same seed.
    trajectory
        `radial` or `spiral`, in place of lines; `acceleration` then says how many fewer shots.
    slab
        As `simulate_scan` takes it; undersampled by `elliptical` points where no law is given.
    motion
        Lines or points in eight segments, between which the head moves in the plane by up to so many millimetres and
        degrees; the image is that of the pose in which the centre was measured.
    progress
        Told the share done.

    Returns
    -------
    list of Path
        The files, in order.

    Raises
    ------
    InputError
        If a number makes no scan.
    """
    size = (matrix, matrix) if isinstance(matrix, int) else matrix
    if volumes < 1:
        raise InputError(f"--volumes: expected at least 1, got {volumes}")
    points = None
    if trajectory is not None:
        if trajectory not in TRAJECTORIES:
            raise InputError(f"--trajectory {trajectory}: expected one of {', '.join(TRAJECTORIES)}")
        points, acceleration = TRAJECTORIES[trajectory](size, acceleration or 1.0), None
    if mask is None and acceleration is not None:
        if not acceleration >= 1:
            raise InputError(f"--accel: expected at least 1, got {acceleration:g}")
        mask = MaskSettings("elliptical" if slab else "uniform", acceleration)
    settings = replace(DataSettings(), slices=slices, matrix=size[0], coils=coils, noise=noise)
    paths = []
    for case, part in progress.each(range(first, first + volumes)):
        pattern = None if mask is None else draw_mask(mask, size, generator(seed, case, "mask"))
        scan, image = simulate_scan(
            settings, seed, case,
            size=size, plane=plane, fov=fov, pattern=pattern,
            trajectory=points, slab=slab, moving=None if motion is None else Moving(motion),
            progress=part,
        )  # fmt: skip
        path = Path(out) / f"brain_{seed}_{case:04d}.h5"
        paths.append(write_fastmri(path, scan, reconstruction_rss=np.abs(image)))
    return paths
