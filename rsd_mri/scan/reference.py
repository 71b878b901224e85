"""Calibration lines that are no part of the image: with a matrix and a field of view of their own, in 2-D and 3-D."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.echo_planar import fill
from rsd_mri.scan.findings import Finding
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.header import Header
from rsd_mri.scan.middle import centre_of_last
from rsd_mri.scan.partitions import to_slices
from rsd_mri.scan.placement import Filled, Grid, settle_centre, settle_grid, turn_filled
from rsd_mri.scan.records import CALIBRATION_AND_IMAGING, COUNTERS, Records
from rsd_mri.scan.reference_readout import field_of_view_share, grid_of_calibration
from rsd_mri.scan.roles import Roles
from rsd_mri.scan.sampling import contiguous_centre, fully_sampled_centre
from rsd_mri.scan.sizes import in_millimetres

FEWEST = 4
"""Lines around the centre below which calibration lines are of no use."""
SAME = 0.02
"""Relative difference of fields of view that is none."""


def calibration_of(
    records: Records, roles: Roles, grid: Grid, image: NDArray[np.intp], turned: bool, header: Header
) -> tuple[NDArray[np.complex64] | None, Finding | None, tuple[str, ...]]:
    """K-space of the calibration lines of one stack, cut to the block around the centre, in the image's field of view.

    Parameters
    ----------
    records, roles
        Of the measurement.
    grid
        Of the image.
    image
        Indices of the image's records in the same frame.
    turned
        Whether k-space carries the other sign of the Fourier transform.
    header
        Of the image's encoding.

    Returns
    -------
    calibration
        [slice, coil, readout, phase_encode] with the centre at n // 2, in 3-D of the slices across the readout; None
        where there is none.
    finding, notes
        What was found.
    """
    notes: list[str] = []
    head = records.head
    chosen = roles.of("calibration")
    counters = np.isin(head["idx"]["slice"][chosen], grid.slices)
    chosen = _first_of_counters(records, chosen[counters & (head["active_channels"][chosen] == grid.n_coils)], notes)
    if len(chosen) == 0:
        return None, None, tuple(notes)
    space = int(head["encoding_space_ref"][chosen[0]])
    own = records.header.encoding(space)
    if space == roles.space:
        chosen = np.sort(np.concatenate([chosen, _both(records, roles, grid, image, chosen)]))
    alike = space == roles.space
    mine = grid_of_calibration(records, chosen, image, grid) if alike else None
    share = 1.0 if mine is None else field_of_view_share(records, chosen, image, mine, grid)
    if mine is not None and share == 1.0 and mine.readout <= grid.readout:
        mine = None  # of less resolution: they have room in the image's readout
    filled, volume = _filled(records, roles, mine or grid, chosen, own, space, notes)
    if filled is None:
        return None, None, tuple(notes)
    if turned:
        filled, _ = turn_filled(filled, None, volume)
    kspace = _in_field_of_view(filled.kspace, own, header, volume, notes)
    if mine is not None:
        kspace = _in_readout(kspace, grid.readout, share, notes)
    found = _volume_block(kspace, grid, header, notes) if volume else _block(kspace, filled.count, notes)
    if found is None:
        return None, None, tuple(notes)
    words = f"{found.shape[-2]} x {found.shape[-1]}, lines of their own"
    where = "records flagged as calibration" if space == roles.space else f"records of encoding {space}"
    value = {"readout": int(found.shape[-2]), "phase_encode": int(found.shape[-1])}
    return found, Finding("calibration", words, where, value), tuple(notes)


def _first_of_counters(records: Records, chosen: NDArray[np.intp], notes: list[str]) -> NDArray[np.intp]:
    for name in COUNTERS:
        values = records.head["idx"][name][chosen]
        if len(several := np.unique(values)) > 1:
            chosen = chosen[values == several[0]]
            notes.append(f"the first of {len(several)} of the counter {name} of the calibration lines was kept")
    return chosen


def _both(
    records: Records, roles: Roles, grid: Grid, image: NDArray[np.intp], chosen: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Lines that are calibration and image at once: they lie between those for calibration only, `chosen`.

    Those with the counters of `chosen`, for another repetition may have the lines in between elsewhere; where there are
    none, those of the frame.
    """
    counters, flagged = records.head["idx"], records.flagged(CALIBRATION_AND_IMAGING)
    fits = flagged & (records.head["active_channels"] == grid.n_coils) & np.isin(counters["slice"], grid.slices)
    for name in COUNTERS:
        fits &= counters[name] == counters[name][chosen[0]]
    beside = roles.of("image")
    beside = beside[fits[beside]]
    return beside if len(beside) else image[flagged[image]]


def _filled(
    records: Records, roles: Roles, grid: Grid, chosen: NDArray[np.intp], own: Header, space: int, notes: list[str]
) -> tuple[Filled | None, bool]:
    """Calibration k-space on a grid of its own, centred where its largest values are; whether it is of a volume."""
    volume = grid.n_partitions is not None
    if space == roles.space:
        mine = grid
    else:
        mine, said = settle_grid(records, chosen, own, grid.slices)
        notes += [f"of the calibration lines: {one}" for one in said]
    if (mine.n_partitions is not None) != volume:
        notes.append("the calibration lines are of slices and the image of a volume, or the other way round: left out")
        return None, volume
    filled = fill(records, chosen, mine, roles)
    if contiguous_centre(np.asarray(filled.count.any(axis=0))) < FEWEST:
        mine = replace(mine, said=(mine.said[0], False, False))  # they were counted by themselves
    moved, _, said = settle_centre(filled, mine)
    if moved != mine:
        notes += [f"of the calibration lines: {one}" for one in said]
        filled = fill(records, chosen, moved, roles)
    notes += filled.notes
    return filled, volume


def _in_field_of_view(
    kspace: NDArray[np.complex64], own: Header, header: Header, volume: bool, notes: list[str]
) -> NDArray[np.complex64]:
    """Calibration k-space [slice, coil, readout, phase_encode] with the steps of the image's encoding."""
    theirs, ours = in_millimetres(own)[0], in_millimetres(header)[0]
    if theirs is None or ours is None:
        return kspace
    for axis, number in ((2, 0), (3, 1), *(((0, 2),) if volume else ())):
        ratio = ours[number] / theirs[number] if theirs[number] > 0 else 1.0
        if abs(ratio - 1) <= SAME or not 0.1 < ratio < 10:
            continue
        n = kspace.shape[axis]
        wanted = max(round(n * ratio), 1)
        kspace = _resized(kspace, axis, wanted)
        name = ("readout", "phase encode", "partitions")[number]
        notes.append(
            f"the calibration lines cover {theirs[number]:.4g} mm along {name}, the image {ours[number]:.4g}: "
            "they were brought to its field of view"
        )
    return kspace


def _in_readout(kspace: NDArray[np.complex64], readout: int, share: float, notes: list[str]) -> NDArray[np.complex64]:
    """Calibration k-space of another number of samples in the image's readout, by its share of the field of view."""
    n = kspace.shape[2]
    if share == 1.0:
        notes.append(f"the calibration lines have {n} samples, the image {readout}: the inner ones were kept")
        return _about_middle(kspace, 2, readout)
    notes.append(
        f"the calibration lines have {n} samples and the image {readout} over {1 / share:.3g} times their field of "
        "view, as the object shows (oversampling): they were brought to the image's"
    )
    return _resized(kspace, 2, max(round(n / share), 1))


def _resized(kspace: NDArray[np.complex64], axis: int, wanted: int) -> NDArray[np.complex64]:
    """Crop or pad the image of an axis about its middle: the steps of k-space change, what it resolves does not."""
    import torch

    from rsd_mri.operators.fourier import fft1c, ifft1c

    image = ifft1c(torch.from_numpy(np.ascontiguousarray(kspace)), dim=axis).numpy()
    return fft1c(torch.from_numpy(_about_middle(image, axis, wanted)), dim=axis).numpy()


def _about_middle(array: NDArray[Any], axis: int, wanted: int) -> NDArray[Any]:
    """Crop or zero-pad an axis so that index n // 2 stays in the middle."""
    n = array.shape[axis]
    start = n // 2 - wanted // 2
    kept = np.take(array, range(max(start, 0), min(start + wanted, n)), axis=axis)
    before = max(-start, 0)
    pads = [(0, 0)] * array.ndim
    pads[axis] = (before, wanted - before - kept.shape[axis])
    return np.ascontiguousarray(np.pad(kept, pads))


def _block(kspace: NDArray[np.complex64], count: NDArray[np.int32], notes: list[str]) -> NDArray[np.complex64] | None:
    """Cut calibration lines to the contiguous block around the centre, so that the centre is at n // 2.

    After a change of the field of view the lines are not those counted; all of them are kept then. The few slices that
    lack them get those of the nearest slice, for coils change little from one to the next.
    """
    widths = np.array([contiguous_centre(one > 0) for one in count])
    good = widths >= max(FEWEST, float(np.median(widths)) / 2)
    have = np.asarray((count[good] > 0).all(axis=0)) if good.any() else np.zeros(count.shape[1], bool)
    width, middle = contiguous_centre(have), have.size // 2
    if width < FEWEST or 2 * good.sum() <= len(good):
        notes.append("the calibration lines do not cover the centre of most slices and were left out")
        return None
    if not good.all():
        lacking = np.flatnonzero(~good)
        nearest = np.flatnonzero(good)[np.abs(lacking[:, None] - np.flatnonzero(good)).argmin(axis=1)]
        kspace = kspace.copy()
        kspace[lacking] = kspace[nearest]
        listed = ", ".join(map(str, lacking.tolist()[:8])) + (", ..." if len(lacking) > 8 else "")
        notes.append(
            f"the calibration lines of {len(lacking)} slices ({listed}) are missing or incomplete; those of the slice "
            "nearest to each are taken"
        )
    if kspace.shape[-1] != have.size:
        width, middle = max(int(width * kspace.shape[-1] / have.size), 1), kspace.shape[-1] // 2
    return np.ascontiguousarray(kspace[..., middle - width // 2 : middle - width // 2 + width])


def _volume_block(
    kspace: NDArray[np.complex64], grid: Grid, header: Header, notes: list[str]
) -> NDArray[np.complex64] | None:
    """The block around the centre of a volume's calibration, as slices across the image's readout."""
    kspace = _about_middle(kspace, 2, grid.readout)
    slices, _, _ = to_slices(kspace, header, Geometry())
    have = (slices != 0).any(axis=(0, 1))
    rows, columns = fully_sampled_centre(have, (have.shape[0], have.shape[1]))
    if min(rows, columns) < FEWEST:
        notes.append("the calibration lines of the volume do not cover its centre and were left out")
        return None
    return np.ascontiguousarray(slices[centre_of_last(have.shape, (rows, columns))])
