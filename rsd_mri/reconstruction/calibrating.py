"""Calibration of intervals on files: each scan by itself, in this process or in several."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from rsd_mri.errors import InputError
from rsd_mri.machine.one_thread import one_thread
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.workers import Lost, run_jobs
from rsd_mri.reconstruction.calibration import Calibration, Compared, calibration_of, compared
from rsd_mri.reconstruction.full_scans import undersampled_pairs
from rsd_mri.reconstruction.methods import Method
from rsd_mri.scan.reading import read_scan


@dataclass(frozen=True)
class CalibrationTask:
    """One fully sampled scan, and how it is undersampled and reconstructed."""

    path: Path
    acceleration: float
    seed: int
    method: Method
    device: torch.device

    def run(self, progress: Progress = SILENT) -> Compared:
        """Undersample, reconstruct and compare."""
        ((scan, target),) = undersampled_pairs([read_scan(self.path)], self.acceleration, self.seed)
        return compared(scan, target, self.method, seed=self.seed, device=self.device, progress=progress)


def calibrate_files(
    files: Sequence[Path],
    acceleration: float,
    coverage: float,
    method: Method,
    *,
    seed: int = 0,
    device: torch.device,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress = SILENT,
) -> Calibration:
    """Undersample and reconstruct fully sampled scans, and compare error with standard deviation.

    The result is the same whoever does the work.

    Parameters
    ----------
    files
        Fully sampled scans.
    acceleration
        To undersample by.
    coverage
        See `Calibration`.
    method, seed, device
        As `reconstruct_scan` takes them.
    workers
        Processes, each with one scan and one thread.
    scheduler
        Address of a dask scheduler whose workers see the same files.
    progress
        Told the share done and the scan's name.

    Raises
    ------
    InputError
        If a scan cannot be used, there are too few slices, or a worker died.
    """
    tasks = [CalibrationTask(path, acceleration, seed, method, device) for path in files]
    if workers == 1 and scheduler is None:
        return calibration_of([t.run(part) for t, part in progress.each(tasks, _name)], coverage, method)
    done: dict[Path, Compared] = {}
    for task, outcome in run_jobs(_on_one_thread, tasks, workers, scheduler):
        if isinstance(outcome, Lost):
            raise InputError(f"{task.path}: {outcome.reason}")
        done[task.path] = outcome
        progress(len(done) / len(tasks), _name(task))
    return calibration_of([done[path] for path in files], coverage, method)


def _name(task: CalibrationTask) -> str:
    return task.path.name


def _on_one_thread(task: CalibrationTask) -> Compared:
    if task.method.prior is not None:
        task.method.prior.to(task.device)
    with one_thread():
        return task.run()
