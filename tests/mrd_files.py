"""ISMRMRD files, written by the ismrmrd package."""

import ismrmrd
import numpy as np

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

    with ismrmrd.Dataset(str(path), "dataset") as file:
        file.write_xml_header(header_of(scan).encode())
        if scan.noise is not None:
            noise = record(scan.noise)
            noise.setFlag(NOISE)
            file.append_acquisition(noise)
        for line in np.flatnonzero(scan.mask):
            for slice_ in range(scan.n_slices):
                file.append_acquisition(record(scan.kspace[slice_, :, :, line], line, slice_))
