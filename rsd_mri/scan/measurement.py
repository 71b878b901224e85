"""From the records of a measurement to its scans: every stack of slices, every frame."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.along import scans_along
from rsd_mri.scan.assembly import assemble, check_values
from rsd_mri.scan.counters import settle_counters
from rsd_mri.scan.echo_planar import fill, on_even_steps
from rsd_mri.scan.encodings import with_encodings_as_contrasts
from rsd_mri.scan.extent import reaches_beyond
from rsd_mri.scan.findings import Finding, merged
from rsd_mri.scan.frames import Frame, opposite_in_words, settle_frames
from rsd_mri.scan.hdf5 import check_size
from rsd_mri.scan.header import Header
from rsd_mri.scan.mirrored import looks_mirrored
from rsd_mri.scan.moments import with_moments
from rsd_mri.scan.noise_records import averaged, noise_of
from rsd_mri.scan.partitions import to_slices
from rsd_mri.scan.placement import Filled, Grid, echo_in_words, fillable, settle_centre, settle_grid, turn_filled
from rsd_mri.scan.places import Stack, settle_stacks
from rsd_mri.scan.records import REVERSE, Records
from rsd_mri.scan.reference import calibration_of
from rsd_mri.scan.roles import Roles, settle_roles
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.segments import segments_of, with_segments
from rsd_mri.scan.shared_centre import with_shared_centre
from rsd_mri.scan.sign import settle_sign
from rsd_mri.scan.simultaneous import refuse_simultaneous
from rsd_mri.scan.sizes import with_oversampling
from rsd_mri.scan.windows import Window

MOST_EMPTY = 200
"""Largest plausible ratio of the points of k-space to those measured."""
LARGE = 1 << 28
"""Size of a volume's k-space from which its lines are put aside on disk, where they may be [bytes]."""


@dataclass(frozen=True)
class Settled:
    """What holds for all stacks and frames of a measurement."""

    records: Records
    roles: Roles
    header: Header
    """Of the image's encoding."""
    turned: bool
    noise: NDArray[np.complex64] | None
    """[coil, sample], of lines measured once."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    budget: int | None
    streamed: bool = False


def scans_of(
    records: Records,
    budget: int | None = None,
    others: Sequence[Records] = (),
    noise_from: Records | None = None,
    streamed: bool = False,
) -> tuple[Scan, ...]:
    """Turn records into scans: slices, or 3-D volumes, which become slices across their readout.

    Records along another trajectory than a Cartesian one are taken as `scans_along` does.

    Noise records give `noise`, scaled to the bandwidth of the imaging lines. Lines for calibration only give
    `calibration`, or belong to k-space where the header calls them embedded. Lines measured several times are averaged
    where they agree. Readout oversampling stays.

    Parameters
    ----------
    records
        Of one measurement.
    budget
        Bytes that k-space may take.
    others
        Other measurements, in which noise is looked for where this one has none.
    noise_from
        The measurement to take noise from, where it was named.
    streamed
        A large volume may lie on disk, from which its slices are read whenever they are asked for.

    Returns
    -------
    tuple of Scan
        One for each frame (contrast, phase, repetition, set) of each stack (slices of one orientation, slab), stacks
        first.

    Raises
    ------
    InputError
        If the records are damaged, hold no image, or are along a trajectory that they do not hold.
    """
    records = with_encodings_as_contrasts(records)
    roles = settle_roles(records)
    header = records.header.encoding(roles.space)
    if header.trajectory not in (None, "cartesian", "epi"):
        return scans_along(records, budget, others, noise_from)
    records, of_counters = settle_counters(records, roles)
    header = records.header.encoding(roles.space)
    records = on_even_steps(records, header)
    image = roles.of("image")
    refuse_simultaneous(records, header, image)
    head = records.head[image]
    steps = head["idx"]["kspace_encode_step_2"]
    volume = bool(steps.min() != steps.max())
    stacks, said = settle_stacks(head, volume, header.slices)
    turned, sign, warned = settle_sign(header.vendor, stacks[0].geometry.slice_direction is not None)
    noise, noise_finding, noise_notes = noise_of(records, roles, float(head["sample_time_us"][0]), others, noise_from)
    findings = [*roles.findings, sign, *([] if noise_finding is None else [noise_finding])]
    settled = Settled(
        records, roles, header, turned, noise, tuple(findings),
        (*records.notes, *roles.notes, *of_counters, *said, *warned, *noise_notes), budget, streamed,
    )  # fmt: skip
    found: list[Scan] = []
    for number, stack in enumerate(stacks):
        frames = _frames(settled, stack, image[np.isin(head["idx"]["slice"], stack.slices)], number)
        found += with_shared_centre(frames)
    return tuple(found)


def _frames(settled: Settled, stack: Stack, image: NDArray[np.intp], number: int) -> list[Scan]:
    """Every frame of one stack."""
    records, header = settled.records, settled.header
    grid, notes = settle_grid(records, image, header, stack.slices)
    frames, of_frames = settle_frames(records, image)
    notes += (*of_frames, *opposite_in_words(records, frames))
    bytes_of_frame = int(np.prod(grid.shape, dtype=np.int64)) * 8
    spooled = settled.streamed and grid.n_partitions is not None and bytes_of_frame >= LARGE
    if spooled:
        _require_disk(records, frames)
    else:
        check_size(records.source, "k-space", (len(frames), *grid.shape), 8, settled.budget)
    measured = int(records.head["number_of_samples"][image].astype(np.int64).sum()) * grid.n_coils
    if len(frames) * np.prod(grid.shape, dtype=float) > MOST_EMPTY * measured:
        raise InputError(
            f"{records.source}: header and counters ask for k-space of {list(grid.shape)}, but only {measured} points "
            "were measured; the file is damaged: convert the raw data again"
        )
    filled = fill(records, frames[0].chosen, grid, settled.roles, spooled)
    check_values(filled.kspace, records.source)
    if not spooled and not records.flagged(REVERSE)[image].any() and looks_mirrored(filled.kspace):
        notes += (
            "every second line looks like its neighbours only once it is turned round: lines that ran backwards seem "
            "to have lost their flag (ACQ_IS_REVERSE), and the image has a ghost; set it",
        )
    moved, centre, said = settle_centre(filled, grid)
    notes += said
    if moved != grid:
        grid = moved
        filled = fill(records, frames[0].chosen, grid, settled.roles, spooled)
    notes += echo_in_words(grid)
    findings = [centre, Finding("slices", str(len(stack.slices)), stack.sorted_by, len(stack.slices))]
    if len(frames) > 1:
        names = ", ".join(f"{len({f.label[n] for f in frames})} of {n}" for n in frames[0].label)
        labels = [f.label for f in frames]
        findings.append(Finding("frames", f"{len(frames)}: {names}", "counters of the records", labels))
    found = []
    headers = with_moments(records, header, frames)
    for index, (frame, of_frame) in enumerate(zip(frames, headers, strict=True)):
        filled = filled if index == 0 else fill(records, frame.chosen, grid, settled.roles, spooled)
        at = replace(settled, header=of_frame)
        found.append(_scan(at, stack, grid, frame, filled, (*notes, *filled.notes), tuple(findings), number))
    return found


def _require_disk(records: Records, frames: Sequence[Frame]) -> None:
    """Refuse volumes whose lines would not fit into temporary files, which hold them twice."""
    folder = tempfile.gettempdir()
    chosen = np.concatenate([frame.chosen for frame in frames])
    used = records.head["number_of_samples"][chosen].astype(np.int64) * records.head["active_channels"][chosen]
    needed, free = 2 * 8 * int(used.sum()), shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{records.source}: its lines need {needed / 2**30:.3g} GiB of temporary files and {free / 2**30:.3g} GiB "
            f"are free in {folder}; make room, or set TMPDIR to a larger disk"
        )


def _scan(
    settled: Settled,
    stack: Stack,
    grid: Grid,
    frame: Frame,
    filled: Filled,
    notes: tuple[str, ...],
    findings: tuple[Finding, ...],
    number: int,
) -> Scan:
    """One frame of one stack."""
    records, header, volume = settled.records, settled.header, grid.n_partitions is not None
    window: Window | None = fillable(grid, header)
    calibration, found, said = calibration_of(records, settled.roles, grid, frame.chosen, settled.turned, header)
    notes, findings = (*notes, *said), (*findings, *([] if found is None else [found]))
    noise = settled.noise
    if noise is not None:
        noise, said = averaged(noise, filled.count)
        notes = (*notes, *said)
    if settled.turned:
        filled, window = turn_filled(filled, window, volume)
    kspace, geometry = filled.kspace, stack.geometry
    if volume:
        # Those of the array: positions along the readout.
        findings = tuple(one for one in findings if one.question != "slices")
        notes = (
            *notes,
            "a 3-D acquisition: transformed along the readout, whose positions are the slices; what is called readout "
            "and phase encode of a slice are the phase encode and the partitions",
        )
        check_values(kspace, records.source)
        partitions = kspace
        header, said = with_oversampling(
            header, kspace.shape[2], lambda axis, share: reaches_beyond(partitions, axis, share)
        )
        notes = (*notes, *said)
        kspace, header, geometry = to_slices(kspace, header, geometry)
    scan = assemble(
        records.source,
        records.format,
        kspace,
        header=header,
        header_text=records.text,
        noise=noise,
        calibration=calibration,
        geometry=geometry,
        attributes={**records.attributes, **({"patient_id": header.patient} if header.patient else {})},
        notes=(*settled.notes, *notes),
        findings=merged(settled.findings, findings),
        padding=window,
        padding_says="header",
        frame=frame.label,
        stack=number,
        centred=True,
    )
    segments = segments_of(records, frame.chosen, grid, settled.turned)
    return scan if segments is None else with_segments(scan, segments, "clock or counter of the records")
