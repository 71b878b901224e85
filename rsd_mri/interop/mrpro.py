"""Our scans as mrpro's raw data, and mrpro's as ours: by way of ISMRMRD, which both read."""

import tempfile
from pathlib import Path

import ismrmrd
import numpy as np
from mrpro.data import KData
from mrpro.data.traj_calculators import KTrajectoryCartesian

from rsd_mri.errors import InputError
from rsd_mri.scan.reading import read_scans
from rsd_mri.scan.record_writing import write_records
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.writing import header_of

DWELL = 5.0
"""Written where a scan does not say it [us]: mrpro takes none of it for an image."""


def to_kdata(scan: Scan) -> KData:
    """The acquired lines of a scan, with sizes and places of its slices; noise samples are no part of it.

    Parameters
    ----------
    scan
        Lines on a Cartesian grid.

    Raises
    ------
    InputError
        If it is a 2-D pattern or follows another trajectory.
    """
    if scan.trajectory is not None or scan.mask.ndim != 1:
        raise InputError(f"{scan.source}: expected lines on a Cartesian grid; mrpro's records are whole lines")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.h5"
        lines = (int(line) for line in np.flatnonzero(scan.mask))
        records = (_record(scan, number, line) for line in lines for number in range(scan.n_slices))
        write_records(path, header_of(scan), records)
        return KData.from_file(path, KTrajectoryCartesian())


def from_kdata(kdata: KData) -> tuple[Scan, ...]:
    """Scans of mrpro's raw data: one a frame of each stack of slices.

    Raises
    ------
    InputError
        As `rsd_mri.scan.reading.read_scans`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kdata.h5"
        kdata.to_file(path)
        return read_scans(path)


def _record(scan: Scan, number: int, line: int) -> ismrmrd.Acquisition:
    one = ismrmrd.Acquisition.from_array(np.ascontiguousarray(scan.kspace[number][:, :, line]))
    one.center_sample, one.sample_time_us = scan.size[0] // 2, DWELL
    one.idx.kspace_encode_step_1, one.idx.slice = line, number
    place = scan.geometry
    if place.positions and place.read_direction and place.phase_direction and place.slice_direction:
        one.position[:] = place.positions[number]
        one.read_dir[:], one.phase_dir[:] = place.read_direction, place.phase_direction
        one.slice_dir[:] = place.slice_direction
    return one
