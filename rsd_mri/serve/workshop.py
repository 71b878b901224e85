"""The worker process as the server sees it: begun at once, fed without waiting, begun anew where it dies."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from rsd_mri.errors import InputError
from rsd_mri.serve.pipe import FRAME, Order, Reply, frame
from rsd_mri.serve.worker_options import WorkerOptions

RESERVE = 1.5
"""All connections together may hold so many times what one may."""


class Worker:
    """Starts the worker, sends it frames and hands its replies on."""

    def __init__(self, options: WorkerOptions, receive: Callable[[int, Reply, bytes], None]) -> None:
        self._options, self._receive = options, receive
        self._process: asyncio.subprocess.Process | None = None
        self._early: list[bytes] = []
        self._held: dict[int, int] = {}
        self.ready = False
        self._stopping = False
        self.died: Callable[[], None] = lambda: None
        """Called when the worker has ended by itself."""

    async def run(self) -> None:
        """Keep a worker running.

        Raises
        ------
        InputError
            If it cannot work: a prior that cannot be read, or a process that ends while it loads.
        """
        while True:
            self.ready = False
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "rsd_mri.serve.worker",
                self._options.text(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=2**20,
                start_new_session=True,  # what a terminal sends to all is for the server alone
            )
            self._process = process
            if self._stopping:
                process.kill()
            early, self._early = self._early, []
            for data in early:
                self._write(data)
            if process.stdout is not None:
                await self._replies(process.stdout)
            code = await process.wait()
            was_ready, self._process = self.ready, None
            if self._stopping:
                return
            if not was_ready:
                raise InputError(f"the process that reconstructs ended while it was loading (exit code {code})")
            self.died()

    async def _replies(self, said: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                kind, number, length = FRAME.unpack(await said.readexactly(FRAME.size))
                data = await said.readexactly(length)
                if kind == Reply.READY:
                    self.ready = True
                elif kind == Reply.FATAL:
                    raise InputError(data.decode())
                self._receive(number, Reply(kind), data)

    def order(self, kind: Order, number: int, data: bytes = b"") -> None:
        """Hand a frame over; it waits in memory where the worker is busy."""
        self._write(frame(kind, number, data))

    def _write(self, data: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            self._early.append(data)
        elif not self._process.stdin.is_closing():
            self._process.stdin.write(data)

    def take(self, number: int, count: int) -> bool:
        """Count bytes of k-space held for a connection; False where it, or all together, have too many."""
        total = self._held.get(number, 0) + count
        if total > self._options.memory or sum(self._held.values()) + count > RESERVE * self._options.memory:
            return False
        self._held[number] = total
        return True

    def give_back(self, number: int) -> None:
        """A connection has ended."""
        self._held.pop(number, None)

    def peak_mib(self) -> float:
        """The most memory the worker took since `forget_peak`, where the system tells; 0 elsewhere."""
        if self._process is None:
            return 0.0
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def forget_peak(self) -> None:
        """Count the most memory anew."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    async def kill(self) -> None:
        """End the worker, whatever it is doing; `run` returns then."""
        self._stopping = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
