"""Reconstruct files and write what was asked for beside them."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.files import require_writable
from rsd_mri.files.claims import claimed
from rsd_mri.files.slices import Spool
from rsd_mri.files.targets import written_apart
from rsd_mri.files.trouble import refused
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.calibration import Calibration
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.intervals import with_interval, with_own_interval
from rsd_mri.reconstruction.memory import ran_out
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.movies import each_frame, reconstruct_frame
from rsd_mri.reconstruction.reconstruct import CPU, reconstruct_scan
from rsd_mri.reconstruction.stress import Stress, stress_of
from rsd_mri.results.delivery import Delivery, deliver_all
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.results.volume import mean_residual
from rsd_mri.scan.answers import NONE, Answers
from rsd_mri.scan.reading import read_scans, recognise

COMPARED = ("cg-sense", "zero-filled")
"""What a page shows beside the method asked for."""


@dataclass(frozen=True)
class Written:
    """One reconstruction that was written."""

    scan: str
    method: str
    acceleration: float
    mask_source: str
    residual: float
    """Mean over the slices that hold data."""
    residual_per_slice: list[float]
    seconds_per_slice: float
    seconds: float
    size: list[int]
    voxel: list[float] | None
    frames: list[dict[str, int]]
    stacks: int
    prior: str | None
    prior_hash: str | None
    seed: int
    checks: dict[str, float]
    notes: list[str]
    files: list[str]

    @classmethod
    def of(cls, path: Path, recs: Sequence[Reconstruction], files: list[Path]) -> "Written":
        """What there is to say of the reconstructions of a scan and their files."""
        rec = recs[0]
        residuals = np.concatenate([np.atleast_1d(one.residual) for one in recs])
        seconds = np.concatenate([np.atleast_1d(one.seconds) for one in recs])
        return cls(
            scan=str(path),
            method=rec.method,
            acceleration=float(np.mean([one.acceleration for one in recs])),
            mask_source=rec.mask_source,
            residual=mean_residual(residuals),
            residual_per_slice=[float(r) for r in residuals],
            seconds_per_slice=float(np.mean(seconds)),
            seconds=float(np.sum(seconds)),
            size=list(rec.magnitude.shape),
            voxel=None if rec.geometry.voxel_size is None else list(rec.geometry.voxel_size),
            frames=[one.frame for one in recs if one.stack == rec.stack],
            stacks=len({one.stack for one in recs}),
            prior=None if rec.prior is None else rec.prior.path,
            prior_hash=None if rec.prior is None else rec.prior.sha256,
            seed=rec.seed,
            checks=rec.checks,
            notes=list(dict.fromkeys(note for one in recs for note in one.notes)),
            files=[str(f) for f in files],
        )

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"{self.scan}: {self.method}, R={self.acceleration:.2f} (mask from {self.mask_source}), "
            f"{self.seconds_per_slice:.2f} s a slice, at most {self.checks['peak_mib']:.0f} MiB of memory, "
            f"residual {self.residual:.2f} of the noise",
            *(f"  {note}" for note in self.notes),
            *(f"  {line}" for line in _listing(self.files)),
        ]


@dataclass
class Delivered:
    """What was written, and what failed."""

    written: list[Written] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    kept: int = 0
    """How many of those written were there already."""

    def add(self, outcome: Written | str) -> None:
        """Note what became of a scan."""
        if isinstance(outcome, str):
            self.failures.append(outcome)
        else:
            self.written.append(outcome)

    def lines(self) -> list[str]:
        """For a person."""
        there = [f"{self.kept} of {len(self.written)} were there already"] if self.kept else []
        return [*(line for one in self.written for line in one.lines()), *there, NOT_FOR_DIAGNOSTIC_USE]

    def as_dict(self) -> dict[str, Json]:
        """For a program."""
        return {
            "reconstructions": [asdict(one) for one in self.written],
            "failures": self.failures,
            "kept": self.kept,
            "not_for_diagnostic_use": True,
        }


@dataclass(frozen=True)
class Task:
    """One scan to be reconstructed, and how: `method`, `seed`, `device`, `held_out`, `adapt` as `reconstruct_scan`."""

    path: Path
    method: Method
    delivery: Delivery
    """What to write, and where."""
    seed: int = 0
    device: torch.device = CPU
    held_out: bool = True
    prep: PrepSettings | None = None
    """How to prepare; the package's settings where None."""
    calibration: Calibration | None = None
    """Of the interval; the package's where None and one fits."""
    answers: Answers = NONE
    """What the user says of the scan: axes of arrays, where noise and calibration are."""
    stress: bool = False
    """Look for the worst change of k-space within the noise, in the middle slice."""
    adapt: bool = False

    @property
    def data(self) -> Path:
        """The file with the samples: of BART's two, the `.cfl`."""
        return self.path.with_suffix(".cfl") if self.path.suffix in ("", ".hdr") else self.path

    @property
    def target(self) -> Path:
        """What the names of all its files begin with."""
        return self.delivery.folder(self.path) / f"{self.path.stem}_recon"


def apart(tasks: Iterable[Task]) -> list[Task]:
    """The tasks, a scan that is named twice only once.

    Raises
    ------
    InputError
        If two scans would be written to the same files.
    """
    return written_apart(tasks, lambda task: task.data, lambda task: task.target)


def reconstruct_files(scans: Sequence[Path], like: Task, progress: Progress = SILENT) -> Delivered:
    """Reconstruct each scan; one that fails does not stop the others.

    Parameters
    ----------
    scans
        Their files.
    like
        How; its path is left out of account.
    progress
        Told the share done and the scan's name.

    Raises
    ------
    InputError
        If two scans would be written to the same files.
    """
    tasks = apart(replace(like, path=path) for path in scans)
    if like.delivery.archive is not None:
        like.delivery.archive.check()
    done = Delivered()
    for task, part in progress.each(tasks, lambda task: task.path.name):
        done.add(attempt(task, part))
    return done


def attempt(task: Task, progress: Progress = SILENT) -> Written | str:
    """Reconstruct one scan, or say in a sentence why that cannot be done."""
    path = task.path
    try:
        recognise(path)  # before anything is made
        require_writable(task.target.parent)
        with claimed(task.target):
            return _reconstruct_file(task, progress)
    except InputError as error:
        return str(error) if path.name in str(error) else f"{path}: {error}"
    except OSError as error:
        if (said := refused(error)) is None:
            raise
        return said if path.name in said else f"{path}: {said}"
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        return f"{path}: the memory ran out while it was reconstructed; close other programs, or take fewer workers"


def _reconstruct_file(task: Task, progress: Progress) -> Written:
    path, method, delivery, device = task.path, task.method, task.delivery, task.device
    others = [CLASSICAL[name] for name in COMPARED if name != method.name] if delivery.compares else []
    recs: list[Reconstruction] = []
    comparisons: list[Reconstruction] = []
    scans = read_scans(path, answers=task.answers, streamed=True)
    spool = Spool() if len(scans) > 1 else None
    worst: Stress | None = None
    for frame, of_scan in each_frame(scans, task.prep, method, device, progress):
        ready = frame.prepared
        rec = reconstruct_frame(
            frame, seed=task.seed, device=device, held_out=task.held_out, adapt=task.adapt, progress=of_scan
        )
        if task.stress:
            if worst is None or len(frame.together) == 1 or ready is frame.together[0]:
                together = frame.together if len(frame.together) > 1 else [frame.moved.prepared]
                middle = [one.middle for one in together]
                worst = stress_of(method, middle, ready.scan.key, task.seed, device)
            rec = replace(rec, checks={**rec.checks, **worst.checks()}, notes=(*rec.notes, worst.note()))
        if spool is not None:
            rec = replace(rec, csm=spool.put_aside(rec.csm))
        known = task.calibration
        recs.append(with_own_interval(rec) if known is None else with_interval(rec, known))
        for other in others:
            compared = reconstruct_scan(frame.moved, other, device=device)
            comparisons.append(compared if spool is None else replace(compared, csm=spool.put_aside(compared.csm)))
    return Written.of(path, recs, deliver_all(recs, comparisons, delivery))


def _listing(files: list[str]) -> list[str]:
    """Paths for a person: of DICOM series, which may be hundreds of files, the folders only."""
    count = Counter(str(Path(f).parent) for f in files if f.endswith(".dcm"))
    others = [f for f in files if not f.endswith(".dcm")]
    return [*others, *(f"{folder}{os.sep} ({n} DICOM file{'s' * (n > 1)})" for folder, n in count.items())]
