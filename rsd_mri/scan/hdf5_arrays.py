"""HDF5 files that hold k-space as one array of some name: MATLAB 7.3 (CMRxRecon), Calgary-Campinas, SKM-TEA, others.

The layouts are told by what is in the file. CMRxRecon (Wang et al. 2024): MATLAB arrays of kx, ky, coil, slice, time;
the axes come reversed here. Calgary-Campinas (Souza et al. 2018): slices along the transformed readout, real and
imaginary parts of the coils in turn along the last axis. SKM-TEA (Desai et al. 2021): [x, ky, kz, echo, coil] beside
`maps`, `target` and `masks`, x transformed already.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.complex_values import WORD, as_complex, interleaved, is_complex, pair_of
from rsd_mri.scan.hdf5 import check_size, dataset, member, opened, plain_attributes, read_array
from rsd_mri.scan.layouts import axes_of, scans_of_array
from rsd_mri.scan.scan import Scan

MATLAB = {
    3: ("coil", "phase", "readout"),
    4: ("slice", "coil", "phase", "readout"),
    5: ("time", "slice", "coil", "phase", "readout"),
}
"""Usual axes of a MATLAB array [kx, ky, coil, slice, time] as HDF5 gives them."""
SKM_TEA = ("slice", "readout", "phase", "echo", "coil")
CALGARY = ("slice", "readout", "phase", "coil")
AVERAGES = ("average", "slice", "coil", "readout", "phase")
NAMES = ("kspace", "k_space", "kdata", "ksp", "k-space", "rawdata", "raw")
"""What the names of arrays of k-space begin with."""
PLAIN = "HDF5"


@dataclass(frozen=True)
class Layout:
    """What an array of k-space is."""

    name: str
    """Of the data set."""
    words: str
    """Of the layout."""
    axes: tuple[str, ...] | None
    """Its usual axes; None where there are none."""
    pairs: bool = False
    """Whether real and imaginary parts of the coils alternate along the last axis."""


def kspace_names(file: h5py.Group, path: Path) -> list[str]:
    """Names of the data sets that may be k-space: numbers of three axes or more, complex or in pairs."""
    found = []
    for name, item in _arrays(file, path):
        named = name.lower().startswith(NAMES)
        if is_complex(item) or (named and item.dtype.kind == "f" and item.shape[-1] % 2 == 0):
            found.append((not named, name))
    named_so = [name for rest, name in sorted(found) if not rest]
    return named_so or [name for _, name in sorted(found)]


def _arrays(file: h5py.Group, path: Path) -> list[tuple[str, h5py.Dataset]]:
    """Data sets of three axes or more, in the file itself."""
    names = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    items = [(name, member(file, name, path)) for name in names]
    return [(name, one) for name, one in items if isinstance(one, h5py.Dataset) and one.shape and one.ndim >= 3]


def in_two(file: h5py.Group, path: Path) -> tuple[str, str] | None:
    """Names of the two data sets that hold real and imaginary part of the only k-space of a file or group."""
    arrays = dict(_arrays(file, path))
    pair = pair_of(name for name in arrays if WORD.search(name.lower()))
    if pair is None or any(is_complex(one) for one in arrays.values()):
        return None
    one, other = (arrays[name] for name in pair)
    bare = not WORD.sub("", pair[0].lower()) or any(word in pair[0].lower() for word in NAMES)
    return pair if bare and one.shape == other.shape and {one.dtype.kind, other.dtype.kind} <= set("fiu") else None


def group_in_two(file: h5py.File, path: Path) -> bool:
    """Whether `kspace` is a group of its real and imaginary part."""
    inside = member(file, "kspace", path)
    return isinstance(inside, h5py.Group) and in_two(inside, path) is not None


def foreign_kspace(file: h5py.File, path: Path) -> bool:
    """Whether the array `kspace` of a file is in another layout than fastMRI's."""
    data = member(file, "kspace", path)
    if isinstance(data, h5py.Group):
        return group_in_two(file, path)
    if not isinstance(data, h5py.Dataset) or data.shape is None:
        return False
    layout = layout_of(file, "kspace")
    # With a header it is fastMRI's, whatever the type of its numbers.
    return layout.words != PLAIN and ("ismrmrd_header" not in file or layout.words == "MATLAB")


def layout_of(file: h5py.File, name: str) -> Layout:
    """Tell the layout of an array by its numbers, its axes and what lies beside it."""
    data = file[name]
    matlab = "MATLAB_class" in data.attrs
    if data.ndim == 5 and {"maps", "target"} <= set(file):
        return Layout(name, "SKM-TEA", SKM_TEA)
    # Coils are fewer than pixels: otherwise the last axis is one of k-space, and its numbers are not complex.
    if data.dtype.kind == "f" and data.ndim == 4 and 2 < data.shape[-1] < min(data.shape[1:3]):
        return Layout(name, "real and imaginary parts in turn along the last axis", CALGARY, pairs=True)
    if matlab:
        return Layout(name, "MATLAB", MATLAB.get(data.ndim))
    usual = {5: AVERAGES} if "calibration_data" in file else {}
    return Layout(name, PLAIN, usual.get(data.ndim))


def read_hdf5_array(path: Path, budget: int | None = None, axes: str | None = None) -> tuple[Scan, ...]:
    """Read k-space that is one array of an HDF5 or MATLAB 7.3 file, every frame of it.

    Raises
    ------
    InputError
        If there are several arrays, or the order of the axes cannot be known.
    """
    with opened(path) as file:
        inside: h5py.Group = file["kspace"] if "kspace" in file and group_in_two(file, path) else file
        pair = in_two(inside, path)
        names = [pair[0]] if pair is not None else kspace_names(file, path)
        if not names:
            raise InputError(f"{path}: holds no array of k-space; expected complex numbers of three axes or more")
        if len(names) > 1:
            raise InputError(
                f"{path}: holds several arrays of k-space ({', '.join(names[:8])}); expected one: save each in a file "
                "of its own"
            )
        layout = layout_of(inside, names[0])
        data = inside[layout.name]
        check_size(path, layout.name, data.shape, max(data.dtype.itemsize, 8) * (1 + (pair is not None)), budget)
        array = read_array(data, layout.name, path, budget)
        if pair is not None:
            words = "MATLAB" if layout.words == "MATLAB" else PLAIN
            layout = Layout(f"{pair[0]} and {pair[1]}", words, None if layout.pairs else layout.axes)
            array = array + 1j * read_array(inside[pair[1]], pair[1], path, budget)
        mask, beside = _mask(file, path, budget)
        attributes, _ = plain_attributes(file)
    notes = [f"k-space is the array {layout.name} ({layout.words}); image size, voxel size and noise are not known"]
    if layout.pairs:
        if array.min() >= 0:
            raise InputError(f"{path}: {layout.name} has no negative number; expected k-space, not magnitudes")
        array = interleaved(array)
    else:
        array, said = as_complex(array)
        notes += [said] if said else []
    if array.dtype.kind != "c":
        raise InputError(
            f"{path}: {layout.name} has type {array.dtype}; expected complex numbers, or real and imaginary part along "
            "a last axis of two"
        )
    if beside:
        notes.append(f"the masks {', '.join(beside[:4])} are not of this measurement and were not applied")
    settled = axes_of(array, layout.axes, axes, path)
    if layout.words == "MATLAB" and mask is not None:
        mask = mask.transpose() if settled.names[-1] == "readout" and mask.ndim == 2 else mask
    form = "matlab" if layout.words == "MATLAB" else "hdf5"
    return scans_of_array(path, form, array, settled, notes=tuple(notes), stored_mask=mask, attributes=attributes)


def _mask(file: h5py.File, path: Path, budget: int | None) -> tuple[NDArray[Any] | None, list[str]]:
    """The one mask of a file; names of several, which belong to experiments."""
    names = [n for n in file if n.lower().startswith("mask") and isinstance(file.get(n, getlink=True), h5py.HardLink)]
    arrays = [n for n in names if isinstance(member(file, n, path), h5py.Dataset)]
    if len(arrays) == 1 and len(names) == 1:
        data = dataset(file, arrays[0], path)
        mask = None if data is None or data.ndim == 0 else read_array(data, arrays[0], path, budget)
        return None if mask is None else np.asarray(mask), []
    return None, names
