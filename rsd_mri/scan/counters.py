"""Counters of records that do not count what the format says: signed ones, and slices and partitions mixed up."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.axes import FEWEST_PARTITIONS, peaks_as_partitions
from rsd_mri.scan.header import Header, Limits
from rsd_mri.scan.records import COUNTERS, Records
from rsd_mri.scan.roles import Roles

LINE, PARTITION, SLICE = "kspace_encode_step_1", "kspace_encode_step_2", "slice"
RANGE = 1 << 16
"""Numbers that a counter has; those of the upper half are negative ones."""
WIDTH = 3
"""Lines of each partition or slice that are looked at, about the strongest one."""


def settle_counters(records: Records, roles: Roles) -> tuple[Records, tuple[str, ...]]:
    """Bring counters and header to what the format says of them.

    Negative line counters, which are stored as numbers from 32768 on, count on from the first. A header whose matrix
    fits only with readout and phase encode exchanged is turned. Slices that are counted as partitions (also), and
    partitions that are counted as slices, are told apart by their energy: that of partitions lies in the middle ones.

    Parameters
    ----------
    records
        Of the measurement.
    roles
        Of its records.

    Returns
    -------
    records
        With counters, and the header of the image's encoding, changed where it was needed.
    notes
        What was changed.
    """
    image, header, notes = roles.of("image"), records.header.encoding(roles.space), list[str]()
    for step in (_signed(LINE, "lines"), _signed(PARTITION, "partitions"), _turned_header, _second_encode):
        records, header, said = step(records, image, header)
        notes += said
    return replace(records, header=records.header.with_encoding(roles.space, header)), tuple(notes)


Step = Callable[[Records, NDArray[np.intp], Header], tuple[Records, Header, list[str]]]


def _signed(name: str, limits: str) -> Step:
    """Make negative counters positive, and with them the header's limits of the same name."""

    def step(records: Records, image: NDArray[np.intp], header: Header) -> tuple[Records, Header, list[str]]:
        counters = records.head["idx"][name].astype(int)
        negative = counters[image][counters[image] >= RANGE // 2]
        if not len(negative):
            return records, header, []
        shift = RANGE - int(negative.min())
        said: Limits | None = getattr(header, limits)
        if said is None:
            moved = None
        elif min(said) < 0 or max(said) >= RANGE // 2:
            low, high, centre = ((one + shift) % RANGE for one in said)
            moved = (low, high, centre)
        else:
            moved = said
        # A signed counter is zero at the centre of k-space.
        found = moved or (0, int(((counters[image] + shift) % RANGE).max()), shift)
        note = f"the counters of the {limits} are negative down to {-shift}: they were counted on from there"
        changed = _with(records, {name: (counters + shift) % RANGE})
        return changed, replace(header, lines=found) if limits == "lines" else replace(header, partitions=found), [note]

    return step


def _turned_header(records: Records, image: NDArray[np.intp], header: Header) -> tuple[Records, Header, list[str]]:
    """Exchange readout and phase encode of a header, where its matrix fits the records only then."""
    if header.encoded is None:
        return records, header, []
    head = records.head[image]
    samples = int((head["number_of_samples"].astype(int) - head["discard_pre"] - head["discard_post"]).max())
    lines = int(np.ptp(head["idx"][LINE].astype(int))) + 1
    x, y = header.encoded[:2]
    if samples != y or x == y or lines > x or not (samples > x or lines > y):
        return records, header, []

    def turned(triple: Any) -> Any:
        return None if triple is None else (triple[1], triple[0], triple[2])

    note = (
        f"the header's matrix {x} x {y} fits the records ({samples} samples, {lines} lines) only the other way round: "
        "readout and phase encode of the header were exchanged"
    )
    changed = {name: turned(getattr(header, name)) for name in ("encoded", "recon", "encoded_fov", "recon_fov")}
    return records, replace(header, **changed), [note]


def _second_encode(records: Records, image: NDArray[np.intp], header: Header) -> tuple[Records, Header, list[str]]:
    """Tell slices from partitions where their counters or positions contradict one another."""
    idx = records.head["idx"]
    steps, slices = idx[PARTITION][image].astype(int), idx[SLICE][image].astype(int)
    n_steps, n_slices = len(np.unique(steps)), len(np.unique(slices))
    if n_steps > 1 and n_slices > 1:
        if len(np.unique(np.stack([steps, slices]), axis=1).T) > n_slices:
            return records, header, []  # slabs
        return (
            _as_partitions(records, image, header)
            if _peaks(records, image, SLICE)
            else _as_slices(records, SLICE, header)
        )
    if n_steps > 1:
        if len(np.unique(np.round(records.head["position"][image], 2), axis=0)) < n_steps:
            return records, header, []
        if n_steps < FEWEST_PARTITIONS:
            flat = header.encoded is not None and header.encoded[2] <= 1
        else:
            flat = not _peaks(records, image, PARTITION)
        return _as_slices(records, PARTITION, header) if flat else _in_one_place(records, image, header)
    if n_slices >= FEWEST_PARTITIONS and _peaks(records, image, SLICE):
        return _as_partitions(records, image, header)
    return records, header, []


def _as_slices(records: Records, counted: str, header: Header) -> tuple[Records, Header, list[str]]:
    slices = records.head["idx"][counted].astype(int)
    note = "the second phase encode counts slices, each of which holds an image of its own: they are taken as slices"
    return _with(records, {SLICE: slices, PARTITION: np.zeros_like(slices)}), replace(header, partitions=None), [note]


def _as_partitions(records: Records, image: NDArray[np.intp], header: Header) -> tuple[Records, Header, list[str]]:
    counters = records.head["idx"][SLICE].astype(int)
    note = (
        f"the energy of the {len(np.unique(counters[image]))} slices lies in the middle ones, as of a phase encode: "
        "their counter is taken as that of the partitions of one volume"
    )
    changed = _with(records, {PARTITION: counters, SLICE: np.zeros_like(counters)})
    changed, header, said = _in_one_place(changed, image, replace(header, partitions=None, slices=None))
    return changed, header, [note, *said]


def _in_one_place(records: Records, image: NDArray[np.intp], header: Header) -> tuple[Records, Header, list[str]]:
    """Give the partitions of a volume, of which each has a position, that of their middle."""
    places = np.unique(np.round(records.head["position"][image].astype(float), 3), axis=0)
    if len(places) < 2 or not np.isfinite(places).all():
        return records, header, []
    head = records.head.copy()
    head["position"][image] = places.mean(axis=0)
    note = "every partition has a position of its own: the middle of them is that of the volume"
    return replace(records, head=head), header, [note]


def _peaks(records: Records, image: NDArray[np.intp], name: str) -> bool:
    """Whether the energy over a counter is that of a phase encode, by the strongest lines of the first frame."""
    head = records.head
    first = image
    for other in (*COUNTERS, "average"):
        first = first[head["idx"][other][first] == head["idx"][other][first[0]]]
    counters, lines = head["idx"][name][first].astype(int), head["idx"][LINE][first].astype(int)
    several = np.unique(counters)
    if len(several) < FEWEST_PARTITIONS:
        return False
    # The strongest line of a few of them is about the centre of k-space.
    some = np.isin(counters, several[:: max(len(several) // 8, 1)])
    power = _energies(records, first[some])
    strongest = int(lines[some][int(np.argmax(power))])
    near = np.abs(lines - strongest) <= WIDTH // 2
    found = np.zeros(int(counters.max()) + 1)
    np.add.at(found, counters[near], _energies(records, first[near]))
    return peaks_as_partitions(found[several.min() :])


def _energies(records: Records, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):  # found by the checks of values
        return np.array([float(np.square(np.abs(one), dtype=np.float64).sum()) for _, one in records.samples(chosen)])


def _with(records: Records, counters: dict[str, NDArray[np.int64]]) -> Records:
    head = records.head.copy()
    for name, values in counters.items():
        head["idx"][name] = values
    return replace(records, head=head)
