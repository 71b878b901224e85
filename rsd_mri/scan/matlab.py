"""MATLAB files of the versions before 7.3, which are no HDF5."""

import zlib
from pathlib import Path

import numpy as np

from rsd_mri.errors import InputError
from rsd_mri.files.trouble import of_the_machine
from rsd_mri.scan.complex_values import as_complex
from rsd_mri.scan.hdf5 import check_size
from rsd_mri.scan.hdf5_arrays import MATLAB
from rsd_mri.scan.layouts import axes_of, scans_of_array
from rsd_mri.scan.scan import Scan

UNREADABLE = (ValueError, TypeError, OSError, EOFError, KeyError, IndexError, MemoryError, OverflowError, zlib.error)
"""What scipy raises on damaged files."""


def read_matlab(path: Path, budget: int | None = None, axes: str | None = None) -> tuple[Scan, ...]:
    """Read k-space that is one complex array of a MATLAB file, [kx, ky, coil(, slice(, time))].

    Raises
    ------
    InputError
        If the file is damaged, or there is not one array of complex numbers.
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    try:
        held = whosmat(path)
        sizes = {name: shape for name, shape, kind in held if kind in ("single", "double") and len(shape) > 2}
        for name, shape in sizes.items():
            check_size(path, name, shape, 16, budget)
        arrays = loadmat(path, variable_names=[*sizes, "mask"])
    except InputError:
        raise
    except (*UNREADABLE, MatReadError) as error:
        if (said := of_the_machine(path, error)) is not None:
            raise InputError(said) from error
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: damaged MATLAB file ({reason}); save it again, or the array as .npy") from error
    found = [name for name in sizes if arrays.get(name) is not None and arrays[name].dtype.kind == "c"]
    if not found:
        others = ", ".join(f"{name} ({kind} {list(shape)})" for name, shape, kind in held[:8]) or "nothing"
        raise InputError(
            f"{path}: holds no complex array of three axes or more, but {others}; save the k-space alone, as an array "
            "of its own"
        )
    if len(found) > 1:
        raise InputError(
            f"{path}: holds {len(found)} arrays of complex numbers ({', '.join(found[:8])}); expected one of k-space: "
            "save it alone, with its mask if there is one"
        )
    # MATLAB counts the first axis fastest, HDF5 and numpy the last.
    array, _ = as_complex(np.ascontiguousarray(arrays[found[0]].T))
    settled = axes_of(array, MATLAB.get(array.ndim), axes, path)
    mask = arrays.get("mask")
    notes = (f"k-space is the array {found[0]} (MATLAB); image size, voxel size and noise are not known",)
    return scans_of_array(
        path, "matlab", array, settled, notes=notes, stored_mask=None if mask is None else np.asarray(mask).T
    )
