"""Records put into k-space by their counters, around the centre of k-space."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.centre import UNSAID, WEAKER, find_peak, find_peak_of_volume
from rsd_mri.scan.epi import turned_line
from rsd_mri.scan.findings import Finding
from rsd_mri.scan.header import Header
from rsd_mri.scan.records import REVERSE, Records, flagged
from rsd_mri.scan.sign import turn
from rsd_mri.scan.spooled_lines import SpooledLines
from rsd_mri.scan.windows import Window, turned

CENTRE_LINE, CENTRE_PARTITION = 5, 6
"""Numbers of `idx.user` in which converters of Siemens data keep the centre of k-space."""
ASYMMETRIC = 1 / 16
"""Share of the readout that has to be missing on one side of the echo for it to be asymmetric."""
LEAST_SIDE = 1 / 8
"""Share of the samples that the shorter side of an asymmetric echo has, at least."""


@dataclass(frozen=True)
class Grid:
    """Size and centre of the k-space that records are put into."""

    slices: tuple[int, ...]
    """Slice counters in the order of space; in a 3-D acquisition that of its slab."""
    n_coils: int
    readout: int
    phase: int
    line_centre: int
    """Line counter at index phase // 2."""
    n_partitions: int | None = None
    partition_centre: int = 0
    """Central counter of the second phase encode in a 3-D acquisition, where partitions count as slices."""
    shift: int = 0
    """Samples by which readouts are moved beyond what `center_sample` asks for."""
    echo: tuple[int, int] = (0, 0)
    """Samples that the usual record keeps before its echo, and from the echo on."""
    samples: int = 0
    """Least size of the readout: that of the header, or of the longest record."""
    lines: tuple[int, int] = (0, 0)
    """Smallest and largest line counter."""
    partitions: tuple[int, int] = (0, 0)
    """The same of partitions."""
    matrix: tuple[int, int] = (0, 0)
    """(lines, partitions) of the header; 0 where it says nothing."""
    said: tuple[bool, bool, bool] = (True, True, True)
    """Whether the centre of readout, lines and partitions is said anywhere."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """[slice or partition, coil, readout, phase_encode]."""
        return (self.n_partitions or len(self.slices), self.n_coils, self.readout, self.phase)


@dataclass(frozen=True)
class Filled:
    """K-space of one frame."""

    kspace: NDArray[np.complex64]
    """[slice, coil, readout, phase_encode]; of a large volume `SpooledLines`."""
    count: NDArray[np.int32]
    """Times measured, [slice, phase_encode]."""
    notes: tuple[str, ...] = ()


def settle_grid(
    records: Records, image: NDArray[np.intp], header: Header, slices: tuple[int, ...]
) -> tuple[Grid, list[str]]:
    """Size of k-space from the header, or from the records where these need more.

    Raises
    ------
    InputError
        If a record keeps no sample.
    """
    head, notes = records.head[image], []
    used = head["number_of_samples"].astype(int) - head["discard_pre"] - head["discard_post"]
    if used.min() < 1:
        raise InputError(f"{records.source}: a record keeps {used.min()} samples; expected at least one")
    readout, phase = (header.encoded or (int(used.max()), 0))[:2]
    if used.max() > readout:
        notes.append(f"the header says {readout} readout samples, the records have {used.max()}")
        readout = int(used.max())
    elif header.recon and used.min() == used.max() == header.recon[0] < readout and _symmetric(head):
        # Whether these are coarse lines of the encoded field of view or whole ones of the recon's is settled later.
        readout = int(used.max())
    steps = head["idx"]["kspace_encode_step_1"].astype(int)
    low, high = int(steps.min()), int(steps.max())
    said = _said(header.lines)
    centre = header.lines[2] if header.lines and said else _middle((low, high), phase)
    own = _own_centre(head, CENTRE_LINE)
    if own is not None and low <= own <= high and own != centre:
        notes.append(f"the header puts the centre of k-space at line {centre}, the records at {own}: theirs is taken")
        centre = own
    centres = (bool(head["center_sample"].any()), said or own is not None, True)
    matrix = (phase, 0 if header.encoded is None else header.encoded[2])
    coils = int(head["active_channels"][0])
    grid = Grid(slices, coils, readout, phase, centre, lines=(low, high), matrix=matrix, said=centres,
                echo=_echo(head, centres[0]), samples=readout)  # fmt: skip
    grid, of_lines = _wide_enough(grid)
    partitions = head["idx"]["kspace_encode_step_2"].astype(int)
    if partitions.min() != partitions.max():
        bounds = (int(partitions.min()), int(partitions.max()))
        n_partitions = matrix[1] if matrix[1] > 1 else 0
        said = _said(header.partitions)
        middle = header.partitions[2] if header.partitions and said else _middle(bounds, n_partitions)
        own = _own_centre(head, CENTRE_PARTITION)
        if own is not None and bounds[0] <= own <= bounds[1]:
            middle = own
        n_partitions = _room(bounds, middle, n_partitions)
        grid = replace(grid, n_partitions=n_partitions, partition_centre=middle, partitions=bounds)
        grid = replace(grid, said=(*centres[:2], said or own is not None))
    return grid, notes + of_lines


def _said(limits: tuple[int, int, int] | None) -> bool:
    """Whether limits say where the centre is: writers that do not know it leave 0."""
    return limits is not None and (limits[2] > 0 or limits[1] == 0)


def _middle(bounds: tuple[int, int], n: int) -> int:
    """Where the centre of n counters is, where nothing says it: they begin at zero, or where so many just fit."""
    first = bounds[0] if n and bounds[1] >= n and bounds[1] - bounds[0] < n else 0
    return first + (n or bounds[1] + 1) // 2


def _symmetric(head: NDArray[np.void]) -> bool:
    """Whether the echo is said to lie in the middle of every record."""
    kept = head["number_of_samples"].astype(int) - head["discard_pre"] - head["discard_post"]
    return bool((np.abs(head["center_sample"].astype(int) - head["discard_pre"] - kept // 2) <= 1).all())


def _own_centre(head: NDArray[np.void], number: int) -> int | None:
    """The centre that the records themselves say, where they all say the same."""
    if "user" not in (head["idx"].dtype.names or ()):
        return None
    said = np.unique(head["idx"]["user"][:, number])
    return int(said[0]) if len(said) == 1 and said[0] > 0 else None


def _wide_enough(grid: Grid) -> tuple[Grid, list[str]]:
    """Settle the number of lines: the header's, or more where they have no room around their centre."""
    wanted = grid.matrix[0]
    phase = _room(grid.lines, grid.line_centre, wanted)
    said = [f"the header says {wanted} lines, the records need {phase}"] if wanted and phase > wanted else []
    return replace(grid, phase=phase, readout=_readout(grid)), said


def _echo(head: NDArray[np.void], said: bool) -> tuple[int, int]:
    """Samples that the usual record keeps before its echo, and from the echo on; the middle where no record says it."""
    kept = head["number_of_samples"].astype(int) - head["discard_pre"] - head["discard_post"]
    centre = head["center_sample"].astype(int) - head["discard_pre"]
    before = np.where(flagged(head, REVERSE), kept - 1 - centre, centre) if said else kept // 2
    values, counts = np.unique(np.stack([before, kept - before]), axis=1, return_counts=True)
    first, rest = values[:, counts.argmax()]
    return int(first), int(rest)


def _readout(grid: Grid) -> int:
    """Size of a readout that has its echo at n // 2: more than the header's where that counts the samples kept."""
    before, rest = grid.echo[0] + grid.shift, grid.echo[1] - grid.shift
    need = 2 * max(before, rest)
    # An echo a little beside the middle, as many writers give it, is moved inside instead; at an end there is none.
    known = min(before, rest) >= LEAST_SIDE * grid.samples
    return need if known and need > (1 + ASYMMETRIC) * grid.samples else grid.samples


def _room(bounds: tuple[int, int], centre: int, wanted: int) -> int:
    """Size of an axis that holds counters within bounds around their centre, at least what is wanted."""
    need = 2 * max(centre - bounds[0], bounds[1] - centre + 1)
    return wanted if wanted and need - 1 <= wanted else need


def place(
    records: Records,
    chosen: NDArray[np.intp],
    grid: Grid,
    spooled: bool = False,
    phase: NDArray[np.float64] | None = None,
) -> Filled:
    """Put records into k-space; what was measured several times is averaged. Records of zeros were not measured.

    Parameters
    ----------
    records
        All of them.
    chosen
        Indices of those of one frame of one stack.
    grid
        Where they go.
    spooled
        Whether lines are put aside on disk.
    phase
        Of lines read forth over those read back, [readout] (rad): each is turned by half of it.
    """
    head = records.head
    backward = flagged(head, REVERSE)
    kspace: Any = SpooledLines(grid.shape) if spooled else np.zeros(grid.shape, np.complex64)
    count: NDArray[np.int32] = np.zeros((grid.shape[0], grid.phase), np.int32)
    moved = outside = 0
    for index, kept, centre in lines_of(records, chosen, grid.said[0]):
        wanted = grid.readout // 2 - centre - grid.shift
        start = min(max(wanted, 0), grid.readout - kept.shape[1])
        # One sample is the usual disagreement on where an even readout has its centre.
        moved += abs(wanted - start) > 1
        line = grid.phase // 2 + int(head["idx"]["kspace_encode_step_1"][index]) - grid.line_centre
        where = _slice_of(head[index], grid)
        if not 0 <= line < grid.phase or not 0 <= where < grid.shape[0] or kept.shape[0] != grid.n_coils or start < 0:
            outside += 1
            continue
        if not kept.any():
            continue
        if phase is not None:
            kept = turned_line(kept, phase if backward[index] else -phase, start)
        with np.errstate(invalid="ignore", over="ignore"):  # found by the checks of values
            if spooled:
                kspace.add(where, line, start, kept)
            else:
                kspace[where, :, start : start + kept.shape[1], line] += kept
        count[where, line] += 1
    notes = []
    if moved:
        notes.append(f"center_sample of {moved} records lies outside the readout; they were moved inside")
    if outside:
        notes.append(f"{outside} records lie outside k-space or have other coils and were left out")
    most = int(count.max())
    if most > 1:
        notes.append(f"lines measured up to {most} times were averaged")
        if not spooled:
            kspace /= np.maximum(count, 1)[:, None, None, :]
    return Filled(kspace, count, tuple(notes))


def lines_of(
    records: Records, chosen: NDArray[np.intp], said: bool = True
) -> Iterator[tuple[int, NDArray[np.complex64], int]]:
    """Index, samples [coil, sample] and central sample of records, discarded ones cut off and reversed ones turned.

    Where no record says where its echo is (`said`), that is taken to be the middle.
    """
    head = records.head
    reverse = flagged(head, REVERSE)
    for index, samples in records.samples(chosen):
        pre, stop = int(head["discard_pre"][index]), samples.shape[1] - int(head["discard_post"][index])
        kept, centre = samples[:, pre:stop], int(head["center_sample"][index]) - pre
        if reverse[index]:
            kept, centre = kept[:, ::-1], kept.shape[1] - 1 - centre
        yield index, kept, centre if said else kept.shape[1] // 2


def _slice_of(one: np.void, grid: Grid) -> int:
    if grid.n_partitions is not None:
        return grid.n_partitions // 2 + int(one["idx"]["kspace_encode_step_2"]) - grid.partition_centre
    counter = int(one["idx"]["slice"])
    return grid.slices.index(counter) if counter in grid.slices else -1


def settle_centre(filled: Filled, grid: Grid) -> tuple[Grid, Finding, list[str]]:
    """Check where the largest values of k-space lie against where headers and records put its centre.

    Returns
    -------
    grid
        With the centre where it was found; the records have to be placed again where it is another one.
    finding, notes
        What was found.
    """
    beyond = 0
    readout, lines, partitions = (WEAKER if said else UNSAID for said in grid.said)
    if grid.n_partitions is None:
        peak = find_peak(filled.kspace, None, (readout, lines))
    else:
        peak, _, beyond = find_peak_of_volume(filled.kspace, (readout, lines, partitions))
    line = grid.line_centre + peak.at[1] - grid.phase // 2
    if peak.off == (0, 0) and not beyond:
        words = f"largest values at line {line}" if peak.clear else "no value stands out"
        finding = Finding("centre", f"line {grid.line_centre}", f"header and records; {words}", grid.line_centre)
        return grid, finding, []
    said = []
    found = grid
    if peak.off[1]:
        said.append(f"the centre of k-space is at line {line}, where its largest values are, not at {grid.line_centre}")
        found, _ = _wide_enough(replace(found, line_centre=line))
    if peak.off[0]:
        said.append(f"the echo lies {peak.off[0]:+d} samples from where the records put it; the lines were moved")
        found, _ = _wide_enough(replace(found, shift=grid.shift + peak.off[0]))
    if beyond and grid.n_partitions is not None:
        centre = grid.partition_centre + beyond
        said.append(f"the centre of k-space is at partition {centre}, where its largest values are, not at "
                    f"{grid.partition_centre}")  # fmt: skip
        n = _room(grid.partitions, centre, grid.matrix[1] if grid.matrix[1] > 1 else 0)
        found = replace(found, partition_centre=centre, n_partitions=n)
    finding = Finding("centre", f"line {found.line_centre}, echo moved by {-peak.off[0]} samples",
                      "largest values of k-space", found.line_centre)  # fmt: skip
    return found, finding, said


def echo_in_words(grid: Grid) -> tuple[str, ...]:
    """A note where the readout is longer than the header says, to have room on both sides of the echo."""
    if grid.readout <= grid.samples:
        return ()
    return (
        f"an asymmetric echo under a header that counts only the {grid.samples} samples which were kept: the readout "
        f"has {grid.readout}, of which the others are zero",
    )


def fillable(grid: Grid, header: Header) -> Window:
    """First and last-plus-one index that the header's limits or the records allow: of lines, in 3-D of partitions."""
    if grid.n_partitions is None:
        (low, high), limits, n, centre = grid.lines, header.lines, grid.phase, grid.line_centre
    else:
        (low, high), limits, n, centre = grid.partitions, header.partitions, grid.n_partitions, grid.partition_centre
    if limits is not None and limits[0] <= low and high <= limits[1]:
        low, high = limits[0], limits[1]
    return max(n // 2 + low - centre, 0), min(n // 2 + high - centre + 1, n)


def turn_filled(filled: Filled, window: Window | None, volume: bool) -> tuple[Filled, Window | None]:
    """Reverse all encoded axes: the other sign of the Fourier transform.

    Index 0 of an even axis, which has no partner, is dropped where the axis ends long before its other end: it would
    stand alone there.
    """
    kspace, count = filled.kspace, filled.count
    axes: tuple[int, ...] = (2, 3, 0) if volume else (2, 3)
    lines = np.asarray(count.any(axis=0))
    n = len(lines)
    places = np.flatnonzero(lines)
    gaps = np.diff(places) - 1
    if n % 2 == 0 and lines[0] and n - 1 - places[-1] > 2 * (int(gaps.max()) if len(gaps) else 0) + 2:
        count[:, 0] = 0
        if isinstance(kspace, SpooledLines):
            kspace.drop_first_line()
        else:
            kspace[..., 0] = 0
    if isinstance(kspace, SpooledLines):
        kspace.turn()
    else:
        turn(kspace, axes)
    turn(count, (1, 0) if volume else (1,))
    return Filled(kspace, count, filled.notes), turned(window, len(kspace) if volume else n)
