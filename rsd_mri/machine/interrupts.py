"""A command that is told to stop ends within two seconds and leaves nothing behind.

The main thread is interrupted and cleans up as it unwinds. Where it cannot, since a library computes and does not let
Python run, a second thread, which the system wakes, cleans up in its place and ends the process.
"""

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, TypeVar, cast

GRACE = 1.2
"""Time the main thread has to unwind [s]."""
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(BaseException):  # noqa: N818 - no error
    """The program was told to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


_endings: list[Callable[[], None]] = []
_told: list[int] = []
_until_stopped: list[bool] = []
_leaving = threading.Lock()
_shielded: set[CodeType] = set()

Called = TypeVar("Called", bound=Callable[..., Any])


def shielded(function: Called) -> Called:
    """Put an interruption off until the function has ended: for what a library calls that lets no exception through."""
    _shielded.add(cast(FunctionType, function).__code__)
    return function


def at_stop(ending: Callable[[], None]) -> None:
    """Call this before the process ends by a signal, in whichever thread that is."""
    _endings.append(ending)


def told_to_stop() -> int | None:
    """The exit code that a signal asked for, if one came."""
    return _code(_told[0]) if _told else None


def _code(number: int) -> int:
    return 0 if _until_stopped else 128 + number


def install() -> None:
    """Make SIGINT, SIGTERM and SIGHUP stop this program; only in its main thread."""

    def stop(number: int, frame: FrameType | None) -> None:
        if _within_shielded(frame):
            _once_more(number)
        elif not _told:
            _told.append(number)
            end_children(signal.SIGTERM)
            raise Stopped(number)

    for one in SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:  # as nohup asks
            signal.signal(one, stop)
    sys.unraisablehook = _unraisable
    _watch(GRACE)


def _once_more(number: int) -> None:
    again = threading.Timer(0.02, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """A signal that came while Python freed an object: nothing goes up from there, so it has to come again."""
    if isinstance(lost.exc_value, Stopped):
        _told.clear()
        _once_more(lost.exc_value.number)
    else:
        sys.__unraisablehook__(lost)


def _within_shielded(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _shielded:
            return True
        frame = frame.f_back
    return False


def install_in_worker() -> None:
    """Make SIGTERM, or the death of the parent, end this worker process at once; it ignores SIGINT, as it is told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    _die_with_parent()
    _watch(0.0)


def leave(code: int) -> None:
    """End the process now, without its children and what it was writing."""
    if not _leaving.acquire(blocking=False):  # another thread is at it; where it does not come to an end, this one does
        time.sleep(GRACE)
        os._exit(code)
    end_children(getattr(signal, "SIGKILL", signal.SIGTERM))
    for ending in (*_endings, _free_semaphores):
        with contextlib.suppress(Exception):
            ending()
    if (loaded := _multiprocessing()) is None or loaded.parent_process() is None:
        with contextlib.suppress(Exception):
            # A progress bar hides the cursor.
            sys.stderr.write("\x1b[?25h\nstopped\n" if sys.stderr.isatty() else "stopped\n")
            sys.stderr.flush()
    os._exit(code)


def _free_semaphores() -> None:
    """Free those of a pool that was not left in time: the process that keeps account of them would say so after us.

    In a thread, as the account may be locked by what did not let Python run.
    """
    semaphores, util = (sys.modules.get(f"multiprocessing.{name}") for name in ("synchronize", "util"))
    if semaphores is None or util is None:
        return
    free = [one for one in list(util._finalizer_registry.values()) if one._callback is semaphores.SemLock._cleanup]  # noqa: SLF001

    def call() -> None:
        for one in free:
            with contextlib.suppress(Exception):
                one()

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(GRACE / 4)


def end_children(number: int) -> None:
    """Send a signal to the processes that this one started."""
    tracker = getattr(getattr(_multiprocessing(), "resource_tracker", None), "_resource_tracker", None)
    spared = getattr(tracker, "_pid", None)  # it removes what the others leave in shared memory, and ends by itself
    for process in _children():
        if process != spared:
            with contextlib.suppress(OSError):
                os.kill(process, number)


def _children() -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name in brackets may hold anything; the state and the parent follow the last bracket.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    if not found and (loaded := _multiprocessing()) is not None:
        return [p.pid for p in loaded.active_children() if p.pid is not None]
    return found


def _multiprocessing() -> Any:
    """The module where a library has loaded it, as every worker has: `--help` need not wait for it."""
    return sys.modules.get("multiprocessing")


def _watch(grace: float) -> None:
    """Start the thread that ends the process where the main thread does not."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def wait() -> None:
        while True:
            number = os.read(read, 1)[0]
            if number in SIGNALS:
                time.sleep(grace)
                leave(_code(number))

    threading.Thread(target=wait, name="rsd-mri-stop", daemon=True).start()


def _die_with_parent() -> None:
    """Linux: be told by SIGTERM when the parent is gone, however it went."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    parent = None if (loaded := _multiprocessing()) is None else loaded.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # gone before that: nothing would tell
        os._exit(1)


def run(program: Callable[[], None], until_stopped: bool = False) -> None:
    """Run a program that signals may stop; the exit code is then 128 and the signal's number.

    Parameters
    ----------
    program
        What is run.
    until_stopped
        It would never end by itself, as a server: the exit code is 0 where it is stopped.
    """
    if until_stopped:
        _until_stopped.append(True)
    install()
    try:
        program()
    except Stopped as stopped:
        code = _code(stopped.number)
    except BaseException:
        told = told_to_stop()
        if told is None:
            raise
        code = told  # an error on the way out
    else:
        return
    gc.collect()  # frees what pools hold in shared memory
    leave(code)
