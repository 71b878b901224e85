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


def settle_stacks(image: NDArray[np.void], volume: bool) -> tuple[tuple[Stack, ...], tuple[str, ...]]:
    """Group the slices of imaging records by orientation, and sort each group by position.

    Parameters
    ----------
    image
        Headers of the imaging records.
    volume
        Whether partitions are encoded: each slice counter is then a slab of its own.

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
    # Stacks are numbered by their smallest counter, as people count their slices.
    groups.sort(key=min)
    stacks = tuple(_stack(sorted(group), place) for group in groups)
    notes = []
    if len(stacks) > 1:
        what = "slabs" if volume else "orientations"
        notes.append(f"the slices lie in {len(stacks)} {what}; each is reconstructed as a volume of its own")
    if any(len(s.slices) > 1 and list(s.slices) != sorted(s.slices) for s in stacks):
        notes.append("the slice counters do not run in the order of space; the slices were sorted by position")
    missing = sorted(set(range(int(counters.max()) + 1)) - set(counters.tolist()))
    if missing:
        shown = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        notes.append(f"slices {shown} of {int(counters.max()) + 1} have no record; the others are reconstructed")
    return stacks, tuple(notes)


@dataclass(frozen=True)
class _Place:
    """Directions and position of one record; None where they are none."""

    read: NDArray[np.float64] | None
    phase: NDArray[np.float64] | None
    normal: NDArray[np.float64] | None
    position: NDArray[np.float64] | None

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
        return cls(read, phase, normal, position if np.isfinite(position).all() else None)

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
