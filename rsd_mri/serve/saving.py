"""`savedataonly`: raw data as an ISMRMRD file."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.claims import TakenError, claimed
from rsd_mri.files.hdf5 import written_hdf5
from rsd_mri.scan.records import HEAD_TYPE

RECORD_TYPE = np.dtype(
    [("head", HEAD_TYPE), ("traj", h5py.vlen_dtype(np.float32)), ("data", h5py.vlen_dtype(np.float32))]
)


def save_raw(folder: Path, number: int, text: str, records: Iterable[tuple[np.void, NDArray[np.complex64]]]) -> Path:
    """Write header and records; the file's name tells the time and the connection, nothing of the measurement.

    Raises
    ------
    InputError
        If nothing can be written there.
    """
    kept = list(records)
    table = np.empty(len(kept), RECORD_TYPE)
    for index, (head, samples) in enumerate(kept):
        table["head"][index] = head
        table["head"][index]["trajectory_dimensions"] = 0
        table["traj"][index] = np.zeros(0, np.float32)
        table["data"][index] = np.ascontiguousarray(samples).view(np.float32).ravel()
    with _new(folder, number) as path, written_hdf5(path) as file:
        group = file.create_group("dataset")
        header = group.create_dataset("xml", (1,), dtype=h5py.string_dtype())
        header[0] = text
        group.create_dataset("data", data=table, maxshape=(None,), chunks=True)
    return path


@contextmanager
def _new(folder: Path, number: int) -> Iterator[Path]:
    """A name that no file has: clocks are set back, and several servers may save to one folder."""
    begins = f"mrd-{time.strftime('%Y%m%d-%H%M%S')}-{number:04d}"
    for again in count():
        path = folder / f"{begins}{f'-{again}' if again else ''}.h5"
        with suppress(TakenError), claimed(path):
            if not path.exists():
                yield path
                return
