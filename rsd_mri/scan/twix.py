"""Siemens raw data (twix, `.dat`; VB, VD, VE and XA) as records like those of ISMRMRD.

The layout of a record is twixtools' (MIT); the records are walked through here, for a damaged length must end in a
sentence. Flags, counters and directions follow siemens_to_ismrmrd, so that a file read directly and the same file
converted give the same image.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.hdf5 import check_size
from rsd_mri.scan.header import parse_header
from rsd_mri.scan.measurement import scans_of
from rsd_mri.scan.records import HEAD_TYPE, Records, holds_image
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.twix_protocol import Protocol, read_protocol, to_ismrmrd

MOST_MEASUREMENTS = 64
FIRST_OF_VB = 10_000
"""VB files begin with the length of their header, which is larger; VD and later with a number that is smaller."""
SHORTEST = 1024
"""Bytes of a file below which it holds no measurement."""
SYNC, END = 5, 0
"""Bits of records that hold no samples, and of the last one."""
FLAGS = {25: 19, 22: 20, 23: 21, 24: 22, 60: 23, 21: 24, 2: 26, 51: 27, 1: 28, 14: 30, 15: 31, 28: 7, 29: 8, 11: 25}
"""Bit of a twix record: flag of ISMRMRD, counted from 1."""
COUNTERS = {
    "Lin": "kspace_encode_step_1", "Par": "kspace_encode_step_2", "Ave": "average", "Sli": "slice", "Eco": "contrast",
    "Phs": "phase", "Rep": "repetition", "Set": "set", "Seg": "segment",
}  # fmt: skip


@dataclass(frozen=True)
class Measurement:
    """One measurement of a file: where its header and its records lie [bytes]."""

    start: int
    stop: int
    modern: bool
    """VD and later: one header for all channels of a record."""


def read_twix(
    path: Path, budget: int | None = None, noise: Records | None = None, streamed: bool = False
) -> tuple[Scan, ...]:
    """Read a Siemens measurement, every stack and every frame: the last of the file that holds an image.

    A large volume may be `streamed`.

    Noise may lie in another measurement of the file (the adjustment of the coils), or be given.

    Raises
    ------
    InputError
        If the file is damaged, or not Cartesian.
    """
    first, *others = twix_measurements(path, budget)
    return scans_of(first, budget, others, noise, streamed)


def twix_measurements(path: Path, budget: int | None = None) -> list[Records]:
    """Measurements of a file: the imaging one first, which is the last that holds one, then the others, last first.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    check_size(path, "the file", (path.stat().st_size,), 1, budget)
    found = [read_records(path, one) for one in measurements(path)]
    image = [one for one in found if holds_image(one)] or found
    first = image[-1]
    others = [one for one in reversed(found) if one is not first]
    if others:
        names = ", ".join(one.name or "(no name)" for one in found)
        note = f"the file holds the measurements {names}; the last with an image, {first.name}, was read"
        first = replace(first, notes=(*first.notes, note))
    return [first, *others]


def looks_like_twix(path: Path) -> bool:
    """Whether a file has a measurement whose header begins as those of Siemens do."""
    try:
        found = measurements(path)
        with path.open("rb") as file:
            file.seek(found[-1].start + 8)
            name = file.read(48).partition(b"\0")[0]
    except InputError:
        return False
    return 4 <= len(name) < 48 and name.isalnum()


def measurements(path: Path) -> list[Measurement]:
    """List the measurements of a file.

    Raises
    ------
    InputError
        If its first bytes are no list of measurements, or one lies outside the file.
    """
    from twixtools import hdr_def

    size = path.stat().st_size
    with path.open("rb") as file:
        first = np.frombuffer(file.read(8).ljust(8, b"\0"), "<u4")
        if size < SHORTEST:
            raise InputError(f"{path}: {size} bytes; expected Siemens raw data: copy the file again")
        if first[0] >= FIRST_OF_VB:
            return [Measurement(0, size, modern=False)]
        file.seek(0)
        form = hdr_def.MultiRaidFileHeader
        table = np.frombuffer(file.read(form.itemsize).ljust(form.itemsize, b"\0"), form)[0]
    count = int(table["hdr"]["count_"])
    if not 1 <= count <= MOST_MEASUREMENTS:
        raise InputError(f"{path}: declares {count} measurements; expected 1 to {MOST_MEASUREMENTS}")
    found = []
    for entry in table["entry"][:count]:
        start, length = int(entry["off_"]), int(entry["len_"])
        if length == 0 and count == 1:
            length = size - start
        if start + length > size or start < 8:
            raise InputError(
                f"{path}: a measurement ends at byte {start + length}, the file at {size}; copy the file again"
            )
        if length:
            found.append(Measurement(start, start + length, modern=True))
    if not found:
        raise InputError(f"{path}: all measurements are empty; export the raw data again")
    return found


def read_records(path: Path, measurement: Measurement) -> Records:
    """Walk through the records of a measurement.

    Raises
    ------
    InputError
        If a record has an impossible length, or the file ends inside one.
    """
    from twixtools import mdh_def

    protocol, first = read_protocol(path, measurement.start, measurement.stop)
    form = np.dtype(mdh_def.Scan_header if measurement.modern else mdh_def.VB17_header)
    channel = np.dtype(mdh_def.Channel_header if measurement.modern else mdh_def.VB17_header)
    data = np.memmap(path, np.uint8, "r")
    begins: list[int] = []
    at, position, ended = form.itemsize if measurement.modern else 0, first, False
    while position + form.itemsize <= measurement.stop:
        one = data[position : position + form.itemsize].view(form)[0]
        bits = int(one["EvalInfoMask"])
        if bits >> END & 1:
            ended = True
            break
        length = int(one["FlagsAndDMALength"]) % (1 << 25)
        if not bits >> SYNC & 1:
            length = at + int(one["UsedChannels"]) * (channel.itemsize + 8 * int(one["SamplesInScan"]))
            begins.append(position)
        if length < form.itemsize or position + length > measurement.stop:
            raise InputError(
                f"{path}: record {len(begins)} at byte {position} has {length} bytes, {measurement.stop - position} "
                "are left; the file was cut off or damaged: copy it again"
            )
        position += length
    if not begins:
        raise InputError(f"{path}: the measurement holds no readouts; export the raw data again")
    if not ended and position < measurement.stop - form.itemsize:
        raise InputError(f"{path}: the records end at byte {position} of {measurement.stop}; copy the file again")
    raw = np.stack([np.asarray(data[p : p + form.itemsize]) for p in begins]).view(form)[:, 0]
    head = _heads(raw, protocol, measurement)
    text = to_ismrmrd(protocol, int(head["active_channels"][-1]))

    def samples(chosen: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.complex64]]]:
        for index in chosen:
            coils, n = int(head["active_channels"][index]), int(head["number_of_samples"][index])
            begin, each = begins[index] + at, channel.itemsize + 8 * n
            block = np.asarray(data[begin : begin + coils * each]).reshape(coils, each)[:, channel.itemsize :]
            yield int(index), np.ascontiguousarray(block).view("<c8").astype(np.complex64, copy=False)

    return Records(head, samples, parse_header(text, path), text, path, "twix", protocol.name)


def _heads(raw: NDArray[Any], protocol: Protocol, measurement: Measurement) -> NDArray[Any]:
    """Headers of twix records as those of ISMRMRD."""
    head: NDArray[np.void] = np.zeros(len(raw), HEAD_TYPE)
    head["version"] = 1
    for bit, flag in FLAGS.items():
        head["flags"] |= ((raw["EvalInfoMask"] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(flag - 1)
    head["measurement_uid"] = raw["MeasUID"].astype(np.uint32)
    head["scan_counter"], head["acquisition_time_stamp"] = raw["ScanCounter"], raw["TimeStamp"]
    head["physiology_time_stamp"][:, 0] = raw["PMUTimeStamp"]
    head["number_of_samples"], head["center_sample"] = raw["SamplesInScan"], raw["CenterCol"]
    head["active_channels"] = head["available_channels"] = raw["UsedChannels"]
    head["discard_pre"], head["discard_post"] = raw["CutOff"]["Pre"], raw["CutOff"]["Post"]
    for theirs, ours in COUNTERS.items():
        head["idx"][ours] = raw["Counter"][theirs]
    for i, name in enumerate(("Ida", "Idb", "Idc", "Idd", "Ide")):
        head["idx"]["user"][:, i] = raw["Counter"][name]
    head["idx"]["user"][:, 5], head["idx"]["user"][:, 6] = raw["CenterLin"], raw["CenterPar"]
    place = raw["SliceData"]
    head["position"] = np.stack([place["SlicePos"][name] for name in ("Sag", "Cor", "Tra")], axis=-1)
    phase, read, normal = directions(place["Quaternion"])
    head["phase_dir"], head["read_dir"], head["slice_dir"] = phase, read, normal
    noise = (raw["EvalInfoMask"] >> np.uint64(25)) & np.uint64(1) == 1
    head["sample_time_us"] = protocol.dwell_time or 0.0
    head["sample_time_us"][noise] = [
        noise_dwell_time(int(n), protocol, measurement.modern) for n in raw["SamplesInScan"][noise]
    ]
    return head


def directions(quaternion: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
    """Directions of phase encode, readout and slice [record, 3] (LPS) of quaternions [record, (w, x, y, z)].

    The columns of the rotation, in this order. A quaternion that is none (all zeros) gives zeros.
    """
    q = quaternion.astype(np.float64)
    size = np.linalg.norm(q, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(np.divide(q, size, out=np.zeros_like(q), where=abs(size - 1) < 0.01), -1, 0)
    unit = w * w + x * x + y * y + z * z
    columns = (
        (unit - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), unit - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), unit - 2 * (x * x + y * y)),
    )
    return tuple(np.stack(one, axis=-1) for one in columns)


def noise_dwell_time(samples: int, protocol: Protocol, modern: bool) -> float:
    """Time between the samples of a noise record [us]: the protocol does not say it, siemens_to_ismrmrd knows it."""
    sequence = protocol.sequence.lower()
    if "adjcoilsens" in sequence:
        return 5.0
    if "adjquietcoilsens" in sequence:
        return 4.0
    if not modern:
        return 1e6 / max(samples, 1) / 130.0
    return int(76800.0 / max(samples, 1)) / 10.0
