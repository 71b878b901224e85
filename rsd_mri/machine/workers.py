"""Work through a list of jobs: here, in processes of this machine, or on a cluster; a job that dies loses no other."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.synchronize import SemLock
from typing import TypeVar

from rsd_mri.errors import InputError
from rsd_mri.machine.interrupts import install_in_worker, shielded

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Lost:
    """What there is of a job whose process died or whose worker failed."""

    reason: str


def run_jobs(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int = 1, scheduler: str | None = None
) -> Iterator[tuple[Job, Result | Lost]]:
    """Call the function for every job and yield both, in any order.

    Parameters
    ----------
    function
        At the top of a module, so that other processes find it; what it raises ends the work.
    jobs
        Its arguments.
    workers
        Processes; with one the work is done in this process.
    scheduler
        Address of a dask scheduler whose workers see the same files; then `workers` is not used.

    Raises
    ------
    InputError
        If no scheduler answers.
    """
    if scheduler is not None:
        yield from _on_dask(function, jobs, scheduler)
    elif workers == 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, function(job)
    else:
        yield from _in_processes(function, jobs, workers)


def checked_shard(shard: tuple[int, int]) -> tuple[int, int]:
    """The shard, if it is one.

    Raises
    ------
    InputError
        If it is not (i, n) with 1 <= i <= n.
    """
    if not 1 <= shard[0] <= shard[1]:
        raise InputError(f"--shard {shard[0]}/{shard[1]}: expected i/n with i from 1 to n")
    return shard


def _in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[Job, Result | Lost]]:
    """Work in a pool. If a process dies, the jobs left are tried again one by one, each in its own."""
    left = dict(enumerate(jobs))
    pool = _pool(min(workers, len(jobs)))
    try:
        numbers = {pool.submit(function, job): number for number, job in enumerate(jobs)}
        for future in as_completed(numbers):
            result = future.result()
            yield left.pop(numbers[future]), result
    except BrokenProcessPool:
        yield from _one_by_one(function, list(left.values()))
    finally:  # after an interruption the jobs that wait are not begun
        pool.shutdown(cancel_futures=True)


def _one_by_one(function: Callable[[Job], Result], waiting: list[Job]) -> Iterator[tuple[Job, Result | Lost]]:
    """Work in one process, and in a new one whenever it dies; the job it died of is lost."""
    while waiting:
        with _pool(1) as pool:
            try:
                while waiting:
                    yield waiting[0], pool.submit(function, waiting[0]).result()
                    waiting = waiting[1:]
            except BrokenProcessPool:
                dead, waiting = waiting[0], waiting[1:]
                yield dead, Lost("the worker process died: too little memory, or a file that is damaged")


def _pool(workers: int) -> ProcessPoolExecutor:
    shielded(SemLock.__init__)  # what is made and not yet noted down would stay behind
    # Processes are spawned: forking after torch has started threads can hang.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), install_in_worker)


def _on_dask(
    function: Callable[[Job], Result], jobs: Sequence[Job], scheduler: str
) -> Iterator[tuple[Job, Result | Lost]]:
    try:
        import distributed
    except ImportError as error:
        raise InputError("--scheduler needs dask: pip install 'rsd-mri[cluster]'") from error
    try:
        client = distributed.Client(scheduler, timeout="30s")
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {scheduler}: no dask scheduler answers there ({error})") from error
    with client:
        futures = client.map(function, jobs, pure=False)
        of = {future.key: job for future, job in zip(futures, jobs, strict=True)}
        for future in distributed.as_completed(futures):
            if future.status == "finished":
                yield of[future.key], future.result()
            else:
                yield of[future.key], Lost(f"the worker failed: {future.exception()}")
