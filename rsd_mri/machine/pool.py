"""Compiled loops shared between threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise


def in_threads(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Do the work on `count` items in parts (from, to), one a thread; it must let the interpreter go on meanwhile."""
    threads = min(threads, count)
    if threads <= 1:
        work(0, count)
        return
    bounds = [count * i // threads for i in range(threads + 1)]
    rest = [_pool(os.getpid(), threads).submit(work, *ends) for ends in pairwise(bounds[1:])]
    work(0, bounds[1])
    for job in rest:
        job.result()


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a forked process needs its own
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="rsd-mri-kernel")
