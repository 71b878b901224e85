"""Open HDF5 files that may be damaged or hostile: no links followed, nothing read beyond a budget."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.files.trouble import of_the_machine
from rsd_mri.machine.limits import total_memory
from rsd_mri.scan.probe import BROKEN, check_readable

FILTERS = {4: "szip", 307: "bzip2", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd",
           32017: "sz", 32024: "sz3", 32026: "blosc2"}  # fmt: skip
"""Compressions of HDF5 that its library does not bring along, by their registered numbers."""


def memory_budget() -> int:
    """Bytes one scan may take: half of the memory of the machine, or of the container where that has less."""
    return total_memory() // 2


def check_size(path: Path, field: str, shape: tuple[int, ...], itemsize: int, budget: int | None) -> None:
    """Refuse an array that would not fit into the budget, before anything is read.

    Raises
    ------
    InputError
        If the array is larger than the budget, or empty.
    """
    size = itemsize
    for n in shape:
        size *= int(n)
    limit = memory_budget() if budget is None else budget
    if size > limit:
        raise InputError(
            f"{path}: {field} declares {list(shape)}, {size / 2**30:.3g} GiB; "
            f"at most {limit / 2**30:.3g} GiB can be read here; check the file, or split it into volumes"
        )
    if size == 0:
        raise InputError(f"{path}: {field} is empty ({list(shape)}); expected at least one slice of k-space")


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; whatever is wrong inside becomes an InputError.

    Raises
    ------
    InputError
        If the file is truncated or damaged.
    """
    check_readable(path)
    try:
        with read_hdf5(path) as file:
            yield file
    except InputError:
        raise
    except BROKEN as error:
        if being_written(error):
            raise InputError(
                f"{path}: another program has this file open for writing; wait until it has finished, or copy the "
                "file from there when it has"
            ) from error
        if (said := of_the_machine(path, error)) is not None:
            raise InputError(said) from error
        reason = " ".join(str(error).split())[:160]
        if not _of_library(error):
            raise InputError(
                f"{path}: damaged HDF5 file, or one that is not understood here ({type(error).__name__}: {reason}); "
                "where other programs read it, report that with what 'rsd-mri doctor' says"
            ) from error
        raise InputError(f"{path}: damaged or incomplete HDF5 file ({reason}); copy or download it again") from error


def _of_library(error: Exception) -> bool:
    """Whether an error came up in the HDF5 library, and not in what was made of its numbers."""
    step = error.__traceback__
    while step is not None:
        if "h5py" in Path(step.tb_frame.f_code.co_filename).parts:
            return True
        step = step.tb_next
    return False


def being_written(error: Exception) -> bool:
    """Whether an error in opening a file is that of a lock, or of the mark that a writer sets in it."""
    text = str(error)
    return isinstance(error, BlockingIOError) or "unable to lock file" in text or "already open for write" in text


def member(group: h5py.Group, name: str, path: Path) -> h5py.Group | h5py.Dataset | None:
    """Return what is stored in the file itself under a name, or None if there is nothing.

    Raises
    ------
    InputError
        If the name is a link, or its data lie in another file: neither is followed. If they are compressed by what
        is not installed.
    """
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        target = getattr(link, "filename", None) or getattr(link, "path", "")
        raise InputError(
            f"{path}: {name} is a link to '{target}', and links are not followed; copy the data into the file"
        )
    item = group[name]
    if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
        raise InputError(f"{path}: {name} keeps its data in another file; copy the data into the file")
    if isinstance(item, h5py.Dataset):
        _require_filters(item, name, path)
    return item


def _require_filters(data: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse data that nothing installed can unpack; `hdf5plugin` brings most of what there is, once it is imported."""
    properties = data.id.get_create_plist()
    for code in (int(properties.get_filter(number)[0]) for number in range(properties.get_nfilters())):
        if not h5py.h5z.filter_avail(code):
            with suppress(ImportError):
                importlib.import_module("hdf5plugin")
        if not h5py.h5z.filter_avail(code):
            raise InputError(
                f"{path}: {name} is compressed by {FILTERS.get(code, 'a filter')} (number {code} of HDF5's filters), "
                "which is not installed; run 'pip install hdf5plugin', or save the file again with gzip"
            )


def dataset(group: h5py.Group, name: str, path: Path) -> h5py.Dataset | None:
    """Return a data set stored in the file itself, or None if there is none of this name.

    Raises
    ------
    InputError
        If it is a link or a group.
    """
    item = member(group, name, path)
    if item is not None and not isinstance(item, h5py.Dataset):
        raise InputError(f"{path}: {name} is a {type(item).__name__.lower()}; expected a data set")
    return item


def read_array(data: h5py.Dataset, field: str, path: Path, budget: int | None) -> NDArray[Any]:
    """Read a whole data set after its size was checked.

    Raises
    ------
    InputError
        If it is larger than the budget or empty.
    """
    if data.shape is None:
        raise InputError(f"{path}: {field} has no data; expected an array")
    check_size(path, field, data.shape, data.dtype.itemsize, budget)
    return np.asarray(data[()])


def read_text(data: h5py.Dataset, field: str, path: Path) -> str:
    """Read a string, stored as a scalar or as an array of one, of at most 16 MiB.

    Raises
    ------
    InputError
        If it is not text.
    """
    value = data[()] if data.shape == () and data.dtype.itemsize < 1 << 24 else None
    if data.shape == (1,) and data.dtype.itemsize < 1 << 24:
        value = data[0]
    if isinstance(value, np.bytes_ | bytes) and len(value) < 1 << 24:
        return decoded(bytes(value))
    if isinstance(value, str):
        return value
    raise InputError(f"{path}: {field} is not text; expected the ISMRMRD header as XML")


def decoded(value: bytes) -> str:
    """Text of UTF-8, or of Latin-1 as older converters write it, whose bytes are hardly ever valid UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def plain_attributes(
    owner: h5py.File, ignore: tuple[str, ...] = ()
) -> tuple[dict[str, str | int | float], tuple[str, ...]]:
    """Attributes that are text or one number, and a note for each that is neither."""
    values: dict[str, str | int | float] = {}
    notes = []
    for name in [n for n in owner.attrs if n not in ignore]:
        value = owner.attrs[name]
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(-1)[0]
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, str | int | float):
            values[name] = value
        else:
            notes.append(f"attribute {name} is neither text nor a number and was not read")
    return values, tuple(notes)
