"""One acquisition, stored in two formats, is prepared to the same data."""

import h5py
import ismrmrd
import numpy as np

from data_prep import prepare_folder
from rsd_mri.protocol import DataSettings, PrepSettings, Protocol
from rsd_mri.scan import read_scan, write_fastmri
from rsd_mri.scan.fastmri import header_of
from rsd_mri.scan.mrd import NOISE
from rsd_mri.simulation import simulate_scan

PROTOCOL = Protocol(prep=PrepSettings(virtual_coils=3, calib_width=16))


def write_mrd(path, scan):
    def record(samples, line=0, slice_=0):
        acq = ismrmrd.Acquisition.from_array(np.ascontiguousarray(samples))
        acq.center_sample, acq.sample_time_us = samples.shape[1] // 2, 5.0
        acq.idx.kspace_encode_step_1, acq.idx.slice = line, slice_
        return acq

    with ismrmrd.Dataset(str(path), "dataset") as file:
        file.write_xml_header(header_of(scan).encode())
        noise = record(scan.noise)
        noise.setFlag(NOISE)
        file.append_acquisition(noise)
        for line in np.flatnonzero(scan.mask):
            for slice_ in range(scan.n_slices):
                file.append_acquisition(record(scan.kspace[slice_, :, :, line], line, slice_))


def test_prepared_alike(tmp_path):
    scan, _ = simulate_scan(DataSettings(slices=2, matrix=48, coils=4), 0, 0, noise_correlation=0.3)
    (tmp_path / "raw").mkdir()
    write_fastmri(tmp_path / "raw" / "a.h5", scan)
    write_mrd(tmp_path / "raw" / "b.mrd", scan)
    np.testing.assert_array_equal(read_scan(tmp_path / "raw" / "b.mrd").noise, scan.noise)
    out = prepare_folder(tmp_path / "raw", None, PROTOCOL).out
    with h5py.File(out / "a.h5") as one, h5py.File(out / "b.h5") as other:
        assert one.attrs["noise_source"] == other.attrs["noise_source"] == "scan"
        for name in ("kspace", "csm", "image"):
            np.testing.assert_array_equal(one[name][()], other[name][()])
        assert one.attrs["sigma"] == other.attrs["sigma"]
