"""ISMRMRD raw data in HDF5: one record per readout, put into k-space by its counters.

Format: Inati et al. 2017, Magn Reson Med 77:411. Lines are placed by the centre of k-space that header and
records give, not by the start of the array.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.assembly import MOST_COILS, assemble, check_values
from rsd_mri.scan.hdf5 import check_size, dataset, member, opened, read_text
from rsd_mri.scan.header import Header, parse_header
from rsd_mri.scan.partitions import to_slices
from rsd_mri.scan.scan import Geometry, Scan

NOISE, CALIBRATION, CALIBRATION_AND_IMAGING, REVERSE = 19, 20, 21, 22
SKIPPED = {
    23: "navigator",
    24: "phase correction",
    26: "feedback",
    27: "dummy",
    28: "feedback",
    29: "surface-coil correction",
    30: "phase stabilisation",
    31: "phase stabilisation",
}
"""Flag numbers (counted from 1) of records that are not lines of k-space."""
COUNTERS = ("contrast", "phase", "repetition", "set")
PLACES = ("kspace_encode_step_1", "kspace_encode_step_2", "slice")
# fmt: off
FIELDS = (
    "flags", "number_of_samples", "active_channels", "discard_pre", "discard_post", "center_sample",
    "encoding_space_ref", "sample_time_us", "position", "read_dir", "phase_dir", "slice_dir", "idx",
)
# fmt: on
MOST_EMPTY = 200
"""Largest plausible ratio of the points of k-space to those measured."""
BLOCK = 512
"""Records read at a time."""


@dataclass(frozen=True)
class Grid:
    """Size and centre of the k-space that records are put into."""

    n_slices: int
    n_coils: int
    readout: int
    phase: int
    line_centre: int
    partition_centre: int | None = None
    """Central index of the second phase encode in a 3-D acquisition, where partitions count as slices."""


def read_ismrmrd(path: Path, budget: int | None = None) -> Scan:
    """Read Cartesian raw data: slices, or a 3-D volume, which is turned into slices across its readout.

    Noise records give `noise`, scaled to the bandwidth of the imaging lines. Lines for calibration only give
    `calibration`, or belong to k-space where the header calls them embedded. Averages are averaged; of
    contrasts, phases, repetitions and sets the first is kept. Readout oversampling stays.

    Raises
    ------
    InputError
        If the file is damaged, or not Cartesian raw data.
    """
    notes: list[str] = []
    with opened(path) as file:
        group = _group(file, path, notes)
        text_data, records = dataset(group, "xml", path), dataset(group, "data", path)
        if text_data is None or records is None or records.ndim != 1 or records.dtype.names is None:
            raise InputError(f"{path}: no list of acquisitions in {group.name}/data; expected ISMRMRD raw data")
        if not {"head", "data"} <= set(records.dtype.names):
            raise InputError(f"{path}: {group.name}/data has no head and data; expected ISMRMRD raw data")
        text = read_text(text_data, "xml", path)
        header = parse_header(text, path)
        if header.trajectory not in (None, "cartesian", "epi"):
            raise InputError(f"{path}: trajectory is {header.trajectory}; expected cartesian")
        check_size(path, f"{group.name}/data", records.shape, records.dtype.itemsize, budget)
        head = records.fields("head")[:]
        _check_fields(head, path)
        kinds = _kinds(head, header, path, notes)
        grid = _grid(head[kinds == "image"], header, path, notes)
        shape = (grid.n_slices, grid.n_coils, grid.readout, grid.phase)
        check_size(path, "k-space", shape, 8, budget)
        measured = int(head["number_of_samples"][kinds == "image"].astype(np.int64).sum()) * grid.n_coils
        if np.prod(shape, dtype=float) > MOST_EMPTY * measured:
            raise InputError(
                f"{path}: header and counters ask for k-space of {list(shape)}, but only {measured} points were "
                "measured; the file is damaged: convert the raw data again"
            )
        kspace, count = _fill(records, head, np.flatnonzero(kinds == "image"), grid, path, notes)
        calibration = None
        if (kinds == "calibration").any() and grid.partition_centre is not None:
            notes.append("the separate calibration lines of a 3-D acquisition were left out")
        elif (kinds == "calibration").any():
            # What is calibration and image at once lies between the lines for calibration only.
            chosen = (kinds == "calibration") | ((kinds == "image") & _flagged(head, CALIBRATION_AND_IMAGING))
            lines, filled = _fill(records, head, np.flatnonzero(chosen), grid, path, notes)
            calibration = _calibration(lines, filled, notes)
        noise = _noise(records, head, kinds, header, count, grid, path, notes)
        geometry = _geometry(head[kinds == "image"], header)
    if grid.partition_centre is not None:
        notes.append("a 3-D acquisition: transformed along the readout, whose positions are the slices")
        check_values(kspace, path)
        kspace, header, geometry = to_slices(kspace, header, geometry)
    return assemble(
        path,
        "ismrmrd",
        kspace,
        header=header,
        header_text=text,
        noise=noise,
        calibration=calibration,
        geometry=geometry,
        attributes={"patient_id": header.patient} if header.patient else {},
        notes=tuple(notes),
    )


def _group(file: h5py.File, path: Path, notes: list[str]) -> h5py.Group:
    """Return the measurement; of several, `dataset` or else the last, which is the imaging one."""
    found = []
    for name in sorted(file):
        item = member(file, name, path)
        if isinstance(item, h5py.Group) and {"data", "xml"} <= set(item):
            found.append(name)
    if not found:
        raise InputError(f"{path}: no group with data and xml; expected ISMRMRD raw data")
    chosen = "dataset" if "dataset" in found else found[-1]
    if len(found) > 1:
        notes.append(f"the file holds the measurements {', '.join(found)}; {chosen} was read")
    return file[chosen]


def _check_fields(head: NDArray[Any], path: Path) -> None:
    """Refuse records without the fields that the format has."""
    missing = set(FIELDS) - set(head.dtype.names or ())
    if not missing:
        missing = {*COUNTERS, *PLACES} - set(head["idx"].dtype.names or ())
    if missing or head["flags"].dtype.kind != "u":
        raise InputError(
            f"{path}: the records have no {', '.join(sorted(missing)) or 'whole-number flags'}; "
            "expected ISMRMRD acquisition headers"
        )


def _flagged(head: NDArray[Any], flag: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (head["flags"] >> np.uint64(flag - 1)) & np.uint64(1) == 1
    return found


def _kinds(head: NDArray[Any], header: Header, path: Path, notes: list[str]) -> NDArray[np.str_]:
    """Say what each record is: `image`, `calibration`, `noise` or `skipped`."""
    kinds: NDArray[np.str_] = np.full(len(head), "image", dtype="U11")
    both = _flagged(head, CALIBRATION_AND_IMAGING)
    only = _flagged(head, CALIBRATION) & ~both
    if only.any() and header.calibration_mode == "embedded":
        notes.append(f"{int(only.sum())} embedded calibration lines are part of k-space")
    elif only.any():
        kinds[only] = "calibration"
    for flag, what in SKIPPED.items():
        chosen = _flagged(head, flag)
        if chosen.any():
            kinds[chosen] = "skipped"
            notes.append(f"{int(chosen.sum())} {what} records were left out")
    kinds[_flagged(head, NOISE)] = "noise"
    image = kinds == "image"
    spaces = head["encoding_space_ref"]
    other = image & (spaces != 0) if (spaces[image] == 0).any() else np.zeros_like(image)
    if other.any():
        kinds[other] = "skipped"
        notes.append(f"{int(other.sum())} records of another encoding were left out")
    image = kinds == "image"
    for kind, name in product(("image", "calibration"), COUNTERS):
        chosen = kinds == kind
        values = np.unique(head["idx"][name][chosen])
        if len(values) > 1:
            kinds[chosen & (head["idx"][name] != values[0])] = "skipped"
            what = " of the calibration lines" if kind == "calibration" else ""
            notes.append(f"the first of {len(values)} of the counter {name}{what} was kept")
    if not (kinds == "image").any():
        raise InputError(f"{path}: no imaging record among {len(head)}; expected lines of k-space")
    return kinds


def _grid(image: NDArray[Any], header: Header, path: Path, notes: list[str]) -> Grid:
    """Size of k-space from the header, or from the records where these need more."""
    coils = np.unique(image["active_channels"])
    if len(coils) != 1 or not 1 <= coils[0] <= MOST_COILS:
        raise InputError(f"{path}: active_channels is {coils[:8].tolist()}; expected one number of coils")
    used = image["number_of_samples"].astype(int) - image["discard_pre"] - image["discard_post"]
    if used.min() < 1:
        raise InputError(f"{path}: a record keeps {used.min()} samples; expected at least one")
    readout, phase = (header.encoded or (int(used.max()), 0))[:2]
    if used.max() > readout:
        notes.append(f"the header says {readout} readout samples, the records have {used.max()}")
        readout = int(used.max())
    steps = image["idx"]["kspace_encode_step_1"].astype(int)
    centre = header.lines[2] if header.lines else (phase or steps.max() + 1) // 2
    need = 2 * max(centre - int(steps.min()), int(steps.max()) - centre + 1)
    if phase == 0 or need - 1 > phase:
        if phase:
            notes.append(f"the header says {phase} lines, the records need {need}")
        phase = need
    slices, partitions = image["idx"]["slice"], image["idx"]["kspace_encode_step_2"].astype(int)
    n_slices = int(slices.max()) + 1
    if partitions.min() != partitions.max():
        if n_slices > 1:
            raise InputError(f"{path}: slice and kspace_encode_step_2 both vary; expected one slab or slices")
        n_partitions = max((header.encoded or (0, 0, 0))[2], int(partitions.max()) + 1)
        middle = header.partitions[2] if header.partitions else n_partitions // 2
        return Grid(n_partitions, int(coils[0]), readout, phase, centre, middle)
    missing = sorted(set(range(n_slices)) - set(np.unique(slices).tolist()))
    if missing:
        raise InputError(f"{path}: slices {missing[:8]} of {n_slices} have no record; the scan is incomplete")
    return Grid(n_slices, int(coils[0]), readout, phase, centre)


def _samples(
    records: h5py.Dataset, head: NDArray[Any], chosen: NDArray[np.intp], path: Path
) -> Iterator[tuple[int, NDArray[np.complex64]]]:
    """Index and samples [coil, sample] of each chosen record, read in blocks."""
    for start in range(0, len(head), BLOCK):
        inside = chosen[(chosen >= start) & (chosen < start + BLOCK)]
        if len(inside) == 0:
            continue
        block = records.fields("data")[inside[0] : inside[-1] + 1]
        for index in inside:
            coils, samples = int(head["active_channels"][index]), int(head["number_of_samples"][index])
            values = np.asarray(block[index - inside[0]])
            if values.dtype != np.float32 or values.size != 2 * coils * samples:
                raise InputError(
                    f"{path}: record {index} holds {values.size} numbers; expected 2 x {coils} coils x "
                    f"{samples} samples; the file is damaged: convert the raw data again"
                )
            yield int(index), values.view(np.complex64).reshape(coils, samples)


def _fill(
    records: h5py.Dataset,
    head: NDArray[Any],
    chosen: NDArray[np.intp],
    grid: Grid,
    path: Path,
    notes: list[str],
) -> tuple[NDArray[np.complex64], NDArray[np.int32]]:
    """Put records into k-space; what was measured several times is averaged.

    Returns
    -------
    kspace
        [slice, coil, readout, phase_encode].
    count
        Times measured, [slice, phase_encode].
    """
    kspace: NDArray[np.complex64] = np.zeros((grid.n_slices, grid.n_coils, grid.readout, grid.phase), np.complex64)
    count: NDArray[np.int32] = np.zeros((grid.n_slices, grid.phase), np.int32)
    moved = outside = 0
    for index, samples in _samples(records, head, chosen, path):
        one = head[index]
        n = samples.shape[1]
        pre, stop = int(one["discard_pre"]), n - int(one["discard_post"])
        kept, centre = samples[:, pre:stop], int(one["center_sample"]) - pre
        if _flagged(head[index : index + 1], REVERSE)[0]:
            kept, centre = kept[:, ::-1], kept.shape[1] - 1 - centre
        wanted = grid.readout // 2 - centre
        start = min(max(wanted, 0), grid.readout - kept.shape[1])
        # One sample is the usual disagreement on where an even readout has its centre.
        moved += abs(wanted - start) > 1
        line = grid.phase // 2 + int(one["idx"]["kspace_encode_step_1"]) - grid.line_centre
        where = int(one["idx"]["slice"])
        if grid.partition_centre is not None:
            where = grid.n_slices // 2 + int(one["idx"]["kspace_encode_step_2"]) - grid.partition_centre
        if not 0 <= line < grid.phase or not 0 <= where < grid.n_slices or samples.shape[0] != grid.n_coils:
            outside += 1
            continue
        with np.errstate(invalid="ignore", over="ignore"):  # found by the checks of values
            kspace[where, :, start : start + kept.shape[1], line] += kept
        count[where, line] += 1
    if moved:
        notes.append(f"center_sample of {moved} records lies outside the readout; they were moved inside")
    if outside:
        notes.append(f"{outside} records lie outside k-space or have other coils and were left out")
    most = int(count.max())
    if most > 1:
        notes.append(f"lines measured up to {most} times were averaged")
        kspace /= np.maximum(count, 1)[:, None, None, :]
    return kspace, count


def _calibration(
    kspace: NDArray[np.complex64], count: NDArray[np.int32], notes: list[str]
) -> NDArray[np.complex64] | None:
    """Cut calibration lines to the contiguous block around the centre, so that the centre is at n // 2."""
    have: NDArray[np.bool_] = np.asarray((count > 0).all(axis=0))
    middle = have.size // 2
    below, above = have[:middle][::-1], have[middle:]
    low = len(below) if below.all() else int(below.argmin())
    high = len(above) if above.all() else int(above.argmin())
    half = min(low, high)
    if half < 2:
        notes.append("the calibration lines do not cover the centre of every slice and were left out")
        return None
    return np.ascontiguousarray(kspace[..., middle - half : middle + half])


def _noise(
    records: h5py.Dataset,
    head: NDArray[Any],
    kinds: NDArray[np.str_],
    header: Header,
    count: NDArray[np.int32],
    grid: Grid,
    path: Path,
    notes: list[str],
) -> NDArray[np.complex64] | None:
    """Noise samples [coil, sample] in the unit of k-space.

    Variance goes with the bandwidth, so samples are scaled by the square root of noise dwell time over imaging
    dwell time, over the receiver's relative noise bandwidth; averaging lowers it further.
    """
    chosen = np.flatnonzero((kinds == "noise") & (head["active_channels"] == grid.n_coils))
    if (left := int((kinds == "noise").sum()) - len(chosen)) > 0:
        notes.append(f"{left} noise records have another number of coils and were left out")
    if len(chosen) == 0:
        return None
    blocks = []
    for index, samples in _samples(records, head, chosen, path):
        dwell = float(head["sample_time_us"][index])
        imaging = float(head["sample_time_us"][kinds == "image"][0])
        ratio = dwell / imaging if dwell > 0 and imaging > 0 else 1.0
        if ratio == 1.0 and not (dwell > 0 and imaging > 0):
            notes.append("sample_time_us is missing; noise is taken at the bandwidth of the imaging lines")
        with np.errstate(invalid="ignore", over="ignore"):  # checked below
            blocks.append(samples * np.float32(np.sqrt(ratio)))
    noise = np.concatenate(blocks, axis=1)
    scale = 1.0
    if header.noise_bandwidth is not None and 0.1 < header.noise_bandwidth <= 1:
        scale /= np.sqrt(header.noise_bandwidth)
    times = count[count > 0]
    if times.max() > 1:
        scale /= np.sqrt(float(np.median(times)))
        if times.min() != times.max():
            notes.append("lines were averaged unevenly; the noise level holds for the usual line")
    if not np.isfinite(noise.view(np.float32)).all() or not noise.any():
        notes.append("the noise records are zero or not finite and were left out")
        return None
    scaled: NDArray[np.complex64] = (noise * np.float32(scale)).astype(np.complex64)
    return scaled


def _geometry(image: NDArray[Any], header: Header) -> Geometry:
    """Directions and slice centres from the records (patient coordinates, LPS)."""

    def unit(name: str) -> tuple[float, float, float] | None:
        vector = image[name][0].astype(float)
        length = np.linalg.norm(vector)
        if not np.isfinite(length) or abs(length - 1) > 0.01:
            return None
        return (float(vector[0]), float(vector[1]), float(vector[2]))

    slices = image["idx"]["slice"]
    _, firsts = np.unique(slices, return_index=True)
    centres = image["position"][firsts].astype(float)
    normal, voxel = unit("slice_dir"), header.voxel_size
    known = normal is not None and bool(np.isfinite(centres).all())
    gap = 0.0
    if known and voxel is not None and len(centres) > 1:
        gap = max(abs(float((centres[1] - centres[0]) @ np.asarray(normal))) - voxel[2], 0.0)
    return Geometry(
        voxel_size=voxel,
        slice_gap=gap,
        read_direction=unit("read_dir"),
        phase_direction=unit("phase_dir"),
        slice_direction=normal,
        positions=tuple((float(x), float(y), float(z)) for x, y, z in centres) if known else (),
    )
