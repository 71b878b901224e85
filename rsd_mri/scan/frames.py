"""Frames of a measurement: contrasts, phases, repetitions and sets; and lines that were measured more than once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.placement import lines_of
from rsd_mri.scan.records import COUNTERS, PLACES, REVERSE, Records

INCOMPLETE = 0.5
"""A frame with fewer records than this share of the usual number was broken off."""
BROKEN_OFF = 0.9
"""A frame with fewer than this share is named: it was broken off, or is of another kind than the others."""
BRIGHT = 0.02
"""Share of the points, the largest, at which repeated lines are compared."""
DISAGREE = 0.05
"""Energy of the difference of two repeated lines over their own, from which they are no repetitions of each other: a
tenth in amplitude and 12 degrees in phase together are less."""
MOST_BINS = 64
"""Values of a user counter, the most that are taken as bins."""
BIN = 0.2
"""Share of the mean number of lines that every bin has at least."""
ABOVE_NOISE = 4.0
"""And over what noise alone explains."""


@dataclass(frozen=True)
class Frame:
    """Records of one frame."""

    label: dict[str, int]
    """The counters that tell it from others; empty where there is one frame only."""
    chosen: NDArray[np.intp]
    """Indices of its records."""


def frames_by_counters(records: Records, image: NDArray[np.intp]) -> list[Frame]:
    """The records of each frame, by the counters that vary; `image` holds indices of imaging records."""
    idx = records.head["idx"][image]
    names = [name for name in COUNTERS if len(np.unique(idx[name])) > 1]
    if not names:
        return [Frame({}, image)]
    table = np.stack([idx[name].astype(int) for name in names], axis=1)
    labels, which = np.unique(table, axis=0, return_inverse=True)
    return [
        Frame({name: int(v) for name, v in zip(names, label, strict=True)}, image[np.ravel(which) == number])
        for number, label in enumerate(labels)
    ]


def settle_frames(records: Records, image: NDArray[np.intp]) -> tuple[tuple[Frame, ...], tuple[str, ...]]:
    """Split imaging records by the counters that vary, and repeated lines that are not alike.

    Parameters
    ----------
    records
        Of the measurement.
    image
        Indices of the imaging records of one stack.
    """
    frames = frames_by_counters(records, image)
    notes = []
    usual = float(np.median([len(f.chosen) for f in frames]))
    whole = [f for f in frames if len(f.chosen) >= INCOMPLETE * usual]
    if len(whole) < len(frames):
        left = [f.label for f in frames if len(f.chosen) < INCOMPLETE * usual]
        words = "; ".join(_words(one) for one in left[:3])
        notes.append(f"{len(left)} frames hold less than half of the usual number of lines and were left out ({words})")
    short = [f for f in whole if len(f.chosen) < BROKEN_OFF * usual]
    if short:
        words = "; ".join(f"{_words(f.label)}: {len(f.chosen)}" for f in short[:3]) + (
            "; ..." if len(short) > 3 else ""
        )
        notes.append(f"{len(short)} frames hold fewer lines than the others, of which each has {usual:g} ({words})")
    found = []
    for frame in whole:
        repeats, said = _split_repeats(records, frame)
        found += repeats
        notes += said
    # Every frame has the same counters, also where the lines of some only were not alike.
    names = list(dict.fromkeys(name for frame in found for name in frame.label))
    found = [Frame({name: frame.label.get(name, 0) for name in names}, frame.chosen) for frame in found]
    return tuple(found), tuple(dict.fromkeys(notes))


def opposite_in_words(records: Records, frames: Sequence[Frame]) -> tuple[str, ...]:
    """A note where whole frames were read backwards and others forth, as echoes of a bipolar readout are."""
    backward = records.flagged(REVERSE)
    shares = [float(backward[frame.chosen].mean()) for frame in frames]
    against = [_words(f.label) for f, share in zip(frames, shares, strict=True) if share == 1.0]
    if not against or not any(share == 0.0 for share in shares):
        return ()
    shown = "; ".join(against[:3]) + ("; ..." if len(against) > 3 else "")
    return (
        f"frames were read backwards ({shown}) and others forth: what delays the gradients leaves a phase along the "
        "readout between the two kinds, which nothing here measures; a map of the field needs echoes of one kind, or "
        "three of them",
    )


def _words(label: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in label.items())


def _split_repeats(records: Records, frame: Frame) -> tuple[list[Frame], list[str]]:
    """Keep repeated lines together where they agree within noise; else give each repetition a frame of its own."""
    idx = records.head["idx"][frame.chosen]
    line, partition, counter = (idx[name].astype(np.int64) for name in PLACES)
    keys = (line << 32) + (partition << 16) + counter
    turn = _occurrence(keys)
    if turn.max() == 0:
        return [frame], []
    averages = idx["average"].astype(int)
    # The counter of averages tells repetitions apart better than the order, where it does at all.
    by_counter = len(np.unique(averages)) > 1 and _occurrence(keys * 65536 + averages).max() == 0
    group = averages if by_counter else turn
    worst = _disagreement(records, frame.chosen, keys, group, records.head["idx"]["slice"][frame.chosen])
    if worst is None or worst < DISAGREE:
        return [frame], []
    name = "average" if by_counter else "repeat"
    words = "the averages" if by_counter else "echoes without a counter, it seems; they"
    if (found := _by_user_counter(records, frame.chosen, keys)) is not None:
        name, group = found
        words = f"by {name} of the records (bins of breathing or heart beat, it seems) they agree, so they"
    numbers = np.unique(group)
    note = (
        f"lines measured {turn.max() + 1} times disagree beyond noise (difference {100 * worst:.0f} % in energy): "
        f"{words} were not averaged but kept apart as {len(numbers)} frames"
    )
    return [Frame({**frame.label, name: int(n)}, frame.chosen[group == n]) for n in numbers], [note]


def _by_user_counter(
    records: Records, chosen: NDArray[np.intp], keys: NDArray[np.int64]
) -> tuple[str, NDArray[np.int64]] | None:
    """Name and values of the user counter by which repeated lines that disagree fall into groups that agree."""
    idx = records.head["idx"]
    if "user" not in (idx.dtype.names or ()):
        return None
    slices = idx["slice"][chosen]
    for number in range(idx["user"].shape[1]):
        group = idx["user"][chosen, number].astype(np.int64)
        values, counts = np.unique(group, return_counts=True)
        if not 1 < len(values) <= MOST_BINS or counts.min() < BIN * counts.mean():
            continue
        together, inverse = np.unique(keys * 65536 + group, return_inverse=True)
        if len(together) == len(np.unique(keys)):  # it tells no repetitions apart
            continue
        repetition = _occurrence(keys * 65536 + group)
        if repetition.max() == 0 and len(values) > 2 * (1 + _occurrence(keys).max()):
            continue
        worst = _disagreement(records, chosen, together[np.ravel(inverse)], repetition, slices)
        if worst is None or worst < DISAGREE:
            return f"user_{number}", group
    return None


def _occurrence(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each key came before."""
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    starts = np.r_[True, sorted_keys[1:] != sorted_keys[:-1]]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(keys)), 0))
    count: NDArray[np.int64] = np.empty(len(keys), np.int64)
    count[order] = np.arange(len(keys)) - first
    return count


def _disagreement(
    records: Records,
    chosen: NDArray[np.intp],
    keys: NDArray[np.int64],
    group: NDArray[np.int64],
    slices: NDArray[np.uint16],
) -> float | None:
    """Largest difference between repetitions of one slice, as energy over their own at the brightest points.

    None where it is within the noise.
    """
    several = np.unique(keys, return_counts=True)
    repeated = np.isin(keys, several[0][several[1] > 1])
    if not repeated.any():
        return None
    counters = np.unique(slices[repeated])
    looked = repeated & (slices == counters[len(counters) // 2])
    samples = {index: kept for index, kept, _ in lines_of(records, chosen[looked])}
    first: dict[int, tuple[int, NDArray[np.complex64]]] = {}
    pairs: dict[int, list[tuple[NDArray[np.complex64], NDArray[np.complex64]]]] = {}
    for index, key, number in zip(chosen[looked], keys[looked], group[looked], strict=True):
        line = samples[int(index)]
        if not line.any():  # not measured
            continue
        if int(key) not in first:
            first[int(key)] = (int(number), line)
        elif first[int(key)][1].shape == line.shape and first[int(key)][0] != number:
            pairs.setdefault(int(number), []).append((first[int(key)][1], line))
    worst = 0.0
    for some in pairs.values():
        a, b = (np.concatenate([np.ravel(pair[side]) for pair in some]) for side in (0, 1))
        difference, own = np.abs(a - b) ** 2, (np.abs(a) ** 2 + np.abs(b) ** 2) / 2
        count = max(int(BRIGHT * len(own)), 16)
        bright = np.argpartition(own, -min(count, len(own)))[-min(count, len(own)) :]
        quiet = np.argpartition(own, len(own) // 2)[: len(own) // 2]
        noise = float(difference[quiet].mean())
        found = float(difference[bright].mean())
        if found > ABOVE_NOISE * noise:
            worst = max(worst, found / max(float(own[bright].mean()), 1e-30))
    return worst or None
