"""Raw data as ISMRMRD, all records at once: one by one, as the library writes them, each takes milliseconds."""

from collections.abc import Iterable
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
from ismrmrd.hdf5 import acquisition_dtype, acquisition_header_dtype


def write_records(
    path: str | Path, header: str | bytes, records: Iterable[ismrmrd.Acquisition], name: str = "dataset"
) -> Path:
    """Write a header and records into a group of an HDF5 file, which is made where it is missing."""
    path, some = Path(path), list(records)
    rows = np.empty(len(some), acquisition_dtype)
    for number, one in enumerate(some):
        rows[number]["head"] = np.frombuffer(one.getHead(), acquisition_header_dtype)[0]
        rows[number]["traj"] = one.traj.view(np.float32).reshape(-1)
        rows[number]["data"] = one.data.view(np.float32).reshape(-1)
    with ismrmrd.Dataset(str(path), name) as file:
        file.write_xml_header(header.encode() if isinstance(header, str) else header)
    with h5py.File(path, "a") as file:
        file[name].create_dataset("data", data=rows, maxshape=(None,))
    return path
