"""`prepare_folder`: a folder of raw scans -> prepared files, on one machine, a cluster, or a job array."""

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from data_prep.manifest import Manifest, VolumeEntry, write_manifest
from data_prep.volume import existing, prep_hash, prepare_volume
from rsd_mri.errors import InputError
from rsd_mri.files import remove_leftovers, require_writable, write_json
from rsd_mri.files.claims import claimed, require_unclaimed
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.machine.one_thread import one_thread
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import key
from rsd_mri.machine.workers import Lost, checked_shard, run_jobs
from rsd_mri.protocol import Protocol
from rsd_mri.scan import find_scans
from rsd_mri.scan.answers import NONE, Answers
from rsd_mri.scan.arrays import UNREADABLE

Job = tuple[Path, str, Path, str, Protocol, Answers]

OVERHEAD = 740 << 20
"""Memory of a worker beside its scan: libraries and the picture of the maps [bytes]."""
COPIES = 1.75
"""Times the k-space of a scan is held at most."""
UNKNOWN_SLICE = (512, 512)
"""(readout, phase_encode) taken for a file that does not say it at a glance."""


def prepare_folder(
    source: str | Path,
    out: str | Path | None,
    protocol: Protocol,
    workers: int = 1,
    scheduler: str | None = None,
    shard: tuple[int, int] | None = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
    answers: Answers = NONE,
) -> Manifest:
    """Prepare every scan of a folder. What is done already and has not changed is left as it is.

    Parameters
    ----------
    source
        A folder of scans, or one scan.
    out
        Where the prepared files, `manifest.json` and `split.json` go; `source` + `-prepared` by default.
    protocol
        `protocol.prep` says how; `protocol.mask` bounds the calibration of fully sampled scans.
    workers
        Processes, each with one scan in memory.
    scheduler
        Address of a dask scheduler whose workers see the same files; then `workers` is not used.
    shard
        (i, n) with 1 <= i <= n: only the i-th of n parts, for job arrays. The parts are disjoint, may run at
        the same time, and together give what one run gives.
    dry_run
        Write nothing; say what would be done and how much memory it takes.
    progress
        Told the share done and the scan's name after each scan.
    answers
        What the user says of all the scans: axes of arrays, where noise and calibration are.

    Returns
    -------
    Manifest
        One entry for each scan and one status for each slice; it does not depend on the order of the work.

    Raises
    ------
    InputError
        If there is no scan, the options do not fit, or another command prepares into the folder. A bad scan raises
        nothing: it is listed as failed.
    """
    source, out, jobs = _jobs(Path(source), out, protocol, answers)
    if workers < 1:
        raise InputError(f"--workers {workers}: expected at least 1")
    if shard is not None:
        checked_shard(shard)
        # By name, not by place in the list: a scan added later moves no other scan to another shard.
        jobs = [job for job in jobs if key("shard", job[1]) % shard[1] == shard[0] - 1]
    peak = memory_needed([job[0] for job in jobs], workers, protocol.prep.virtual_coils)
    digest = prep_hash(protocol, answers)
    if dry_run:
        return Manifest(out, tuple(_planned(job) for job in jobs), digest, peak)
    entries: list[VolumeEntry] = []
    name = "manifest.json" if shard is None else f"manifest-{shard[0]}-of-{shard[1]}.json"
    require_writable(out)
    # Parts go side by side; the whole and a part would prepare the same scans.
    require_unclaimed(out, "manifest-*.json" if shard is None else "manifest.json")
    with claimed(out / name):
        remove_leftovers(out)
        try:
            for entry in _run(jobs, workers, scheduler):
                entries.append(entry)
                progress(len(entries) / len(jobs), entry.source)
        finally:  # an interrupted run leaves a true manifest of what it did
            manifest = Manifest(out, tuple(sorted(entries, key=lambda e: e.source)), digest, peak)
            write_manifest(manifest, name)
        _write_split(manifest, name.replace("manifest", "split"))
    return manifest


def _jobs(source: Path, out: str | Path | None, protocol: Protocol, answers: Answers) -> tuple[Path, Path, list[Job]]:
    """List the work, each scan with the name of its prepared file."""
    folder = source if source.is_dir() else source.parent
    base = source if source.is_dir() else source.with_suffix("")
    out = Path(out) if out is not None else base.with_name(base.name + "-prepared")
    # What an earlier run wrote below the folder is no scan.
    made = {out.resolve(), *(path.parent.resolve() for path in folder.rglob("manifest*.json"))}
    scans = [path for path in find_scans(source) if made.isdisjoint(path.resolve().parents)]
    if not scans:
        raise InputError(f"{source}: holds no scan beside what is in {out}; give a folder of raw scans")
    stems = [path.relative_to(folder).with_suffix("").as_posix() for path in scans]
    jobs = []
    for path, stem in zip(scans, stems, strict=True):
        name = path.relative_to(folder).as_posix()
        jobs.append((path, name, out, f"{stem if stems.count(stem) == 1 else name}.h5", protocol, answers))
    return source, out, jobs


def _planned(job: Job) -> VolumeEntry:
    """Return what a dry run says of a scan."""
    path, name, out, output, protocol, answers = job
    entry = existing(out / output, path, protocol, answers)
    if entry is not None:
        return entry
    there = (out / output).exists()
    return VolumeEntry(name, output, "missing", "scan or protocol changed" if there else "")


def memory_needed(scans: list[Path], workers: int, virtual_coils: int) -> int:
    """Estimate the memory of all workers together, from what the files declare [bytes].

    Each holds a scan, and for the slice at work a matrix of virtual coils for every pixel, twice, beside some
    sixteen arrays of the size of its maps.
    """
    needs = []
    for path in scans:
        shape, size = _declared(path)
        coils = min(shape[-3], virtual_coils) if len(shape) > 2 else virtual_coils
        work = 8 * shape[-2] * shape[-1] * (2 * coils**2 + 16 * coils)
        needs.append(int(OVERHEAD + COPIES * size + work))
    return sum(sorted(needs, reverse=True)[:workers])


def _declared(path: Path) -> tuple[tuple[int, ...], int]:
    """Shape of the k-space and its size in memory [bytes]; a usual slice and the file's size where it does not say."""
    size = 0
    try:
        size = path.stat().st_size
        if path.suffix == ".npy":
            shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
            return (shape, math.prod(shape) * 8) if len(shape) > 1 else (UNKNOWN_SLICE, size)
        if h5py.is_hdf5(path):
            with read_hdf5(path) as file:
                kspace = file.get("kspace", getlink=True)
                if isinstance(kspace, h5py.HardLink) and isinstance(file["kspace"], h5py.Dataset):
                    shape = file["kspace"].shape
                    return (shape, math.prod(shape) * 8) if len(shape) > 1 else (UNKNOWN_SLICE, size)
    except (*UNREADABLE, RuntimeError, KeyError):
        pass  # damaged: said when it is read
    return UNKNOWN_SLICE, size


def _run(jobs: list[Job], workers: int, scheduler: str | None) -> Iterator[VolumeEntry]:
    """Work through the jobs and yield what became of them, in any order."""
    for job, outcome in run_jobs(on_one_thread, jobs, workers, scheduler):
        if isinstance(outcome, Lost):
            yield VolumeEntry(job[1], job[3], "failed", outcome.reason, made_now=True)
        else:
            yield outcome


def on_one_thread(job: Job) -> VolumeEntry:
    """Prepare one scan with one thread, in whichever process this is.

    The number of threads changes the last bits of a sum; with one, any number of workers gives the same bits,
    and workers do not compete for the cores.
    """
    with one_thread():
        return prepare_volume(*job)


def _write_split(manifest: Manifest, name: str) -> None:
    """Write which prepared files are for training and which for validation."""
    split: dict[str, list[str]] = {"train": [], "val": []}
    for entry in manifest.entries:
        if entry.status == "done":
            split[entry.split].append(entry.output)
    write_json(manifest.out / name, split)
