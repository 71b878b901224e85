"""What has come of a measurement: which of its slices are whole, and the scans that these make."""

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.assembly import LARGEST
from rsd_mri.scan.encodings import with_encodings_as_contrasts
from rsd_mri.scan.header import Header
from rsd_mri.scan.measurement import scans_of
from rsd_mri.scan.places import PARALLEL, settle_stacks
from rsd_mri.scan.records import (
    CALIBRATION,
    CALIBRATION_AND_IMAGING,
    COUNTERS,
    HEAD_TYPE,
    NOISE,
    Records,
)
from rsd_mri.scan.roles import SKIPPED, settle_roles
from rsd_mri.scan.scan import Scan

LAST_IN_SLICE, LAST_IN_MEASUREMENT = 8, 25
"""Flags of a record, counted from 1."""
PATIENCE = 1.0
"""Seconds for which a whole slice waits for others: those that come together are calibrated together, as in a file."""
SOURCE = Path("stream")
"""What a scan from a socket is called in sentences."""
MOST_SIDE = 4096
MOST_CLAIMED = 2**28
"""Bytes of k-space that a few lines may ask for: with more, so many times ..."""
MOST_TIMES = 16
"""... what was measured."""

Key = tuple[int, ...]
"""Contrast, phase, repetition, set, slice."""


@dataclass(frozen=True)
class Place:
    """One slice of a scan: where it came from."""

    head: np.void
    """Header of its line nearest the centre of k-space."""
    counter: int
    """Slice counter."""


@dataclass(frozen=True)
class Volume:
    """A scan and what each of its slices is."""

    scan: Scan
    places: tuple[Place, ...]
    """Of each slice; of a 3-D acquisition one for all partitions."""
    is_3d: bool
    first: int
    """Number of the first record: volumes are sent in the order in which they were measured."""

    @property
    def frame(self) -> tuple[int, ...]:
        """Contrast, phase, repetition and set."""
        return tuple(int(self.places[0].head["idx"][name]) for name in COUNTERS)

    def oriented_as(self, other: "Volume") -> bool:
        """Whether the slices of another volume have the directions of these."""
        for ours, theirs in zip(_directions(self.scan), _directions(other.scan), strict=True):
            if ours is None or theirs is None:
                if ours is not theirs:
                    return False
            elif float(np.dot(ours, theirs)) <= PARALLEL:
                return False
        return True

    def holds(self, key: Key) -> bool:
        """Whether this is the volume of a slice."""
        return self.frame == key[:-1] and any(place.counter == key[-1] for place in self.places)


def _directions(scan: Scan) -> tuple[tuple[float, float, float] | None, ...]:
    at = scan.geometry
    return at.read_direction, at.phase_direction, at.slice_direction


class Measurement:
    """Records as they come, and which slices of them are whole.

    Parameters
    ----------
    header, text
        As sent.
    alone
        Whether there is one slice only, which waits for no other.
    """

    def __init__(self, header: Header, text: str, alone: bool = False) -> None:
        self.header, self.text = header, text
        self._patience = 0.0 if alone else PATIENCE
        self.ended = False
        self.late = 0
        """Lines that came for a slice that was whole before."""
        self._heads: list[np.void] = []
        self._samples: list[NDArray[np.complex64] | None] = []
        self._lines: dict[Key, list[int]] = {}
        self._shared: list[int] = []
        self._whole: dict[Key, float] = {}
        self._begun: set[Key] = set()
        self._parts = 0
        self._last_average = _most_averages(text)
        self._last_partition = header.partitions[1] if header.partitions is not None else 0
        self._partitions: dict[Key, set[int]] = {}
        self._embedded = header.calibration_mode == "embedded"

    def add(self, data: bytes) -> None:
        """Take a record: its header and samples."""
        head = np.frombuffer(data, HEAD_TYPE, count=1)[0]
        self._heads.append(head)
        coils, count = int(head["active_channels"]), int(head["number_of_samples"])
        self._samples.append(np.frombuffer(data, np.complex64, offset=HEAD_TYPE.itemsize).reshape(coils, count))
        flags, number = int(head["flags"]), len(self._heads) - 1
        if self._is_line(flags) and coils and count:
            idx = head["idx"]
            key = (*(int(idx[name]) for name in COUNTERS), int(idx["slice"]))
            if key in self._begun:
                self.late += 1
                self._samples[-1] = None
            else:
                self._lines.setdefault(key, []).append(number)
                partitions = self._partitions.setdefault(key, set())
                partitions.add(int(idx["kspace_encode_step_2"]))
                last = flags >> (LAST_IN_SLICE - 1) & 1 and int(idx["average"]) >= self._last_average
                # Some sequences flag the last line of every partition of a slab.
                if last and len(partitions) > self._last_partition:
                    self._whole[key] = time.monotonic()
        elif coils and count:
            self._shared.append(number)
        if flags >> (LAST_IN_MEASUREMENT - 1) & 1:
            self.end_here()

    def _is_line(self, flags: int) -> bool:
        """Whether a record is a line of an image, by its flags."""

        def has(flag: int) -> bool:
            return bool(flags >> (flag - 1) & 1)

        only_calibration = has(CALIBRATION) and not has(CALIBRATION_AND_IMAGING) and not self._embedded
        return not (has(NOISE) or only_calibration or any(map(has, SKIPPED)))

    def add_noise(self, records: Sequence[tuple[np.void, NDArray[np.complex64]]]) -> None:
        """Put noise of another measurement before this one's records."""
        for head, samples in records:
            self._heads.append(head)
            self._samples.append(samples)
            self._shared.append(len(self._heads) - 1)

    def end_here(self) -> None:
        """All slices that have a line are whole."""
        now = time.monotonic() - self._patience
        for key in self._lines:
            if key not in self._begun:
                self._whole[key] = now

    @property
    def in_parts(self) -> bool:
        """Whether there is more to come than what was read at once, or more came before."""
        return not self.ended or len(self._begun) < len(self._lines) or self._parts > 1

    @property
    def has_lines(self) -> bool:
        """Whether a line of an image came."""
        return bool(self._lines)

    @property
    def has_noise(self) -> bool:
        """Whether noise lines came."""
        return bool(self.noise())

    @property
    def coils(self) -> int | None:
        """Number of coils of the first line of an image."""
        return next((int(self._heads[lines[0]]["active_channels"]) for lines in self._lines.values()), None)

    def noise(self) -> list[tuple[np.void, NDArray[np.complex64]]]:
        """Noise lines."""
        return [
            (self._heads[i], samples)
            for i in self._shared
            if int(self._heads[i]["flags"]) >> (NOISE - 1) & 1 and (samples := self._samples[i]) is not None
        ]

    def all_records(self) -> Iterator[tuple[np.void, NDArray[np.complex64]]]:
        """Everything that came."""
        for head, samples in zip(self._heads, self._samples, strict=True):
            if samples is not None:
                yield head, samples

    def wait(self) -> float | None:
        """Seconds until slices are due; 0 where some are, None where none is whole."""
        if not self._whole:
            return None
        return max(min(self._whole.values()) + self._patience - time.monotonic(), 0.0)

    def due(self) -> tuple[Key, ...]:
        """Slices that are whole and not begun, in the order in which they were measured; they count as begun then."""
        keys = tuple(sorted(self._whole, key=lambda key: self._lines[key][0]))
        self._begun |= self._whole.keys()
        self._parts += 1
        self._whole.clear()
        return keys

    def put_back(self, keys: Sequence[Key]) -> bool:
        """Leave slices for the end; False where that is now."""
        if self.ended:
            return False
        self._begun -= set(keys)
        return True

    def refusal(self, key: Key) -> str | None:
        """Why a slice is no use by itself, before anything is made of it."""
        for index in self._lines[key]:
            samples = self._samples[index]
            if samples is None:
                continue
            parts = samples.view(np.float32)
            with np.errstate(invalid="ignore"):
                if not (np.abs(parts) <= LARGEST).all():
                    return "its lines hold values that are not finite, or above any that a scanner gives"
        return None

    def volumes(self, keys: Sequence[Key], budget: int) -> tuple[Volume, ...]:
        """The scans that slices make, read as those of a file are.

        Raises
        ------
        InputError
            If they make none.
        """
        chosen = sorted([*self._shared, *(i for key in keys for i in self._lines[key])])
        heads = np.array([self._heads[i] for i in chosen], dtype=HEAD_TYPE)

        def samples_of(wanted: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.complex64]]]:
            for index in wanted:
                samples = self._samples[chosen[int(index)]]
                if samples is None:
                    raise RuntimeError(f"line {index} was chosen and is not kept")
                yield int(index), samples

        records = with_encodings_as_contrasts(Records(heads, samples_of, self.header, self.text, SOURCE))
        heads = records.head
        self._check_claims(records)
        found = scans_of(records, budget)
        roles = settle_roles(records)
        image = roles.of("image")
        steps = heads["idx"]["kspace_encode_step_2"][image]
        is_3d = bool(steps.min() != steps.max())
        stacks, _ = settle_stacks(heads[image], is_3d)
        centre = self.header.encoding(roles.space)
        volumes = [self._volume(scan, stacks[scan.stack].slices, heads[image], centre, is_3d) for scan in found]
        return tuple(sorted(volumes, key=lambda volume: volume.first))

    def _volume(
        self, scan: Scan, counters: tuple[int, ...], heads: NDArray[Any], header: Header, is_3d: bool
    ) -> Volume:
        inside = np.isin(heads["idx"]["slice"], counters)
        for name, value in scan.frame.items():
            if name in COUNTERS or name == "average":
                inside &= heads["idx"][name] == value
        places = []
        for counter in counters:
            own = heads[inside & (heads["idx"]["slice"] == counter)]
            places.append(Place(own[_nearest(own["idx"], header)], counter))
        # Repeats without a counter share their lines' headers; the scan's name keeps them apart.
        return Volume(scan, tuple(places), is_3d, int(np.flatnonzero(inside)[0]))

    def forget(self, keys: Sequence[Key]) -> None:
        """Give back the samples of slices whose scans are made."""
        for key in keys:
            for index in self._lines[key]:
                self._samples[index] = None

    def _check_claims(self, records: Records) -> None:
        """Refuse sizes that nothing measured stands behind, before anything of that size is made.

        Raises
        ------
        InputError
            If the header or a counter asks for them.
        """
        head = records.head
        idx, measured = head["idx"], 0
        for name in ("kspace_encode_step_1", "kspace_encode_step_2", "slice"):
            if (largest := int(idx[name].max())) >= MOST_SIDE:
                raise InputError(f"the counter {name} is {largest}; at most {MOST_SIDE - 1} is read")
        check_matrix(self.header)
        encoded = self.header.encoded or (0, 0, 0)
        lines = max(encoded[1], 2 * int(idx["kspace_encode_step_1"].max()) + 2)
        partitions = int(idx["kspace_encode_step_2"].max()) + 1
        deep = max(encoded[2], partitions) if partitions > 1 else 1
        coils = int(head["active_channels"].max())
        frames = len(np.unique(idx[list(COUNTERS)]))
        wide = max(encoded[0], int(head["number_of_samples"].max()))
        asked = frames * len(np.unique(idx["slice"])) * deep * lines * wide * coils * 8
        measured = int((head["number_of_samples"].astype(np.int64) * head["active_channels"]).sum()) * 8
        if asked > max(MOST_CLAIMED, MOST_TIMES * measured):
            raise InputError(
                f"header and counters ask for {asked / 2**20:.0f} MiB of k-space, but only {measured / 2**20:.1f} MiB "
                "were measured"
            )


def _nearest(idx: NDArray[Any], header: Header) -> int:
    """Number of the record nearest the centre of k-space."""
    distance: NDArray[np.int64] = np.zeros(len(idx), np.int64)
    for name, limits in (("kspace_encode_step_1", header.lines), ("kspace_encode_step_2", header.partitions)):
        steps = idx[name].astype(np.int64)
        centre = limits[2] if limits is not None else (int(steps.min()) + int(steps.max()) + 1) // 2
        distance += (steps - centre) ** 2
    return int(distance.argmin())


def check_matrix(header: Header) -> None:
    """See that the header asks for no matrix that is too large.

    Raises
    ------
    InputError
        If it does.
    """
    for one in (header, *header.further):
        for name, matrix in (("encoded", one.encoded), ("recon", one.recon)):
            if matrix is not None and max(matrix) > MOST_SIDE:
                raise InputError(f"the header asks for a {name} matrix of {matrix}; at most {MOST_SIDE} a side is read")


def _most_averages(text: str) -> int:
    """Largest counter of averages that the header names; 0 where it names none."""
    value = ElementTree.fromstring(text).findtext("{*}encoding/{*}encodingLimits/{*}average/{*}maximum")
    return int(value) if value is not None and value.strip().isdigit() else 0
