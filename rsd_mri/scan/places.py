"""Where the slices lie: one stack for each orientation, in the order of space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.geometry import Geometry

Triple = tuple[float, float, float]
PARALLEL = 0.9995
"""Cosine above which two directions are one."""


@dataclass(frozen=True)
class Stack:
    """Slices of one orientation, or one slab."""

    slices: tuple[int, ...]
    """Slice counters in the order of space, along the normal."""
    geometry: Geometry
    """Without voxel and gap."""
    sorted_by: str
    """What the order was taken from."""


def settle_stacks(
    image: NDArray[np.void], volume: bool, expected: int | None = None
) -> tuple[tuple[Stack, ...], tuple[str, ...]]:
    """Group the slices of imaging records by orientation, and sort each group by position.

    Slices that share their places with others (stations of a moving table that overlap, sets of slices counted on) make
    a stack for each time a place was measured.

    Parameters
    ----------
    image
        Headers of the imaging records.
    volume
        Whether partitions are encoded: each slice counter is then a slab of its own.
    expected
        Number of slices that the header says.

    Returns
    -------
    stacks, notes
        In the order in which they were first measured.
    """
    counters, firsts = np.unique(image["idx"]["slice"], return_index=True)
    place = {int(c): _Place.of(image[i]) for c, i in zip(counters, firsts, strict=True)}
    groups: list[list[int]] = []
    for counter in sorted(place, key=lambda c: firsts[list(counters).index(c)]):
        fitting = [] if volume else [g for g in groups if place[counter].along(place[g[0]])]
        if fitting:
            fitting[0].append(counter)
        else:
            groups.append([counter])
    notes = []
    if len(groups) > 1:
        what = "slabs" if volume else "orientations"
        notes.append(f"the slices lie in {len(groups)} {what}; each is reconstructed as a volume of its own")
    apart = []
    for group in groups:
        parts = _apart([place[counter] for counter in sorted(group)])
        if parts is None:
            notes.append("most slices are said to lie in one place: their positions are taken as not known")
            parts = np.zeros(len(group), int)
        elif parts.max() > 0:
            notes.append(
                f"slices lie where others do (stations that overlap, or a place measured again): they are taken as "
                f"{parts.max() + 1} stacks, each a volume of its own"
            )
        apart += [
            [c for c, part in zip(sorted(group), parts, strict=True) if part == n] for n in range(parts.max() + 1)
        ]
    # Stacks are numbered by their smallest counter, as people count their slices.
    apart.sort(key=min)
    stacks = tuple(_stack(group, place) for group in apart)
    if any(len(s.slices) > 1 and list(s.slices) != sorted(s.slices) for s in stacks):
        notes.append("the slice counters do not run in the order of space; the slices were sorted by position")
    low, high = int(counters.min()), int(counters.max())
    # Some scanners count from one.
    begin = 1 if low == 1 and (expected is None or expected <= 1 or high >= expected) else 0
    missing = sorted(set(range(begin, high + 1)) - set(counters.tolist()))
    if missing:
        shown = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        notes.append(f"slices {shown} of {high + 1 - begin} have no record; the others are reconstructed")
    return stacks, tuple(notes)


def _apart(places: list["_Place"]) -> NDArray[np.intp] | None:
    """Number of the stack of each slice of one orientation, in the order of the counters, so that none repeats a place.

    By the position of the table where that tells repeated places apart, else by how often a place came before where all
    came equally often, else a new stack begins with each slice whose place the one before holds. None where one place
    has so many slices that the positions cannot be believed.
    """
    one = np.zeros(len(places), np.intp)
    if len(places) < 2 or any(place.position is None for place in places):
        return one
    points = np.round([place.position for place in places], 2)
    _, which, counts = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    which = np.ravel(which)
    if counts.max() == 1:
        return one
    if counts.max() > len(counts):
        return None
    tables = np.unique(np.round([place.table for place in places]), axis=0, return_inverse=True)[1]
    tables = np.ravel(tables).astype(np.intp)
    if len(np.unique(np.stack([which, tables]), axis=1).T) == len(places):
        return tables
    if counts.min() == counts.max():
        return np.array([int((which[:n] == here).sum()) for n, here in enumerate(which)], np.intp)
    seen: set[int] = set()
    number = 0
    for n, here in enumerate(which.tolist()):
        if here in seen:
            seen, number = set(), number + 1
        seen.add(here)
        one[n] = number
    return one


@dataclass(frozen=True)
class _Place:
    """Directions and position of one record; None where they are none."""

    read: NDArray[np.float64] | None
    phase: NDArray[np.float64] | None
    normal: NDArray[np.float64] | None
    position: NDArray[np.float64] | None
    table: tuple[float, ...]
    """Position of the patient's table [mm]; zeros where it is not said."""

    @classmethod
    def of(cls, one: np.void) -> "_Place":
        def unit(name: str) -> NDArray[np.float64] | None:
            vector = one[name].astype(float)
            length = np.linalg.norm(vector)
            return vector if np.isfinite(length) and abs(length - 1) <= 0.01 else None

        position = one["position"].astype(float)
        read, phase, normal = unit("read_dir"), unit("phase_dir"), unit("slice_dir")
        if read is not None and phase is not None:
            cross = np.cross(read, phase)
            if abs(read @ phase) > 0.01:  # no frame
                read = phase = normal = None
            elif normal is None:
                normal = cross
        known = "patient_table_position" in (one.dtype.names or ())
        table = one["patient_table_position"].astype(float) if known else np.zeros(3)
        said = tuple(float(x) for x in table) if np.isfinite(table).all() else (0.0, 0.0, 0.0)
        return cls(read, phase, normal, position if np.isfinite(position).all() else None, said)

    def along(self, other: "_Place") -> bool:
        """Whether both have the same directions."""
        pairs = ((self.read, other.read), (self.phase, other.phase), (self.normal, other.normal))
        return all(a is b or (a is not None and b is not None and bool(a @ b > PARALLEL)) for a, b in pairs)


def _stack(counters: list[int], place: dict[int, _Place]) -> Stack:
    first = place[counters[0]]
    points = [place[c].position for c in counters]
    known = first.normal is not None and all(p is not None for p in points)
    order, source = counters, "slice counters"
    if known and first.normal is not None:
        heights = {c: float(place[c].position @ first.normal) for c in counters}  # type: ignore[operator]
        if len({round(h, 2) for h in heights.values()}) == len(counters) > 1:
            order, source = sorted(counters, key=lambda c: heights[c]), "positions along the normal"
    geometry = Geometry(
        read_direction=_triple(first.read),
        phase_direction=_triple(first.phase),
        slice_direction=_triple(first.normal),
        positions=tuple(_triple(place[c].position) for c in order) if known else (),  # type: ignore[misc]
    )
    return Stack(tuple(order), geometry, source)


def _triple(vector: NDArray[np.float64] | None) -> Triple | None:
    return None if vector is None else (float(vector[0]), float(vector[1]), float(vector[2]))
