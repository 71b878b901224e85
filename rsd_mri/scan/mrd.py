"""ISMRMRD raw data in HDF5: groups of records with an XML header.

Format: Inati et al. 2017, Magn Reson Med 77:411.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.hdf5 import check_size, dataset, member, opened, read_text
from rsd_mri.scan.header import Header, parse_header
from rsd_mri.scan.measurement import scans_of
from rsd_mri.scan.records import Records, check_fields, holds_image, noisiest
from rsd_mri.scan.scan import Scan

BLOCK, BLOCK_BYTES = 512, 1 << 24
"""Records read at a time, and the bytes that so many may have."""


def read_ismrmrd(
    path: Path, budget: int | None = None, noise: Records | None = None, streamed: bool = False
) -> tuple[Scan, ...]:
    """Read Cartesian raw data, every stack and every frame, as `scans_of` does; a large volume may be `streamed`.

    Noise may lie in another measurement of the file, or be given.

    Raises
    ------
    InputError
        If the file is damaged, or not Cartesian raw data.
    """
    with opened(path) as file:
        found = measurements(file, path, budget)
        return scans_of(found[0], budget, found[1:], noise, streamed)


def mrd_noise(path: Path, budget: int | None = None) -> Records:
    """The measurement of a file that noise is taken from; its samples are read at once, for the file is closed.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with opened(path) as file:
        one = noisiest(measurements(file, path, budget))
        data = dict(one.samples(np.arange(len(one))))

    def samples(chosen: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.complex64]]]:
        return ((int(index), data[int(index)]) for index in chosen)

    return replace(one, samples=samples)


def measurements(file: h5py.File, path: Path, budget: int | None = None) -> list[Records]:
    """Measurements of an open file: the imaging one first, then the others, the last first.

    The imaging one is `dataset`, or else the last by number; only one that holds lines of an image, where one does.

    Raises
    ------
    InputError
        If there is none, or one is damaged.
    """
    names = []
    for name in file:
        if holds_records(member(file, name, path)):
            names.append(name)
    if not names:
        raise InputError(f"{path}: no group with data and xml; expected ISMRMRD raw data")
    names.sort(key=lambda n: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", n)])
    found = {name: records_of(file[name], path, budget) for name in names}
    with_image = [name for name in names if holds_image(found[name])] or names
    chosen = "dataset" if "dataset" in with_image else with_image[-1]
    first = found.pop(chosen)
    if found:
        note = f"the file holds the measurements {', '.join(names)}; {chosen} was read"
        first = replace(first, notes=(*first.notes, note))
    return [first, *reversed(found.values())]


def holds_records(item: h5py.Group | h5py.Dataset | None) -> bool:
    """Whether a group of a file is a measurement: acquisitions and their header, which may have been lost."""
    if not isinstance(item, h5py.Group) or not isinstance(item.get("data", getlink=True), h5py.HardLink):
        return False
    return "xml" in item or {"head", "data"} <= set(getattr(item["data"].dtype, "names", None) or ())


def records_of(group: h5py.Group, path: Path, budget: int | None = None, notes: tuple[str, ...] = ()) -> Records:
    """The records of one group of an open file; their samples are read when they are asked for.

    Raises
    ------
    InputError
        If the group is damaged or holds no list of acquisitions.
    """
    text_data, records = dataset(group, "xml", path), dataset(group, "data", path)
    if records is None or records.ndim != 1 or records.dtype.names is None:
        raise InputError(f"{path}: no list of acquisitions in {group.name}/data; expected ISMRMRD raw data")
    if not {"head", "data"} <= set(records.dtype.names):
        raise InputError(f"{path}: {group.name}/data has no head and data; expected ISMRMRD raw data")
    text = None if text_data is None else read_text(text_data, "xml", path)
    header = Header() if text is None else parse_header(text, path)
    if text is None:
        notes = (*notes, f"{group.name} has no header (xml): sizes are those of the records, in millimetres not known")
    check_size(path, f"{group.name}/data", records.shape, records.dtype.itemsize, budget)
    head = records.fields("head")[:]
    check_fields(head, path)

    def samples(chosen: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.complex64]]]:
        largest = 8 * int((head["active_channels"].astype(np.int64) * head["number_of_samples"]).max(initial=1))
        step = min(max(BLOCK_BYTES // max(largest, 1), 1), BLOCK)
        for start in range(0, len(head), step):
            inside = chosen[(chosen >= start) & (chosen < start + step)]
            if len(inside) == 0:
                continue
            block = records.fields("data")[inside[0] : inside[-1] + 1]
            for index in inside:
                coils, count = int(head["active_channels"][index]), int(head["number_of_samples"][index])
                values = np.asarray(block[index - inside[0]])
                if values.dtype != np.float32 or values.size != 2 * coils * count:
                    raise InputError(
                        f"{path}: record {index} holds {values.size} numbers; expected 2 x {coils} coils x "
                        f"{count} samples; the file is damaged: convert the raw data again"
                    )
                yield int(index), values.view(np.complex64).reshape(coils, count)

    def points(chosen: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        column = records.fields("traj")
        for index in chosen:
            count, dimensions = int(head["number_of_samples"][index]), int(head["trajectory_dimensions"][index])
            values = np.asarray(column[int(index)])
            if values.dtype != np.float32 or values.size != count * dimensions:
                raise InputError(
                    f"{path}: the trajectory of record {index} has {values.size} numbers; expected {count} samples x "
                    f"{dimensions} dimensions; the file is damaged: convert the raw data again"
                )
            yield int(index), values.reshape(count, dimensions)

    kept = points if "traj" in records.dtype.names and "trajectory_dimensions" in head.dtype.names else None
    return Records(head, samples, header, text, path, name=str(group.name).strip("/"), notes=notes, points=kept)
