"""From raw arrays and a header to a checked `Scan`: the last step of every reader."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.slices import Slices
from rsd_mri.scan.centre import NEAR, find_peak, rolled
from rsd_mri.scan.edges import without_foreign_samples
from rsd_mri.scan.extent import reaches_beyond
from rsd_mri.scan.findings import Finding, merged
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.header import Header
from rsd_mri.scan.incomplete import without_incomplete
from rsd_mri.scan.origin import beyond_in_words
from rsd_mri.scan.residues import without_residues
from rsd_mri.scan.sampling import filled_points, settle_mask
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.silent_coils import in_words as silent_in_words
from rsd_mri.scan.sizes import settle_sizes, with_oversampling
from rsd_mri.scan.spikes import spikes_in_words
from rsd_mri.scan.spokes import looks_like_spokes
from rsd_mri.scan.usual_answers import finding_of_acceleration, usual_findings
from rsd_mri.scan.windows import Window, settle_window

MOST_COILS = 256
LARGEST = 1e15
"""Largest plausible magnitude: its square still fits into float32 when summed over coils and points."""
LEAST = 1e-18
"""Least magnitude of the largest value: the squares of noise, far below it, still fit into float32."""


def check_values(kspace: NDArray[np.complex64], path: Path, grid: bool = True) -> tuple[str, ...]:
    """Look for values no scanner gives.

    `grid` tells whether the last two axes are those of k-space, with its centre in their middle.

    Returns
    -------
    tuple of str
        A note for what is odd but usable.

    Raises
    ------
    InputError
        If k-space holds NaN, infinity, absurd or vanishing values, or nothing but zeros.
    """
    peaks = []
    for index, one in enumerate(kspace):
        parts = one.view(np.float32)
        with np.errstate(invalid="ignore"):
            peak = float(max(parts.max(), -parts.min()))
        if not np.isfinite(peak) or peak > LARGEST:
            bad = int((~(np.abs(parts) <= LARGEST)).sum())
            raise InputError(
                f"{path}: kspace has {bad} values in slice {index} that are not finite or above {LARGEST:g}; "
                "the file is damaged: export or download it again; where they mark what was not measured, put zeros in"
            )
        peaks.append(peak)
    if max(peaks) == 0:
        raise InputError(f"{path}: kspace holds zeros only; expected measured data: export the scan again")
    _require_size(max(peaks), path)
    notes = []
    middle = kspace[int(np.argmax(peaks))]
    energy = np.sqrt((np.abs(middle).astype(np.float64) ** 2).sum(axis=0))
    row, column = np.unravel_index(int(energy.argmax()), energy.shape)
    n_readout, n_phase = energy.shape
    if grid and min(energy.shape) >= 16 and all(min(i, n - i) <= 2 for i, n in ((row, n_readout), (column, n_phase))):
        notes.append(
            "the largest value of k-space lies in a corner; zero frequency is expected at index n // 2, "
            "so the image may come out shifted by half the field of view"
        )
    typical = float(np.median(energy[energy > 0]))
    if energy.max() > 1e8 * typical:
        notes.append(f"the largest value of k-space is {energy.max() / typical:.1g} times the typical one")
    return tuple(notes)


def _require_size(peak: float, path: Path) -> None:
    if 0 < peak < LEAST:
        raise InputError(
            f"{path}: the largest value of kspace is {peak:.1g}, too small for single precision; expected one above "
            f"{LEAST:g}: multiply kspace, and its noise and calibration, by 1e{-math.floor(math.log10(peak))}"
        )


def check_shape(kspace: NDArray[Any], path: Path) -> None:
    """Refuse shapes and types that are not k-space.

    Raises
    ------
    InputError
        If the array is not complex [slice, coil, readout, phase_encode] of a plausible size.
    """
    if kspace.dtype.kind != "c":
        raise InputError(f"{path}: kspace has type {kspace.dtype}; expected complex numbers")
    if kspace.ndim != 4:
        raise InputError(
            f"{path}: kspace has shape {list(kspace.shape)}; expected [slice, coil, readout, phase_encode]"
        )
    if kspace.shape[1] > MOST_COILS:
        raise InputError(
            f"{path}: kspace {list(kspace.shape)} would have {kspace.shape[1]} coils; expected "
            "[slice, coil, readout, phase_encode]: move the coil axis there"
        )
    if min(kspace.shape[2:]) < 4:
        raise InputError(
            f"{path}: kspace {list(kspace.shape)} has fewer than 4 points along readout or phase encode; "
            "expected [slice, coil, readout, phase_encode]"
        )


def assemble(
    path: Path,
    form: str,
    kspace: NDArray[Any],
    *,
    stored_mask: NDArray[Any] | None = None,
    header: Header | None = None,
    header_text: str | None = None,
    noise: NDArray[np.complex64] | None = None,
    calibration: NDArray[np.complex64] | None = None,
    geometry: Geometry | None = None,
    attributes: dict[str, str | int | float] | None = None,
    notes: tuple[str, ...] = (),
    findings: tuple[Finding, ...] = (),
    padding: Window | None = None,
    padding_says: str = "file's padding",
    target: tuple[int, int] | None = None,
    frame: dict[str, int] | None = None,
    stack: int = 0,
    centred: bool = False,
) -> Scan:
    """Check everything, settle axes, centre, sampling and sizes, and build the `Scan`. Arrays win over the header.

    Parameters
    ----------
    path, form
        The file and the name of its format.
    kspace
        [slice, coil, readout, phase_encode].
    stored_mask, noise, calibration, attributes
        As read.
    header, header_text
        Of the encoding.
    geometry
        Where the slices lie; the size of their voxels is settled here.
    notes, findings
        What the reader had to say.
    padding
        First and last-plus-one line that could be filled, where the reader knows better than the header.
    padding_says
        What the reader has it from.
    target
        (readout, phase_encode) of an image of the file's own.
    frame, stack
        As in `Scan`.
    centred
        Whether the reader has settled the centre of k-space.

    Raises
    ------
    InputError
        If the arrays are not usable k-space.
    """
    check_shape(kspace, path)
    found = list(notes)
    header = header or Header()
    settled: list[Finding] = []
    if swapped(header, kspace.shape):
        kspace = kspace.swapaxes(-1, -2)
        calibration = None if calibration is None else np.ascontiguousarray(calibration.swapaxes(-1, -2))
        target = None if target is None else (target[1], target[0])
        if stored_mask is not None and np.ndim(stored_mask) > 1:
            stored_mask = np.swapaxes(stored_mask, -1, -2)
        found.append("the header's sizes tell that readout and phase encode are swapped in the array; they were turned")
        settled.append(Finding("axes", "slice, coil, phase encode, readout", "sizes in the header"))
    if kspace.dtype != np.complex64:
        found.append(f"kspace was {kspace.dtype} and is read as complex64")
        ends = [float(end(part)) for part in (kspace.real, kspace.imag) for end in (np.max, np.min)]
        _require_size(max(map(abs, ends)), path)
        with np.errstate(over="ignore"):  # what overflows is found by check_values
            kspace = kspace.astype(np.complex64)
    if not isinstance(kspace, Slices):
        kspace = np.ascontiguousarray(kspace)
    found += check_values(kspace, path)
    found += _of_spokes(kspace, header, path)
    found += without_foreign_samples(kspace)
    if stored_mask is None:
        found += without_residues(kspace)
    found += spikes_in_words(kspace)
    found += silent_in_words(noise, kspace)
    found += _conflicts(header, kspace.shape)
    off = (0, 0)
    if not centred:
        kspace, stored_mask, put_in = _with_lines_left_out(kspace, stored_mask, header)
        found += put_in
        kspace, stored_mask, off, finding, said = _centred(kspace, stored_mask)
        settled.append(finding)
        found += said
    found += beyond_in_words(kspace)
    points = filled_points(kspace)
    found += without_incomplete(kspace, points)
    mask, source, more = settle_mask(kspace, points, stored_mask, path)
    found += more
    acquired_at, readout_at, finding, said = _windows(header, mask, padding, padding_says, off)
    found += said
    settled.append(finding)
    inside = mask[..., slice(*(acquired_at or (0, mask.shape[-1])))]
    if mask.ndim == 2 and readout_at is not None:
        inside = inside[slice(*readout_at)]
    source = "full" if stored_mask is None and inside.all() else source
    geometry = geometry or Geometry()

    def fills(axis: int, share: float) -> bool:
        return reaches_beyond(kspace, axis, share)

    header, mended = with_oversampling(header, kspace.shape[2], fills)
    sizes = settle_sizes(
        header, (kspace.shape[2], kspace.shape[3]), spacing=_spacing(geometry, header), slices=len(kspace),
        target=target, fills=fills,
    )  # fmt: skip
    found += (*mended, *sizes.notes)
    scan = Scan(
        kspace=kspace,
        mask=mask,
        mask_source=source,
        source=path,
        format=form,
        noise=noise,
        calibration=calibration,
        image_size=sizes.image,
        acquired_at=acquired_at,
        readout_at=readout_at,
        geometry=_with_voxel(geometry, sizes.voxel, header),
        attributes=attributes or {},
        header=header_text,
        notes=tuple(dict.fromkeys(found)),
        facts=header.facts.of_contrast((frame or {}).get("contrast", 0)),
        frame=frame or {},
        stack=stack,
    )
    kind, n_lines = "lines" if mask.ndim == 1 else "2-D pattern", int(np.atleast_2d(mask).any(axis=0).sum())
    settled += [
        Finding("sampling", "full" if source == "full" else kind,
                {"file": "mask in the file", "zeros": "zeros of k-space", "full": "nothing is missing"}[source],
                {"kind": "full" if source == "full" else kind, "source": source, "lines": n_lines}),
        finding_of_acceleration(scan, finding.evidence),
    ]  # fmt: skip
    return replace(scan, findings=merged(usual_findings(scan), sizes.findings, settled, findings))


def _of_spokes(kspace: NDArray[np.complex64], header: Header, path: Path) -> list[str]:
    """Say that lines look like shots of a trajectory; refuse them where the header says so too.

    Raises
    ------
    InputError
        If it does.
    """
    if not looks_like_spokes(kspace):
        return []
    words = "all lines of k-space hold the same values where they are strongest, as shots of a trajectory do"
    what = "save it as `trajectory` beside kspace, or as an array for --trajectory"
    if header.trajectory not in (None, "cartesian", "epi"):
        raise InputError(f"{path}: {words}, and the header says {header.trajectory}; expected its trajectory: {what}")
    return [f"{words} (spokes, spirals): if they are, the image is none, and the trajectory is needed: {what}"]


def swapped(header: Header, shape: tuple[int, ...]) -> bool:
    """Whether only a swap of the last two axes makes the array fit the header's matrix."""
    if header.encoded is None:
        return False
    x, y = header.encoded[:2]
    readout, phase = shape[-2:]
    return x != y and phase == x != readout and abs(readout - y) <= 0.1 * y


def _with_lines_left_out(
    kspace: NDArray[np.complex64], mask: NDArray[Any] | None, header: Header
) -> tuple[NDArray[np.complex64], NDArray[Any] | None, tuple[str, ...]]:
    """Put in, as zeros, the lines that an array leaves out, where header and peak agree on the ones that it holds."""
    n = kspace.shape[-1]
    if header.encoded is None or header.lines is None or isinstance(kspace, Slices) or header.acquired_at is None:
        return kspace, mask, ()
    low, high, centre = header.lines
    first, stop = header.acquired_at
    if not (n == high - low + 1 < header.encoded[1] and first >= 0 and stop <= header.encoded[1]):
        return kspace, mask, ()
    peak = find_peak(kspace)
    if not peak.clear or abs(peak.at[1] - (centre - low)) > 1 or abs(centre - low - n // 2) <= NEAR:
        return kspace, mask, ()
    room = (first, header.encoded[1] - stop)
    if mask is not None and np.ndim(mask) and np.shape(mask)[-1] == n:
        mask = np.pad(mask, [(0, 0)] * (np.ndim(mask) - 1) + [room])
    note = (
        f"k-space has only the {n} lines that were measured of {header.encoded[1]}; the others, where the header says, "
        "were put in as zeros"
    )
    return np.pad(kspace, [(0, 0), (0, 0), (0, 0), room]), mask, (note,)


def _centred(
    kspace: NDArray[np.complex64], mask: NDArray[Any] | None
) -> tuple[NDArray[np.complex64], NDArray[Any] | None, tuple[int, int], Finding, list[str]]:
    """Bring the peak of k-space to n // 2, and the mask with it."""
    peak = find_peak(kspace)
    middle = (kspace.shape[2] // 2, kspace.shape[3] // 2)
    if peak.off == (0, 0):
        where = f"the largest values lie at {peak.at}" if peak.clear else "no value stands out"
        return kspace, mask, (0, 0), Finding("centre", f"{middle}", where, list(middle)), []
    at = (middle[0] + peak.off[0], middle[1] + peak.off[1])
    note = (
        f"the echo lies at sample {at[0]}, line {at[1]} of k-space, not at its middle {middle}: k-space was moved in a "
        "circle, which takes a linear phase out of the image; where one side was left out, give its place as zeros"
    )
    finding = Finding("centre", f"{at}, moved to {middle}", "the largest values of k-space", list(at))
    if mask is not None and np.ndim(mask) >= 1:
        mask = np.asarray(mask)
        if mask.shape[-1] == kspace.shape[-1]:
            mask = np.roll(mask, -peak.off[1], axis=-1)
        if mask.ndim > 1 and mask.shape[-2] == kspace.shape[-2]:
            mask = np.roll(mask, -peak.off[0], axis=-2)
    return rolled(kspace, peak.off), mask, peak.off, finding, [note]


def _windows(
    header: Header, mask: NDArray[np.bool_], padding: Window | None, says: str, off: tuple[int, int]
) -> tuple[Window | None, Window | None, Finding, list[str]]:
    """Windows of lines and of samples that the scanner could fill."""
    width = mask.shape[-1]
    said, who = padding, says
    if said is None and header.acquired_at is not None and header.encoded is not None:
        # Lines are counted from the centre of k-space, wherever the array and the header disagree on its width.
        shift = width // 2 - header.encoded[1] // 2
        said, who = (header.acquired_at[0] + shift, header.acquired_at[1] + shift), "header"
    said = None if said is None else (said[0] - off[1], said[1] - off[1])
    lines = np.asarray(np.atleast_2d(mask).any(axis=0))
    window, evidence, note = settle_window(lines, said, who)
    notes = [] if note is None else [f"{note}; what is filled counts"]
    rows, of_rows = None, ""
    if mask.ndim == 2:
        rows, of_rows, _ = settle_window(np.asarray(mask.any(axis=1)), None)
    words = [f"lines {window[0]} to {window[1] - 1}: {evidence}"] if window else []
    words += [f"samples {rows[0]} to {rows[1] - 1}: {of_rows}"] if rows else []
    return window, rows, Finding("sampling", "", "; ".join(words) or "points over points acquired"), notes


def _spacing(geometry: Geometry, header: Header) -> float | None:
    """Distance from slice to slice [mm]."""
    points = np.asarray(geometry.positions, float)
    if len(points) > 1:
        step = float(np.median(np.linalg.norm(np.diff(points, axis=0), axis=1)))
        if step > 0:
            return step
    return header.spacing if header.spacing and header.spacing > 0 else None


def _with_voxel(geometry: Geometry, voxel: tuple[float, float, float] | None, header: Header) -> Geometry:
    """Put the settled voxel in, and the gap between slices that follows from it."""
    if voxel is None:
        return replace(geometry, voxel_size=None)
    spacing = _spacing(geometry, header)
    gap = geometry.slice_gap
    if spacing is not None and (len(geometry.positions) > 1 or not gap):
        gap = spacing - voxel[2]
    return replace(geometry, voxel_size=voxel, slice_gap=0.0 if gap < 1e-3 else float(gap))


def _conflicts(header: Header, shape: tuple[int, ...]) -> list[str]:
    """One sentence for each way in which the header disagrees with the array."""
    n_slices, n_coils, readout, phase = shape
    said = []
    if header.encoded is not None and header.encoded[:2] != (readout, phase):
        said.append(f"the header says a matrix of {header.encoded[:2]}, k-space has ({readout}, {phase})")
    if header.coils is not None and header.coils != n_coils:
        said.append(f"the header says {header.coils} coils, k-space has {n_coils}")
    if header.slices is not None and header.slices not in (1, n_slices):
        said.append(f"the header says {header.slices} slices, k-space has {n_slices}")
    if header.multiband > 1:
        said.append(f"the header says {header.multiband} slices at once; k-space is taken as that of single slices")
    if header.trajectory not in (None, "cartesian", "epi"):
        said.append(f"the header says a {header.trajectory} trajectory; k-space is taken as Cartesian")
    return said
