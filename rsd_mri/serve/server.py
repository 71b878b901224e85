"""The server: it listens at once, serves so many connections at a time, and ends when it is told to."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.machine.interrupts import SIGNALS
from rsd_mri.machine.limits import total_memory
from rsd_mri.serve.pipe import Reply
from rsd_mri.serve.session import Ending, Limits, Session
from rsd_mri.serve.settings import Settings
from rsd_mri.serve.stream import LINGER, Stream
from rsd_mri.serve.worker_options import WorkerOptions
from rsd_mri.serve.workshop import Worker

BACKLOG = 64
"""Connections that wait to be served."""
AT_ONCE = 0.1
"""Seconds within which a signal reaches all processes of a group."""
LAST_WORDS = 1.0
"""Seconds that clients are given to take the last message when the server is stopped."""


@dataclass(frozen=True)
class ServeOptions:
    """How the server was started."""

    host: str = "127.0.0.1"
    port: int = 9002
    method: str = "posterior"
    samples: int = 4
    prior: Path | None = None
    calibration: Path | None = None
    seed: int = 0
    device: str = "auto"
    flip: str = "auto"
    save: Path | None = None
    connections: int = 8
    max_memory: float | None = None
    """GiB; half of what there is where None."""
    idle: float = 1800.0
    as_json: bool = False
    debug: bool = False
    """Tracebacks to stderr."""

    @property
    def memory(self) -> int:
        """Bytes of k-space that a connection may take."""
        return int(self.max_memory * 2**30) if self.max_memory is not None else total_memory() // 2

    def for_worker(self) -> WorkerOptions:
        """What the worker has to know."""
        paths = (self.prior, self.calibration, self.save)
        prior, calibration, save = (None if path is None else str(path.absolute()) for path in paths)
        return WorkerOptions(
            self.device, self.flip, self.method, self.memory, prior, calibration, save, debug=self.debug
        )


def listening(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises
    ------
    InputError
        If the address is none of this machine, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host}: no address of this machine ({error})") from error
    try:
        if sys.platform != "win32":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise InputError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); choose another port, or 0 for a "
            "free one"
        ) from error
    found.setblocking(False)
    return found


class Server:
    """Accepts connections and tells of them."""

    def __init__(self, options: ServeOptions, listener: socket.socket) -> None:
        self.options, self.listener = options, listener
        self._sessions: dict[int, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._stop = asyncio.Event()
        self._default = Settings(method=options.method, samples=options.samples, seed=options.seed)
        self._limits = Limits(options.idle, options.memory)
        self.worker = Worker(options.for_worker(), self._receive)
        self.worker.died = self._worker_died

    async def run(self) -> None:
        """Serve until the process is told to stop.

        Raises
        ------
        InputError
            If the worker cannot work.
        """
        loop = asyncio.get_running_loop()
        for name in SIGNALS:
            if signal.getsignal(name) is signal.SIG_IGN:  # as nohup asks
                continue
            try:
                loop.add_signal_handler(name, self._stop.set)
            except NotImplementedError:  # Windows
                signal.signal(name, lambda *_: loop.call_soon_threadsafe(self._stop.set))
        host, port = self.listener.getsockname()[:2]
        self._tell(
            {"event": "listening", "host": host, "port": port, "version": __version__},
            f"listening on {host}:{port}, rsd-mri {__version__}. {NOT_FOR_DIAGNOSTIC_USE}",
        )
        working = asyncio.create_task(self.worker.run())
        accepting = asyncio.create_task(self._accept())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({working, stopping, accepting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            accepting.cancel()
            self.listener.close()
            if not self._stop.is_set():
                # Who stops a whole group of processes, as service managers do, may have reached the worker first.
                await asyncio.wait({stopping}, timeout=AT_ONCE)
            for session in self._sessions.values():
                session.end(Ending("stopped"))
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LAST_WORDS + 1)
            for task in (*self._tasks, stopping):
                task.cancel()
            await self.worker.kill()
            await asyncio.wait({working}, timeout=LAST_WORDS)
            working.cancel()
        failed = None if self._stop.is_set() or working.cancelled() or not working.done() else working.exception()
        if failed is not None:
            raise failed
        self._tell(
            {"event": "stopped", "connections": self._count},
            f"stopped after {self._count} connection{'s' * (self._count != 1)}",
        )

    async def _accept(self) -> None:
        loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(self.options.connections)
        while True:
            await slots.acquire()
            while True:
                try:
                    connection, _ = await loop.sock_accept(self.listener)
                    break
                except OSError:  # too many open files, or a client that is gone already
                    await asyncio.sleep(0.1)
            self._count += 1
            task = asyncio.create_task(self._serve(self._count, connection, slots))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, number: int, connection: socket.socket, slots: asyncio.Semaphore) -> None:
        try:
            stream = await Stream.of(connection)
        except OSError:
            connection.close()
            slots.release()
            return
        if not self._sessions:
            self.worker.forget_peak()
        session = Session(
            number, stream, self.worker, self._default, self._limits, self.options.save is not None, self._log
        )
        self._sessions[number] = session
        self._log(number, "connected")
        if self._stop.is_set():
            session.end(Ending("stopped"))
        try:
            ending = await session.run()
        except Exception as error:  # noqa: BLE001 - one connection must not end the server
            ending = Ending("error", f"a fault of this program ({type(error).__name__})")
        finally:
            self._sessions.pop(number, None)
            self.worker.give_back(number)
            slots.release()
        facts = session.ended(ending)
        self._log(number, f"ended: {ending.end}" + (f", {ending.sentence}" if ending.sentence else ""))
        first = "" if facts.first_image_s is None else f", the first {facts.first_image_s:.2f} s after the data"
        self._tell(
            facts.as_dict(),
            f"connection {number}: {ending.end}, {facts.acquisitions} acquisitions, {facts.images} images of "
            f"{facts.slices} slices{first}, {facts.seconds:.1f} s"
            + (f"; {ending.sentence}" if ending.sentence else ""),
        )
        await session.close(LAST_WORDS if self._stop.is_set() else LINGER)

    def _receive(self, number: int, kind: Reply, data: bytes) -> None:
        if kind == Reply.READY:
            self._log(0, "ready: everything is loaded")
        elif number in self._sessions:
            self._sessions[number].receive(kind, data)

    def _worker_died(self) -> None:
        for session in self._sessions.values():
            if session.opened:
                session.end(Ending("error", "the process that reconstructs ended unexpectedly; send the scan again"))
        self._log(0, "the process that reconstructs ended unexpectedly and is begun anew")

    def _log(self, number: int, sentence: str) -> None:
        """One line to stderr."""
        who = f"[{number}] " if number else ""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {who}{sentence}\n")
            sys.stderr.flush()

    def _tell(self, values: Mapping[str, Json], line: str) -> None:
        """One line to stdout."""
        with contextlib.suppress(OSError):
            sys.stdout.write((json.dumps(values) if self.options.as_json else line) + "\n")
            sys.stdout.flush()


def serve(options: ServeOptions) -> None:
    """Listen and serve until the process is told to stop.

    Raises
    ------
    InputError
        If it cannot listen there, or a prior or calibration cannot be read.
    """
    for name in ("prior", "calibration"):
        path = getattr(options, name)
        if path is not None and not path.exists():
            raise InputError(f"--{name} {path}: there is no such file or folder")
    listener = listening(options.host, options.port)

    async def run() -> None:
        await Server(options, listener).run()

    asyncio.run(run())
