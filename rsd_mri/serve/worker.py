"""The process that reconstructs: `python -m rsd_mri.serve.worker OPTIONS`, fed on stdin, answering on stdout."""

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import traceback
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rsd_mri.errors import InputError
from rsd_mri.machine import threads
from rsd_mri.machine.interrupts import SIGNALS
from rsd_mri.serve.pipe import Order, Reply, frame, read_frame
from rsd_mri.serve.worker_options import WorkerOptions

if TYPE_CHECKING:
    from rsd_mri.serve.methods import Loaded


class Out:
    """Frames to the server, from several threads."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def __call__(self, kind: Reply, number: int, data: bytes = b"") -> None:
        """Send a frame; a server that is gone ends the process."""
        try:
            with self._lock:
                self._stream.write(frame(kind, number, data))
                self._stream.flush()
        except OSError:
            os._exit(0)


class Later:
    """What is loaded in the background."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._loaded: Future[Loaded] = Future()

    def load(self) -> None:
        """Load it.

        Raises
        ------
        InputError
            If prior or calibration cannot be read.
        """
        from rsd_mri.serve.methods import load

        self._loaded.set_result(load(self._options))

    def __call__(self) -> "Loaded":
        """Wait for it."""
        return self._loaded.result()


def main() -> None:
    """Load, then serve frames until there are none."""
    options = WorkerOptions.of(sys.argv[1])
    threads.begin()
    for one in SIGNALS:  # a terminal or service manager sends them to the server as well, which ends this process
        signal.signal(one, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get among the frames
    out = Out(stream)
    try:
        _run(options, out)
    except InputError as error:
        out(Reply.FATAL, 0, str(error).encode())
        os._exit(2)


def _run(options: WorkerOptions, out: Out) -> None:
    # In the order in which the first connection needs them: classical images, then the prior.
    from rsd_mri.machine.device import resolve_device
    from rsd_mri.serve import faults
    from rsd_mri.serve.desk import Desk
    from rsd_mri.serve.faults import plain
    from rsd_mri.serve.job import Job
    from rsd_mri.serve.methods import warm_up
    from rsd_mri.serve.noise_store import NoiseStore
    from rsd_mri.serve.settings import Settings
    from rsd_mri.serve.work import Shop

    if options.debug:
        faults.on_fault = lambda error: traceback.print_exception(error)
    later, device = Later(options), resolve_device(options.device)
    save = Path(options.save) if options.save else None
    shop = Shop(later, device, NoiseStore(), options.flip, save, options.memory)
    desk = Desk()

    def failed(job: Job, sentence: str) -> None:
        out(Reply.REFUSE, job.number, sentence.encode())

    desk.failed = failed

    def handle(kind: int, number: int, data: bytes) -> None:
        if kind == Order.OPEN:
            settings = Settings(**json.loads(data))
            job = Job(number, settings, shop, lambda reply, what: out(reply, number, what))
            with desk.changed:
                desk.jobs[number] = job
            return
        if kind == Order.DROP:
            desk.remove(number)
            give_back()
            return
        job = desk.jobs.get(number)  # type: ignore[assignment]
        if job is None or job.dropped or job.closed:
            return
        try:
            if kind == Order.HEADER:
                job.take_header(data.decode())
            elif kind == Order.LINE:
                job.take_line(data)
            elif kind == Order.END:
                job.take_end()
        except Exception as error:  # noqa: BLE001 - one connection must not end the others
            job.closed = True
            out(Reply.REFUSE, number, job.discretion(plain(error)).encode("utf-8", "replace"))
        if kind == Order.END or job.measurement is not None and job.measurement.wait() is not None:
            desk.wake()

    def listen() -> None:
        while (found := read_frame(sys.stdin.buffer)) is not None:
            handle(*found)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    with contextlib.suppress(InputError):
        warm_up(device)
    threading.Thread(target=desk.quick_lane, daemon=True).start()
    later.load()
    with contextlib.suppress(InputError):
        warm_up(device, later())
    out(Reply.READY, 0)
    desk.slow_lane()


def give_back() -> None:
    """Return memory that is free in this process to the system, where the C library can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
