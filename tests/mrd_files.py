"""ISMRMRD files of scans."""

import ismrmrd
import numpy as np

from rsd_mri.scan.record_writing import write_records
from rsd_mri.scan.records import NOISE
from rsd_mri.scan.writing import header_of


def write_mrd(path, scan):
    """Write a scan as ISMRMRD raw data, its noise scan first; with the place of its slices, where it is known."""
    geometry = scan.geometry

    def record(samples, line=0, slice_=0):
        acq = ismrmrd.Acquisition.from_array(np.ascontiguousarray(samples))
        acq.center_sample, acq.sample_time_us = samples.shape[1] // 2, 5.0
        acq.idx.kspace_encode_step_1, acq.idx.slice = line, slice_
        if geometry.positions and geometry.read_direction is not None:
            acq.position[:] = geometry.positions[slice_]
            acq.read_dir[:], acq.phase_dir[:] = geometry.read_direction, geometry.phase_direction
            acq.slice_dir[:] = geometry.slice_direction
        return acq

    records = []
    if scan.noise is not None:
        records.append(record(scan.noise))
        records[0].setFlag(NOISE)
    for line in np.flatnonzero(scan.mask):
        records += [record(scan.kspace[slice_, :, :, line], line, slice_) for slice_ in range(scan.n_slices)]
    write_records(path, header_of(scan), records)
