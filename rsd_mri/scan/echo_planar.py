"""Records read forth and back put into k-space together: echo-planar imaging without its ghost."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.epi import (
    along_partitions,
    found,
    ghost,
    navigated,
    read_both_ways,
    readout_energy,
    readout_timing,
    regridded,
    regridding,
    turned,
)
from rsd_mri.scan.header import Header
from rsd_mri.scan.middle import centre_window
from rsd_mri.scan.placement import Filled, Grid, lines_of, place
from rsd_mri.scan.records import CALIBRATION, COUNTERS, NAVIGATION, NOISE, PLACES, REVERSE, Records
from rsd_mri.scan.roles import Roles
from rsd_mri.scan.sampling import fully_sampled_centre

WORTH_SAYING = 0.02
"""Share of the signal in the ghost from which what the navigators left is corrected too."""
MIDDLE = (64, 16)
"""Lines and partitions in the middle of a volume that are looked at."""
FEWEST_LINES = 8
"""Lines and partitions of a fully sampled middle that tell the difference."""
UNKNOWN = (
    "an undersampled EPI without phase-correction records: the lines read backwards cannot be brought together with "
    "the others; convert the raw data again with these records kept"
)


def on_even_steps(records: Records, header: Header) -> Records:
    """Records whose samples on the ramps of the readout gradient are regridded, where the header gives the timing.

    Noise and navigator records, and lines of another number of samples, stay as they are.
    """
    timing = readout_timing(header)
    if timing is None:
        if header.parameters.get("rampUpTime", 0) > 0:
            note = (
                "an EPI readout with ramps of the gradient, whose timing the header does not give whole: the samples "
                "are taken as evenly spaced in k-space"
            )
            return replace(records, notes=(*records.notes, note))
        return records
    head = records.head
    line = ~(records.flagged(NOISE) | records.flagged(NAVIGATION))
    counts = np.unique(head["number_of_samples"][line])
    wanted = int(header.parameters.get("numSamples", 0))
    n = wanted if wanted in counts else int(counts[-1])
    size = header.encoded[0] if header.encoded else n
    matrices = [regridding(timing, n, size, backward) for backward in (False, True)]
    if matrices[0] is None:
        return records
    chosen, backward = line & (head["number_of_samples"] == n), records.flagged(REVERSE)
    changed = head.copy()
    changed["number_of_samples"][chosen], changed["center_sample"][chosen] = size, size // 2
    changed["center_sample"][chosen & backward] = size - 1 - size // 2
    changed["discard_pre"][chosen] = changed["discard_post"][chosen] = 0

    def samples(indices: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.complex64]]]:
        for index, one in records.samples(indices):
            matrix = matrices[int(backward[index])] if chosen[index] else None
            yield index, one if matrix is None else regridded(one, matrix)

    note = f"{n} samples of the EPI readout, some on its ramps, were regridded to {size} even steps by their timing"
    return replace(records, head=changed, samples=samples, notes=(*records.notes, note))


def fill(records: Records, chosen: NDArray[np.intp], grid: Grid, roles: Roles, spooled: bool = False) -> Filled:
    """Put records into k-space; where some were read forth and some back, bring them together first.

    Those of a volume may be `spooled`: put aside on disk.

    Raises
    ------
    InputError
        If nothing tells the difference between lines read forth and back.
    """
    backward = records.flagged(REVERSE)[chosen]
    if not backward.any() or backward.all():
        return place(records, chosen, grid, spooled and grid.n_partitions is not None)
    if grid.n_partitions is not None:
        phase, said = _phase_of_volume(records, chosen, grid, roles)
        filled = place(records, chosen, grid, spooled, phase)
        return replace(filled, notes=(*filled.notes, said))
    parts = [place(records, chosen[~backward], grid), place(records, chosen[backward], grid)]
    phases, by = _navigator_phases(records, chosen, grid, roles)
    twice = (parts[0].count > 0) & (parts[1].count > 0)
    if not by and twice.any(axis=1).all():
        both_ways = zip(parts[0].kspace, parts[1].kspace, twice, strict=True)
        phases = np.stack([read_both_ways(one[..., at], other[..., at]) for one, other, at in both_ways])
    aligned = _aligned(parts, phases)
    left = np.zeros(grid.readout)
    if not twice.any() and _complete(parts):
        left = found(*aligned)
        if by and ghost(left, _spread(aligned)) < WORTH_SAYING:
            left = np.zeros_like(left)
        both = [replace(part, kspace=k) for part, k in zip(parts, aligned, strict=True)]
        aligned = _aligned(both, np.broadcast_to(left, phases.shape))
    elif not by and not twice.any(axis=1).all() and is_echo_planar(records.header.encoding(roles.space)):
        raise InputError(f"{records.source}: {UNKNOWN}")
    if not by and not phases.any() and not left.any() and not _complete(parts):
        note = "lines were read forth and back, and nothing tells their difference: a ghost may be left"
        return _together(parts, aligned, (*parts[0].notes, *parts[1].notes, note))
    if not by and twice.any():
        by_what = "by the lines that were read both ways"
    else:
        by_what = f"by {by} navigator lines" if by else "found from the data, the image being sparsest"
    notes = (*parts[0].notes, *parts[1].notes, _in_words(phases, left, by_what, _spread(aligned)))
    return _together(parts, aligned, notes)


def _phase_of_volume(
    records: Records, chosen: NDArray[np.intp], grid: Grid, roles: Roles
) -> tuple[NDArray[np.float64], str]:
    """Phase of forward over backward lines of a volume, [readout], and in words how it was found.

    By navigator lines of all partitions, by lines in the middle of k-space that were read both ways, or from a fully
    sampled middle, of which the images are sparsest.
    """
    idx, backward = records.head["idx"], records.flagged(REVERSE)
    small = replace(grid, phase=min(grid.phase, MIDDLE[0]), n_partitions=min(grid.n_partitions or 1, MIDDLE[1]))
    off = [
        (n or 1) // 2 + idx[name][chosen].astype(int) - centre
        for name, n, centre in zip(PLACES[:2], (small.phase, small.n_partitions),
                                   (grid.line_centre, grid.partition_centre), strict=True)
    ]  # fmt: skip
    inside = [(at >= 0) & (at < (n or 1)) for at, n in zip(off, (small.phase, small.n_partitions), strict=True)]
    middle = chosen[inside[0] & inside[1]]
    parts = [place(records, middle[backward[middle] == which], small) for which in (False, True)]
    phases, by = _navigator_phases(records, chosen, grid, roles)
    phase, twice = phases[0], (parts[0].count > 0) & (parts[1].count > 0)
    window = fully_sampled_centre((parts[0].count + parts[1].count > 0), twice.shape)
    how = f"by {by} navigator lines"
    if not by and twice.any():
        phase = read_both_ways(*(np.moveaxis(part.kspace, 0, -1)[..., twice.T] for part in parts))
        how = "by the lines that were read both ways"
    elif not by and min(window) >= FEWEST_LINES:
        rows, columns = centre_window(twice.shape, window)
        # Over the partitions too the image is sparse.
        both = (np.ascontiguousarray(part.kspace[rows][..., columns]) for part in parts)
        phase = found(*(along_partitions(one) for one in both))
        how = "found from the data, the image being sparsest"
    elif not by and is_echo_planar(records.header.encoding(roles.space)):
        raise InputError(f"{records.source}: {UNKNOWN}")
    elif not by:
        return phase, "lines were read forth and back, and nothing tells their difference: a ghost may be left"
    energy = sum(readout_energy(part.kspace[len(part.kspace) // 2]) for part in parts)
    return phase, _in_words(phase[None], np.zeros_like(phase), how, np.asarray(energy))


def mended_array(
    kspace: NDArray[np.complex64], header: Header, path: Path
) -> tuple[NDArray[np.complex64], tuple[str, ...]]:
    """K-space [..., coil, readout, phase_encode] that a header says is of an EPI, and what was done about its ghost.

    An array does not say whether its lines were brought together: of a complete one, every other line against the
    others tells.

    Raises
    ------
    InputError
        If lines are missing, so that nothing tells.
    """
    if not is_echo_planar(header):
        return kspace, ()
    flat = kspace.reshape(-1, *kspace.shape[-3:])
    lines = np.flatnonzero(flat[0].any(axis=(0, 1)))
    if len(lines) < 8 or (np.diff(lines) != 1).any():
        raise InputError(
            f"{path}: an undersampled EPI as an array: whether its lines were corrected for their ghost cannot be "
            "known; give the raw data with their phase-correction records"
        )
    even = np.arange(flat.shape[-1]) % 2 == 0
    out = flat.astype(np.complex64)
    worst = 0.0
    for i, one in enumerate(flat):
        phase = found(np.where(even, one, 0)[None], np.where(even, 0, one)[None])
        share = ghost(phase, readout_energy(one))
        if share >= WORTH_SAYING:
            out[i] = np.where(even, turned(one, -phase / 2), turned(one, phase / 2))
            worst = max(worst, share)
    ramps = "" if readout_timing(header) is None else "; its samples are taken as regridded already"
    done = f"a ghost of up to {worst:.0%} was found from the data and removed" if worst else "no ghost was found in it"
    return out.reshape(kspace.shape), (f"an EPI as an array: {done}{ramps}",)


def is_echo_planar(header: Header) -> bool:
    """Whether the header says that lines were read in one train of echoes."""
    return header.trajectory == "epi" or "epi" in (header.description or "").lower()


def _together(parts: list[Filled], aligned: list[NDArray[np.complex64]], notes: tuple[str, ...]) -> Filled:
    """Mean of forward and backward lines, each by how often it was measured."""
    counts = [part.count[:, None, None, :] for part in parts]
    total = np.maximum(counts[0] + counts[1], 1)
    kspace = (aligned[0] * counts[0] + aligned[1] * counts[1]) / total
    return Filled(kspace.astype(np.complex64), parts[0].count + parts[1].count, tuple(dict.fromkeys(notes)))


def _aligned(parts: list[Filled], phases: NDArray[np.float64]) -> list[NDArray[np.complex64]]:
    """Forward and backward k-space, each turned by half the phase [slice, readout] between them."""
    if not phases.any():
        return [part.kspace for part in parts]
    out = []
    for part, sign in zip(parts, (-0.5, 0.5), strict=True):
        out.append(np.stack([turned(k, sign * phase) for k, phase in zip(part.kspace, phases, strict=True)]))
    return out


def _complete(parts: list[Filled]) -> bool:
    """Whether forward and backward lines together leave no line out between the first and the last."""
    lines = np.flatnonzero((parts[0].count + parts[1].count).all(axis=0))
    return len(lines) > 1 and bool((np.diff(lines) == 1).all())


def _spread(aligned: list[NDArray[np.complex64]]) -> NDArray[np.float64]:
    """Energy of the readout's image of the middle slice, [readout]."""
    middle = len(aligned[0]) // 2
    return readout_energy(aligned[0][middle] + aligned[1][middle])


def _navigator_phases(
    records: Records, chosen: NDArray[np.intp], grid: Grid, roles: Roles
) -> tuple[NDArray[np.float64], int]:
    """Phase of forward over backward lines by the phase-correction records, [slice, readout], and their number."""
    phases = np.zeros((len(grid.slices), grid.readout))
    every = roles.of("phase correction")
    if len(every) == 0:
        return phases, 0
    head = records.head
    reference = records.flagged(CALIBRATION)
    # Those of calibration lines belong to calibration lines, where there are any of each kind.
    same = every[reference[every] == reference[chosen[0]]]
    every = same if len(same) else every
    for name in COUNTERS:
        mine = np.unique(head["idx"][name][chosen])
        fitting = every[np.isin(head["idx"][name][every], mine)]
        every = fitting if len(fitting) else every
    used = 0
    for number, counter in enumerate(grid.slices):
        own = every[head["idx"]["slice"][every] == counter]
        lines = [_line(records, part, grid) for part in _both_ways(records, own)]
        if min(map(len, lines)) == 0:
            continue
        phases[number] = navigated(*(np.stack(one) for one in lines))
        used += len(own)
    return phases, used


def _both_ways(records: Records, indices: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    backward = records.flagged(REVERSE)[indices]
    return indices[~backward], indices[backward]


def _line(records: Records, indices: NDArray[np.intp], grid: Grid) -> list[NDArray[np.complex64]]:
    """Navigator lines [coil, readout] where an imaging line would be put."""
    found_lines = []
    for _, kept, centre in lines_of(records, indices):
        if kept.shape[0] != grid.n_coils or kept.shape[1] > grid.readout:
            continue
        start = min(max(grid.readout // 2 - centre - grid.shift, 0), grid.readout - kept.shape[1])
        line: NDArray[np.complex64] = np.zeros((grid.n_coils, grid.readout), np.complex64)
        line[:, start : start + kept.shape[1]] = kept
        found_lines.append(line)
    return found_lines


def _in_words(phases: NDArray[np.float64], left: NDArray[np.float64], how: str, weight: NDArray[np.float64]) -> str:
    before = ghost(phases[len(phases) // 2] + left, weight)
    if "navigator" in how and left.any():
        how += f", which left {ghost(left, weight):.0%}, and by the data"
    return f"EPI: lines read backwards were brought together with the others {how}; the ghost would be {before:.0%}"
