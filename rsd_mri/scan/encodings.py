"""Encodings of one kind that hold the same lines: images of their own (echoes), not a calibration."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.header import Header
from rsd_mri.scan.records import CALIBRATION, COUNTERS, NOISE, PLACES, Records
from rsd_mri.scan.roles import SKIPPED

ALIKE = ("encoded", "encoded_fov", "recon", "recon_fov", "trajectory", "lines", "partitions")
"""What the header says alike of such encodings."""


def with_encodings_as_contrasts(records: Records) -> Records:
    """Take encodings that the header describes alike, and that hold the same lines, as contrasts of the first.

    Parameters
    ----------
    records
        Of one measurement; as they are where it has no such encodings.
    """
    head = records.head
    other = np.any([records.flagged(flag) for flag in (NOISE, CALIBRATION, *SKIPPED)], axis=0)
    spaces = np.unique(head["encoding_space_ref"][~other])
    if len(spaces) < 2 or len(spaces) > 1 + len(records.header.further):
        return records
    first = records.header.encoding(int(spaces[0]))
    if not all(_alike(first, records.header.encoding(int(one))) for one in spaces[1:]):
        return records
    mine = [np.flatnonzero(~other & (head["encoding_space_ref"] == one)) for one in spaces]
    places = [_places(head[one]) for one in mine]
    if any(one.shape != places[0].shape or (one != places[0]).any() for one in places[1:]):
        return records
    made = head.copy()
    step = int(head["idx"]["contrast"][~other].max()) + 1
    for number, chosen in enumerate(mine):
        made["encoding_space_ref"][chosen] = spaces[0]
        made["idx"]["contrast"][chosen] += number * step
    note = f"the header describes {len(spaces)} encodings alike, and they hold the same lines: each is a contrast"
    return replace(records, head=made, notes=(*records.notes, note))


def _alike(one: Header, other: Header) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in ALIKE)


def _places(head: NDArray[np.void]) -> NDArray[np.int64]:
    """Counters of the lines, sorted."""
    keys = np.stack([head["idx"][name].astype(np.int64) for name in (*PLACES, *COUNTERS, "average")], axis=1)
    found: NDArray[np.int64] = keys[np.lexsort(keys.T)]
    return found
