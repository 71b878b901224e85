"""`read_scan`: any scan, recognised by what is in the file and not by its name."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import h5py

from rsd_mri.errors import InputError
from rsd_mri.files.below import files_below, require_readable
from rsd_mri.scan.answers import NONE, Answers
from rsd_mri.scan.arrays import read_along, read_cfl, read_npy
from rsd_mri.scan.beside import noise_array, with_calibration, with_noise
from rsd_mri.scan.fastmri import read_fastmri
from rsd_mri.scan.hdf5 import member, opened
from rsd_mri.scan.hdf5_arrays import foreign_kspace, in_two, kspace_names, read_hdf5_array
from rsd_mri.scan.inspection import Inspection, inspect_scans
from rsd_mri.scan.matlab import read_matlab
from rsd_mri.scan.mrd import holds_records, mrd_noise, read_ismrmrd
from rsd_mri.scan.records import Records, noisiest
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.twix import looks_like_twix, read_twix, twix_measurements

SUFFIXES = (".h5", ".hdf5", ".mrd", ".ismrmrd", ".npy", ".cfl", ".mat", ".dat")
READERS: dict[str, Callable[[Path, int | None, str | None], tuple[Scan, ...]]] = {
    "fastmri": read_fastmri,
    "hdf5": read_hdf5_array,
    "matlab": read_matlab,
    "npy": read_npy,
    "cfl": read_cfl,
}
"""Of formats of arrays: path, budget and the names of the axes, where they were asked for."""
SIGNATURES = {b"\x93NUMPY": "npy", b"MATLAB 5.0": "matlab"}
"""First bytes of a file to its format; HDF5, cfl and Siemens raw data are looked into."""
ALONG = ("npy", "cfl")
"""Formats that take a trajectory from another file."""
STREAMED = {"fastmri": read_fastmri}
"""Of these the ones that can leave k-space in its file."""
RECORD_READERS = {"ismrmrd": read_ismrmrd, "twix": read_twix}
"""Of formats of records: path, budget, the measurement to take noise from, where one was named, and `streamed`."""
WITHOUT_KSPACE = (
    "without raw k-space; export the raw data from the scanner and convert it to ISMRMRD "
    "(siemens_to_ismrmrd, ge_to_ismrmrd or philips_to_ismrmrd)"
)
ACCEPTED = "fastMRI HDF5, ISMRMRD HDF5, Siemens .dat, BART cfl/hdr, MATLAB or .npy k-space"
PHILIPS = (".raw", ".lab", ".sin", ".list", ".data")
CONVERTERS = {
    "GE": "ge_to_ismrmrd (or GE's Orchestra)",
    "Philips": "philips_to_ismrmrd",
    "Bruker": "bruker_to_ismrmrd (or brukerapi in Python)",
}


def recognise(path: str | Path) -> str:
    """Return the format of a file, by which its reader is found.

    Raises
    ------
    InputError
        If there is no such file or it is not raw k-space; the sentence says what to do with it.
    """
    path = Path(path)
    if path.suffix in (".cfl", ".hdr", "") and path.with_suffix(".cfl").is_file():
        return "cfl"
    if path.is_dir():
        require_readable(path)
        if _dicom_images(path):
            raise InputError(f"{path}: holds DICOM images, {WITHOUT_KSPACE}")
        if any((path / name).is_file() for name in ("acqp", "method", "subject")):
            raise InputError(f"{path}: is a folder of Bruker's ParaVision; convert it with {CONVERTERS['Bruker']}")
        raise InputError(
            f"{path}: is a folder; expected one scan ({ACCEPTED}): name the files in it; 'rsd-mri prep' takes folders"
        )
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if not start:
        raise InputError(f"{path}: the file is empty; copy or download it again")
    if start.startswith(b"\x89HDF\r\n\x1a\n") or h5py.is_hdf5(path):
        return _recognise_hdf5(path)
    for signature, form in SIGNATURES.items():
        if start.startswith(signature):
            return form
    if looks_like_twix(path):
        return "twix"
    raise InputError(f"{path}: {_foreign(start, path)}")


def _recognise_hdf5(path: Path) -> str:
    with opened(path) as file:
        names = set(file)
        if {"kspace", "csm"} <= names:
            raise InputError(f"{path}: is already prepared (it has csm); expected the raw scan it came from")
        if "kspace" in names:
            return "hdf5" if foreign_kspace(file, path) else "fastmri"
        for name in sorted(names):
            if holds_records(member(file, name, path)):
                return "ismrmrd"
        if names & {"reconstruction", "reconstruction_rss", "images"}:
            raise InputError(f"{path}: holds images and no kspace; expected raw k-space")
        if {"ScanArchive", "DownloadData", "OrchestraVersion"} & names:
            raise InputError(f"{path}: is a GE ScanArchive; convert it with {CONVERTERS['GE']}")
        if kspace_names(file, path) or in_two(file, path) is not None:
            return "hdf5"
        raise InputError(f"{path}: {_without_scan(file, path)}")


def _without_scan(file: h5py.File, path: Path) -> str:
    """Say what an HDF5 file without a scan at its top holds: that of its groups, if it tells more."""
    for name in sorted(file):
        group = member(file, name, path)
        if not isinstance(group, h5py.Group):
            continue
        for inner in sorted(group):
            if not isinstance(group.get(inner, getlink=True), h5py.HardLink):
                continue
            if isinstance(group[inner], h5py.Group) and {"data", "header"} <= set(group[inner]):
                return f"holds images of ISMRMRD ({name}/{inner}) and no acquisitions; expected raw k-space"
        if nested := kspace_names(group, path):
            return (
                f"has no kspace at its top, but {name}/{nested[0]} may be it: save that alone, as kspace of another "
                "HDF5 file or as .npy"
            )
    found = ", ".join(sorted(file)[:8]) or "nothing"
    return f"has neither kspace (fastMRI) nor a group with data and xml (ISMRMRD), but {found}"


def _foreign(start: bytes, path: Path) -> str:
    """Say what a file that is not a scan is, and what to run."""
    if start[128:132] == b"DICM":
        return f"is a DICOM image, {WITHOUT_KSPACE}"
    if start.startswith(b"yardl"):
        return (
            "is a stream of MRD version 2; run mrd_to_ismrmrd "
            f"< {path.name} | ismrmrd_stream_to_hdf5 --use-stdin -o SCAN.h5"
        )
    if b"ismrmrdHeader" in start:
        return (
            f"is an MRD stream, not HDF5; run ismrmrd_stream_to_hdf5 -i {path.name} -o SCAN.h5 (from the ISMRMRD tools)"
        )
    if path.name == "2dseq":
        return f"holds images of Bruker; expected raw data: convert fid or rawdata.job0 with {CONVERTERS['Bruker']}"
    for vendor, yes in (
        ("GE", b"GE_MED_NMR" in start[:4096] or path.suffix.lower() == ".7"),
        ("Philips", b"=== DATA DESCRIPTION FILE" in start[:512] or path.suffix.lower() in PHILIPS),
        ("Bruker", b"##ORIGIN=Bruker" in start or path.name in ("fid", "ser", "rawdata.job0")),
    ):
        if yes:
            return f"looks like raw data of {vendor}; convert it with {CONVERTERS[vendor]}"
    if start.startswith(b"PK\x03\x04") and b"/data.pkl" in start[:256]:
        return "is a file of PyTorch, which may hold programs and is not opened; save the k-space as .npy: numpy.save"
    if start.startswith(b"PK\x03\x04"):
        return "is a zip or .npz archive; unpack it and give the .npy inside"
    if start[344:347] in (b"n+1", b"ni1") or start.startswith(b"\x1f\x8b"):
        return "holds images or is compressed; expected raw k-space, unpacked"
    if path.suffix.lower() == ".dat":
        return "is named like Siemens raw data, but does not begin so; export the raw data (twix) again"
    return f"is of no known format; expected {ACCEPTED}"


def _dicom_images(folder: Path) -> bool:
    """Whether DICOM images are among the first files of a folder and below."""
    for path in islice((p for p in folder.rglob("*") if p.is_file()), 200):
        with path.open("rb") as file:
            if file.read(132)[128:] == b"DICM":
                return True
    return False


def read_scans(
    path: str | Path, budget: int | None = None, answers: Answers = NONE, *, streamed: bool = False
) -> tuple[Scan, ...]:
    """Read every frame of every stack of slices of a file, in any format that `recognise` knows.

    Parameters
    ----------
    path
        The file; for BART either of the two, or their common name.
    budget
        Bytes the k-space may take at most; by default half of the machine's memory.
    answers
        What the user says of it: the axes of an array, where noise and calibration are.
    streamed
        K-space of a large scan may stay in its file, from which its slices are read whenever they are asked for.

    Returns
    -------
    tuple of Scan
        Frames (contrasts, phases, repetitions, sets) of the first stack (slices of one orientation, or a slab), then
        those of the next; with every repair and every conflict found in `notes`.

    Raises
    ------
    InputError
        If the file is not a whole, usable scan. One sentence names file, field and what was expected.
    """
    path = Path(path)
    form = recognise(path)
    if answers.trajectory is not None and form not in ALONG:
        raise InputError(f"{path}: is {form}, which holds its trajectory itself; leave --trajectory out")
    noise = None if answers.noise is None else noise_measurement(answers.noise, budget)
    if form in RECORD_READERS:
        if answers.axes is not None:
            raise InputError(f"{path}: its records name their axes themselves; leave --axes out")
        scans = RECORD_READERS[form](path, budget, noise, streamed)
    else:
        if answers.trajectory is not None:
            scans = read_along(path, form, answers.trajectory, budget)
        elif form in STREAMED and streamed:
            scans = STREAMED[form](path, budget, answers.axes, True)
        else:
            scans = READERS[form](path, budget, answers.axes)
        scans = scans if noise is None else with_noise(scans, noise)
    if answers.calibration is None:
        return scans
    return with_calibration(scans, read_scans(answers.calibration, budget))


def noise_measurement(path: Path, budget: int | None = None) -> Records:
    """Records that noise is taken from: of raw data, or an array [coil, sample].

    Raises
    ------
    InputError
        If the file holds neither.
    """
    form = recognise(path)
    if form == "npy":
        return noise_array(path, budget)
    if form not in RECORD_READERS:
        raise InputError(f"{path}: is {form}; expected noise in ISMRMRD or Siemens raw data, or .npy [coil, sample]")
    if form == "twix":
        return noisiest(twix_measurements(path, budget))
    return mrd_noise(path, budget)


def read_scan(path: str | Path, budget: int | None = None, answers: Answers = NONE) -> Scan:
    """Read the first frame of the first stack of a file; a note says what else there is. See `read_scans`.

    Raises
    ------
    InputError
        As `read_scans`.
    """
    first, *others = read_scans(path, budget, answers)
    if not others:
        return first
    stacks = len({scan.stack for scan in (first, *others)})
    names = ", ".join(first.frame) or "stack"
    note = (
        f"the first of {len(others) + 1} volumes of the file is shown ({stacks} stack{'s' * (stacks > 1)}; "
        f"frames by {names}); read_scans gives all"
    )
    return replace(first, notes=(*first.notes, note))


def inspect(path: str | Path, answers: Answers = NONE) -> Inspection:
    """Read a scan and say what was understood, with what the user says of it.

    Raises
    ------
    InputError
        If the file is not a usable scan; the sentence says why.
    """
    return inspect_scans(read_scans(path, answers=answers))


def _is_file(path: Path) -> bool:
    """Whether there is a file; what may not be looked at counts as one, so that it is reported."""
    try:
        return path.is_file()
    except OSError:
        return True


def find_scans(folder: str | Path) -> list[Path]:
    """List the files of a folder (and below) that are, or are named like, raw scans, sorted.

    A damaged scan is listed too, so that it is reported and not passed over, and so is a folder that cannot be read.
    A path to a file is returned as it is. Hidden files are left out.

    Raises
    ------
    InputError
        If there is nothing there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return [folder.with_suffix(".cfl") if recognise(folder) == "cfl" else folder]
    found = []
    for path in files_below(folder):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_dir():
            found.append(path)
        if hidden or path.suffix == ".hdr" or not _is_file(path):
            continue
        try:
            with path.open("rb") as file:
                start = file.read(132)
        except OSError:  # said when it is read
            start = b""
        known = start.startswith((b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"MATLAB "))
        if path.suffix.lower() in SUFFIXES or known:
            found.append(path)
    if not found:
        if _dicom_images(folder):
            raise InputError(f"{folder}: holds DICOM images, {WITHOUT_KSPACE}")
        raise InputError(f"{folder}: holds no scan; expected {ACCEPTED}")
    return found
