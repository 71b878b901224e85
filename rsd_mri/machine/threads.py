"""How many threads to compute with: one for each processor that nothing else uses.

Threads that share a piece of work wait for the slowest of them. Where another program has one of the processors, each
such wait lasts until the scheduler takes turns: thousands of times longer than the work itself.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from rsd_mri.machine.limits import NEARLY, processors

STAT = Path("/proc/stat")
INTERVAL = 0.25
"""Shortest time that the use of the processors is taken over [s]."""
CHOSEN_BY_THE_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Use:
    """Processor time used since the machine and this process started [s]."""

    at: float
    all: float
    """Of the processors that this process may run on, by everything; but for work of lower priority, which yields."""
    own: float


def prepare_environment() -> None:
    """Let threads that wait for each other give up their processor soon; read when libraries are loaded."""
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # about a millisecond; GNU's, which torch comes with
    os.environ.setdefault("KMP_BLOCKTIME", "1")  # milliseconds; Intel's and LLVM's
    # NumPy and SciPy have one each, which knows nothing of quotas, and SciPy's may be loaded when all is settled.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(processors()))


def use_now() -> Use | None:
    """What is used now; None where the system does not say it as Linux does."""
    try:
        lines = STAT.read_text(encoding="ascii").splitlines()
        allowed = {f"cpu{n}" for n in os.sched_getaffinity(0)}
        tick = os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError):
        return None
    times = os.times()
    yields = os.nice(0) <= 0
    return Use(time.monotonic(), busy_ticks(lines, allowed, yields) / tick, times.user + times.system)


def busy_ticks(lines: list[str], allowed: set[str], without_nice: bool) -> int:
    """Ticks of the clock in which processors worked.

    Parameters
    ----------
    lines
        Of /proc/stat: name, user, nice, system, idle, waiting for input, interrupts (two kinds), taken by the host.
    allowed
        Names of the processors that count.
    without_nice
        Leave out what work of lower priority used.
    """
    counted = (1, 3, 6, 7, 8) if without_nice else (1, 2, 3, 6, 7, 8)
    total = 0
    for line in lines:
        fields = line.split()
        if fields and fields[0] in allowed:
            total += sum(int(fields[i]) for i in counted if i < len(fields))
    return total


def free_processors(before: Use, after: Use, processors: int) -> float:
    """Processors that nothing but this process used between two times."""
    others = (after.all - before.all - (after.own - before.own)) / (after.at - before.at)
    return min(max(processors - others, 0.0), processors)


def threads_for(free: float, most: int) -> int:
    """Threads for so many free processors: at least one, at most `most`."""
    return max(1, min(int(free + NEARLY), most))


class Threads:
    """The number of threads of torch and numpy, kept at what is free as the work goes on.

    A number that the user set in the environment is left alone.
    """

    def __init__(self) -> None:
        self._last = None if any(name in os.environ for name in CHOSEN_BY_THE_USER) else use_now()
        self._most: int | None = None

    def settle(self) -> None:
        """Look at what was used since the last time and choose anew; to be called by the thread that computes."""
        if self._last is None or (now := use_now()) is None or now.at - self._last.at < INTERVAL:
            return
        import torch

        if self._most is None:
            self._most = min(torch.get_num_threads(), processors())
        wanted = threads_for(free_processors(self._last, now, len(os.sched_getaffinity(0))), self._most)
        self._last = now
        if wanted != torch.get_num_threads():
            from threadpoolctl import threadpool_limits

            torch.set_num_threads(wanted)
            threadpool_limits(wanted, user_api="blas")  # numpy's


_threads: Threads | None = None


def begin() -> None:
    """Start to watch the processors: at the start of a command, before torch is loaded."""
    global _threads  # noqa: PLW0603 - there is one set of processors
    prepare_environment()
    _threads = Threads()


def settle() -> None:
    """Choose the number of threads by what is free, in a program that called `begin`."""
    if _threads is not None:
        _threads.settle()
