"""`Records`: the readouts of a measurement, wherever they come from: an ISMRMRD file, a socket, vendor raw data."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.header import Header, parse_header

NOISE, CALIBRATION, CALIBRATION_AND_IMAGING, REVERSE, NAVIGATION, PHASE_CORRECTION = 19, 20, 21, 22, 23, 24
"""Flags of a record, counted from 1."""
ASIDE = (26, 27, 28, 30, 31)
"""Flags of feedback, dummy scans and phase stabilisation."""
COUNTERS = ("contrast", "phase", "repetition", "set")
"""What tells frames apart."""
PLACES = ("kspace_encode_step_1", "kspace_encode_step_2", "slice")
# fmt: off
FIELDS = (
    "flags", "number_of_samples", "active_channels", "discard_pre", "discard_post", "center_sample",
    "encoding_space_ref", "sample_time_us", "position", "read_dir", "phase_dir", "slice_dir", "idx",
)
# fmt: on
COUNTER_TYPE = np.dtype(
    [
        (name, "<u2")
        for name in (
            "kspace_encode_step_1",
            "kspace_encode_step_2",
            "average",
            "slice",
            "contrast",
            "phase",
            "repetition",
            "set",
            "segment",
        )
    ]
    + [("user", "<u2", (8,))]
)  # fmt: skip
HEAD_TYPE = np.dtype([
    ("version", "<u2"), ("flags", "<u8"), ("measurement_uid", "<u4"), ("scan_counter", "<u4"),
    ("acquisition_time_stamp", "<u4"), ("physiology_time_stamp", "<u4", (3,)), ("number_of_samples", "<u2"),
    ("available_channels", "<u2"), ("active_channels", "<u2"), ("channel_mask", "<u8", (16,)), ("discard_pre", "<u2"),
    ("discard_post", "<u2"), ("center_sample", "<u2"), ("encoding_space_ref", "<u2"), ("trajectory_dimensions", "<u2"),
    ("sample_time_us", "<f4"), ("position", "<f4", (3,)), ("read_dir", "<f4", (3,)), ("phase_dir", "<f4", (3,)),
    ("slice_dir", "<f4", (3,)), ("patient_table_position", "<f4", (3,)), ("idx", COUNTER_TYPE),
    ("user_int", "<i4", (8,)), ("user_float", "<f4", (8,)),
])  # fmt: skip
"""ISMRMRD's acquisition header, packed: 340 bytes, the same in a stream (`np.frombuffer(data, HEAD_TYPE)`)."""

Samples = Callable[[NDArray[np.intp]], Iterator[tuple[int, NDArray[np.complex64]]]]
"""From the indices of records to each index with its samples [coil, sample]."""
Points = Callable[[NDArray[np.intp]], Iterator[tuple[int, NDArray[np.float32]]]]
"""From the indices of records to each index with its trajectory [sample, dimension]."""


@dataclass(frozen=True)
class Records:
    """The records of one measurement and its header."""

    head: NDArray[Any]
    """Acquisition headers, a structured array with at least `FIELDS`."""
    samples: Samples
    """Gives the samples of the records asked for, in the order of the records."""
    header: Header
    text: str | None
    """The header as XML, where there is one."""
    source: Path
    format: str = "ismrmrd"
    """Of the file: `ismrmrd`, `twix`, ..."""
    name: str = ""
    """Of the group in the file, where there are several."""
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    points: Points | None = None
    """Gives the trajectories of the records asked for, where they are kept."""

    def __len__(self) -> int:
        return len(self.head)

    def flagged(self, flag: int) -> NDArray[np.bool_]:
        """Whether each record has a flag (counted from 1)."""
        return flagged(self.head, flag)


def flagged(head: NDArray[Any], flag: int) -> NDArray[np.bool_]:
    """Whether each header has a flag (counted from 1)."""
    found: NDArray[np.bool_] = (head["flags"] >> np.uint64(flag - 1)) & np.uint64(1) == 1
    return found


def holds_image(records: Records) -> bool:
    """Whether any record may be a line of an image: none of those flagged as something else."""
    other: NDArray[np.bool_] = np.zeros(len(records), bool)
    for flag in (NOISE, NAVIGATION, PHASE_CORRECTION, *ASIDE):
        other |= records.flagged(flag)
    return bool((~other).any())


def noisiest(measurements: list[Records]) -> Records:
    """The measurement with the most records flagged as noise; the first where none has any."""
    return max(measurements, key=lambda one: int(one.flagged(NOISE).sum()))


def gather(
    acquisitions: Iterable[tuple[Any, NDArray[np.complex64]]], text: str | None, source: Path, form: str = "ismrmrd"
) -> Records:
    """Collect records that come one after the other, as from a socket.

    Parameters
    ----------
    acquisitions
        Pairs of a header and samples [coil, sample]. The header is a record of `HEAD_TYPE`, its 340 bytes, or an
        `ismrmrd.AcquisitionHeader`.
    text
        The ISMRMRD header as XML.
    source, form
        Named in errors and in the `Scan`.

    Raises
    ------
    InputError
        If the header is no XML, or there is no record.
    """
    heads, data = [], []
    for head, samples in acquisitions:
        heads.append(head if isinstance(head, np.void) else np.frombuffer(bytes(head), HEAD_TYPE, count=1)[0])
        data.append(samples)
    if not heads:
        raise InputError(f"{source}: holds no acquisition; expected lines of k-space")

    def samples_of(chosen: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.complex64]]]:
        for index in chosen:
            yield int(index), data[index]

    header = Header() if text is None else parse_header(text, source)
    return Records(np.array(heads, dtype=heads[0].dtype), samples_of, header, text, source, form)


def check_fields(head: NDArray[Any], path: Path) -> None:
    """Refuse records without the fields that the format has.

    Raises
    ------
    InputError
        If one is missing.
    """
    missing = set(FIELDS) - set(head.dtype.names or ())
    if not missing:
        missing = {*COUNTERS, *PLACES} - set(head["idx"].dtype.names or ())
    if missing or head["flags"].dtype.kind != "u":
        raise InputError(
            f"{path}: the records have no {', '.join(sorted(missing)) or 'whole-number flags'}; "
            "expected ISMRMRD acquisition headers"
        )
