"""One scan -> one prepared file."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from data_prep.manifest import SliceStatus, VolumeEntry
from rsd_mri.about import __version__
from rsd_mri.errors import InputError
from rsd_mri.files import sha256
from rsd_mri.files.hdf5 import written_hdf5
from rsd_mri.files.trouble import refused
from rsd_mri.machine.evenly import evenly
from rsd_mri.preparation import calibrate_volume, prepare_slice
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.preparation.quality import MAX_SLICES, picture_of_maps
from rsd_mri.protocol import PrepSettings, Protocol
from rsd_mri.scan import Scan, read_scan
from rsd_mri.scan.answers import NONE, Answers
from rsd_mri.scan.hdf5 import opened
from rsd_mri.scan.patterns import settings_for_size
from rsd_mri.scan.reading import recognise
from rsd_mri.scan.sampling import MIN_CENTRE

LAYOUT = 1
"""Raised when the content of prepared files changes, so that old ones are made again."""
VALIDATION_SHARE = 0.1
FAILURES = (InputError, OSError, MemoryError, RuntimeError, ValueError, np.linalg.LinAlgError)
"""What one bad scan may raise; it is listed and the others go on."""


def prep_hash(protocol: Protocol, answers: Answers = NONE) -> str:
    """SHA-256 of the settings that decide what is in a prepared file, and of what the user said of the scan."""
    values: dict[str, object] = {"layout": LAYOUT, "prep": asdict(protocol.prep), "mask": asdict(protocol.mask)}
    if answers != NONE:
        files = [path for path in (answers.noise, answers.calibration) if path is not None]
        values["answers"] = [answers.axes, *(_hash(path) for path in files if path.is_file())]
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def settings_for_scan(protocol: Protocol, scan: Scan) -> PrepSettings:
    """Preparation settings for a scan.

    In `measured` mode a fully sampled scan is calibrated on no more centre lines than the protocol's masks
    keep: training will undersample it, and its maps and scale may use nothing that was then not acquired. Where masks
    keep fewer than `MIN_CENTRE` (small matrices), it is calibrated on so many all the same: none could be learned.

    Raises
    ------
    InputError
        If the scan is not Cartesian.
    """
    if scan.trajectory is not None:
        raise InputError(
            f"{scan.source}: is along a trajectory; training reads Cartesian scans only; take 'rsd-mri recon'"
        )
    if protocol.prep.mode != "measured" or scan.mask_source != "full":
        return protocol.prep
    acs = settings_for_size(protocol.mask, scan.size[1]).acs_lines or MIN_CENTRE
    return replace(protocol.prep, calib_width=max(min(protocol.prep.calib_width, acs), MIN_CENTRE))


def split_of(patient: str) -> str:
    """Return `train` or `val`, by the hash of a patient: all scans of a patient fall on the same side."""
    draw = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") / 2**64
    return "val" if draw < VALIDATION_SHARE else "train"


def existing(target: Path, source: Path, protocol: Protocol, answers: Answers = NONE) -> VolumeEntry | None:
    """Return the entry of a prepared file that is up to date, its picture beside it, or None if it has to be made.

    The scan's content counts, not its date; it is hashed again only where date or size differ.
    """
    if not target.is_file() or not target.with_suffix(".png").is_file():
        return None
    try:
        with opened(target) as file:
            attributes = dict(file.attrs)
    except InputError:
        return None  # damaged: it is made again
    if attributes.get("prep_hash") != prep_hash(protocol, answers) or "entry" not in attributes:
        return None
    stat = source.stat()
    seen = (attributes.get("source_size"), attributes.get("source_time"))
    if seen != (stat.st_size, stat.st_mtime_ns) and attributes.get("source_hash") != _hash(source):
        return None
    values = json.loads(attributes["entry"])
    slices = tuple(SliceStatus(**s) for s in values.pop("slices"))
    return VolumeEntry(slices=slices, notes=tuple(values.pop("notes")), **values)


def prepare_volume(
    source: Path, name: str, out: Path, output: str, protocol: Protocol, answers: Answers = NONE
) -> VolumeEntry:
    """Prepare one scan, or find that it is done already.

    Parameters
    ----------
    source
        The scan.
    name
        What the manifest calls it.
    out, output
        The output folder, and the prepared file in it.
    protocol
        `protocol.prep` and `protocol.mask` are what counts; the whole is stored.
    answers
        What the user says of the scan.

    Returns
    -------
    VolumeEntry
        A scan that cannot be prepared gives an entry with status `failed` and the reason; nothing is raised
        for it.
    """
    try:
        entry = existing(out / output, source, protocol, answers)
        return entry if entry is not None else _prepare(source, name, out / output, output, protocol, answers)
    except FAILURES as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        if isinstance(error, OSError):
            reason = refused(error) or reason
        return VolumeEntry(name, output, "failed", " ".join(reason.split()), made_now=True)


def _notes_of(scan: Scan) -> tuple[str, ...]:
    """What its reader said, and what preparation leaves out."""
    if scan.segments is None:
        return scan.notes
    return (*scan.notes, "all segments of lines are taken as one: only reconstruction looks for motion between them")


def _prepare(source: Path, name: str, target: Path, output: str, protocol: Protocol, answers: Answers) -> VolumeEntry:
    recognise(source)  # what is no scan is not read to the end for its hash
    stat, digest = source.stat(), _hash(source)
    scan = read_scan(source, answers=answers)
    patient = str(scan.attributes.get("patient_id") or source.name)
    statuses: list[SliceStatus] = []
    with written_hdf5(target) as file:
        last, shown, wanted = None, {}, _pictured(scan)
        for row, (index, last) in enumerate(_slices(scan, settings_for_scan(protocol, scan), statuses)):
            _append(file, row, index, last, scan.n_slices)
            if index in wanted:
                shown[index] = last
        if last is None:
            raise InputError(f"{source}: no slice could be prepared; {statuses[0].reason}")
        picture = Path(output).with_suffix(".png")
        entry = VolumeEntry(
            name, output, "done", "", picture.as_posix(), digest, split_of(patient), tuple(statuses), _notes_of(scan),
            made_now=True,
        )  # fmt: skip
        if not scan.mask.all():
            file.create_dataset("mask", data=last.mask, fletcher32=True, chunks=last.mask.shape)
        file.create_dataset("back", data=last.back)
        kept = asdict(entry)
        del kept["made_now"]
        _write_attributes(file, scan, last, protocol, answers)
        file.attrs.update(
            entry=json.dumps(kept),
            source=source.name,
            source_hash=digest,
            source_size=stat.st_size,
            source_time=stat.st_mtime_ns,
            patient=hashlib.sha256(patient.encode()).hexdigest()[:16],
            split=entry.split,
        )
        # Before the prepared file gets its name: where that is, the picture is.
        picture_of_maps(list(shown.values()), target.with_suffix(".png"), name, list(shown))
    return entry


def _pictured(scan: Scan) -> set[int]:
    """Slices shown in the picture of the maps: few and evenly spread, of those that hold signal."""
    filled = [index for index, one in enumerate(scan.kspace) if one.any()]
    return {filled[i] for i in evenly(len(filled), MAX_SLICES)}


def _slices(scan: Scan, settings: PrepSettings, statuses: list[SliceStatus]) -> Iterator[tuple[int, PreparedSlice]]:
    """Prepare slice after slice, noting in `statuses` what became of each."""
    volume = calibrate_volume(scan, settings)
    for index in range(scan.n_slices):
        if not scan.kspace[index].any():
            statuses.append(SliceStatus(index, "skipped", "k-space holds zeros only"))
            continue
        try:
            one = prepare_slice(scan, index, settings, volume)
            if not np.isfinite(one.kspace).all() or not np.isfinite(one.csm).all():
                raise InputError("the prepared arrays are not finite")
            if not one.csm.any():
                raise InputError("the maps are zero everywhere; there is no signal to calibrate them on")
        except FAILURES as error:
            statuses.append(SliceStatus(index, "failed", " ".join(str(error).split())))
            continue
        statuses.append(SliceStatus(index, "done"))
        yield index, one


def _append(file: h5py.File, row: int, index: int, one: PreparedSlice, n_slices: int) -> None:
    """Add a slice to the growing data sets, so that only one is held in memory."""
    arrays: dict[str, NDArray[Any]] = {
        "kspace": one.kspace,
        "csm": one.csm,
        "image": one.image,
        "slice_index": np.asarray(index, np.int32),
    }
    for name, array in arrays.items():
        if name not in file:
            file.create_dataset(
                name,
                shape=(0, *array.shape),
                maxshape=(n_slices, *array.shape),
                chunks=(1, *array.shape) if array.ndim else (n_slices,),
                dtype=array.dtype,
                fletcher32=True,
            )
        file[name].resize(row + 1, axis=0)
        file[name][row] = array


def _write_attributes(file: h5py.File, scan: Scan, one: PreparedSlice, protocol: Protocol, answers: Answers) -> None:
    """Write what is the same for all slices of a volume."""
    file.attrs.update(
        scale=one.scale,
        sigma=one.sigma,
        energy_kept=one.energy_kept,
        image_size=one.image_size,
        acs=one.acs,
        calib_width=one.calib_width,
        noise_source=one.noise_source,
        sets_reason=one.sets_reason,
        mask_source=scan.mask_source,
        realised_acceleration=scan.realised_acceleration,
        format=scan.format,
        mode=protocol.prep.mode,
        seed=protocol.seed,
        protocol=protocol.to_yaml(),
        protocol_hash=protocol.hash,
        prep_hash=prep_hash(protocol, answers),
        version=__version__,
        not_for_diagnostic_use=True,
    )


def _hash(source: Path) -> str:
    """SHA-256 of a scan: of BART's two files, the one with the data."""
    return sha256(source.with_suffix(".cfl") if source.suffix == ".hdr" else source)
