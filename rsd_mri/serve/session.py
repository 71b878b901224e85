"""One connection: what a client may send and when, and how it ends."""

import asyncio
import contextlib
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rsd_mri.about.plain import Json
from rsd_mri.serve import wire
from rsd_mri.serve.pipe import Order, Reply
from rsd_mri.serve.settings import Settings, with_config, with_text
from rsd_mri.serve.stream import LINGER, CutOff, Gone, Silent, Stream
from rsd_mri.serve.wire import Refused
from rsd_mri.serve.xml_check import check_header, decoded

NAMES = {"ERROR": "error", "WRN": "warning", "DBG": "remark"}


class Workshop(Protocol):
    """Where the work is done."""

    def order(self, kind: Order, number: int, data: bytes = b"") -> None:
        """Hand something over."""
        ...

    def take(self, number: int, count: int) -> bool:
        """Count bytes of k-space held for a connection; False where they are too many."""
        ...

    def peak_mib(self) -> float:
        """The most memory that was taken."""
        ...


@dataclass(frozen=True)
class Limits:
    """What a connection may take."""

    idle: float
    """Seconds without a byte."""
    memory: int
    """Bytes of k-space."""


@dataclass(frozen=True)
class Ending:
    """How a connection ended."""

    end: str
    """`close`, `gone`, `error` or `stopped`."""
    sentence: str | None = None
    """Why, where it was not as it should be."""


@dataclass(frozen=True)
class Ended:
    """What is told of a connection that has ended."""

    number: int
    config: str
    method: str | None
    """None where nothing was to be reconstructed."""
    acquisitions: int
    slices: int
    images: int
    first_image_s: float | None
    """Seconds from the last line to the first image."""
    seconds: float
    peak_mib: float
    """The most memory that the worker took."""
    end: str
    error: str | None

    def as_dict(self) -> dict[str, Json]:
        """For a program."""
        return {"event": "connection", **asdict(self)}


class Session:
    """Reads what a client sends, hands it on, and sends back what comes of it."""

    def __init__(
        self,
        number: int,
        stream: Stream,
        workshop: Workshop,
        default: Settings,
        limits: Limits,
        saving: bool,
        log: Callable[[int, str], None],
    ) -> None:
        self.number, self.stream, self.workshop = number, stream, workshop
        self.default, self.limits, self.saving = default, limits, saving
        self.settings = default
        self._log = log
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._configured = self._headed = self.opened = False
        self.acquisitions = self.dropped = self.images = 0
        self._of_series: Counter[int] = Counter()
        self._first: float | None = None
        self._lost: str | None = None
        self._begun = self._last = time.monotonic()

    # What comes from the workshop.

    def receive(self, kind: Reply, data: bytes) -> None:
        """Take a reply of the worker."""
        if self._over.done():
            return
        if kind == Reply.IMAGE:
            if self._first is None:
                self._first = time.monotonic() - self._last
            self.images += 1
            self._of_series[struct.unpack_from("<H", data, 2 + 128)[0]] += 1
            self.stream.send(data)
        elif kind == Reply.SAY:
            level, sentence = data[:8].decode().strip(), data[8:].decode()
            self._lost = sentence if level == "ERROR" else self._lost
            self.say(level, sentence)
        elif kind == Reply.REFUSE:
            self.end(Ending("error", data.decode()))
        elif kind == Reply.DONE:
            self.end(Ending("close"))

    def end(self, ending: Ending) -> None:
        """End the connection; the first reason counts."""
        if not self._over.done():
            self._over.set_result(ending)

    def say(self, level: str, sentence: str) -> None:
        """Tell the client and the log."""
        self.stream.send(wire.said(level, sentence))
        self._log(self.number, f"{NAMES[level]}: {sentence}")

    # The way of a connection.

    async def run(self) -> Ending:
        """Serve the client until the connection is over; what was said last is on its way when this returns."""
        reading = asyncio.create_task(self._read())
        watching = asyncio.create_task(self.stream.watch(self.limits.idle))
        staying: asyncio.Task[None] | None = None
        try:
            waited: set[asyncio.Future[Any]] = {reading, self._over}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            if not self._over.done() and self.opened:
                # All has come. The client is listened to further only to know whether it is there.
                if self.stream.ended:
                    self.say("DBG", "the writing side was shut: taken as the end of the measurement")
                self.workshop.order(Order.END, self.number)
                staying = asyncio.create_task(self.stream.stay())
                waited = {staying, self._over}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                self.end(Ending("gone", "the client is gone"))
            elif not self._over.done():
                self.end(Ending("close"))
            ending = self._over.result()
        finally:
            for task in (reading, watching, staying):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
        return await self._finish(ending)

    async def _finish(self, ending: Ending) -> Ending:
        if self.opened:
            self.workshop.order(Order.DROP, self.number)
        if ending.end == "gone":
            return ending
        if ending.end == "error" and ending.sentence:
            self.say("ERROR", ending.sentence)
        elif ending.end == "stopped":
            self.say("WRN", wire.STOPPED)
        elif self.dropped and not self.acquisitions:
            self.say("WRN", f"{self.dropped} images came and no raw data: there is nothing to reconstruct")
        self.stream.send(wire.close_message())
        taken = await self.stream.sent(1.0 if ending.end == "stopped" else self.limits.idle)
        return ending if taken else Ending("gone", "the client is gone, or does not take what is sent")

    async def close(self, linger: float = LINGER) -> None:
        """Give the socket back."""
        await self.stream.close(linger)

    async def _read(self) -> None:
        try:
            while (identifier := await self.stream.identifier()) not in (None, wire.CLOSE):
                await self._message(identifier)
            if self._headed and self.settings.task == "savedataonly" and self.saving:
                self._open()
        except Refused as error:
            self.end(Ending("error", str(error)))
        except CutOff:
            self.end(Ending("error", "the data end in the middle of a message"))
        except Silent:
            self.end(Ending("error", f"nothing came for {self.limits.idle:g} s"))
        except Gone:
            self.end(Ending("gone", "the client is gone"))

    async def _message(self, identifier: int) -> None:
        if identifier == wire.CONFIG_FILE:
            self._configure(await wire.read_config_file(self.stream))
        elif identifier == wire.CONFIG_TEXT:
            self._parameters(await wire.read_text(self.stream, "config text"), configures=True)
        elif identifier == wire.HEADER:
            self._header(await wire.read_text(self.stream, "header"))
        elif identifier == wire.TEXT:
            self._parameters(await wire.read_text(self.stream, "text"), configures=False)
        elif identifier in (wire.ACQUISITION, wire.IMAGE, wire.WAVEFORM):
            if not (self._configured and self._headed):
                raise Refused("data came before config and header")
            if identifier == wire.ACQUISITION:
                await self._line()
            elif identifier == wire.IMAGE:
                await wire.drop_image(self.stream)
                self.dropped += 1
            else:
                await wire.drop_waveform(self.stream)
        else:
            raise Refused(f"a message of the unknown kind {identifier} came, whose length is not known")

    def _configure(self, name: bytes) -> None:
        if self.opened:
            self.say("WRN", "a config after the first data was left out")
            return
        self._configured = True
        self._warn(*with_config(self.settings, name, self.default))

    def _parameters(self, text: bytes, configures: bool) -> None:
        self._configured = self._configured or configures
        if self.opened:
            self._log(self.number, f"a text of {len(text)} bytes after the first data was ignored")
            return
        if not text.strip():
            return
        settings, warnings, remark = with_text(self.settings, text, self.default)
        if remark is not None:
            self._log(self.number, remark)
        self._warn(settings, warnings)

    def _warn(self, settings: Settings, warnings: list[str]) -> None:
        self.settings = settings
        for sentence in warnings:
            self.say("WRN", sentence)

    def _header(self, data: bytes) -> None:
        if self._headed:
            self.say("WRN", "a second header was left out")
            return
        text = decoded(data)
        check_header(text)
        self._headed = True
        self._text = text

    def _open(self) -> None:
        if self.opened:
            return
        import json

        self.opened = True
        self.workshop.order(Order.OPEN, self.number, json.dumps(self.settings.as_dict()).encode())
        self.workshop.order(Order.HEADER, self.number, self._text.encode("utf-8", "replace"))

    async def _line(self) -> None:
        head, samples = await wire.read_acquisition(self.stream)
        if not self.acquisitions and self.settings.task == "savedataonly" and not self.saving:
            self.say("WRN", "nothing is stored: the server was started without --save")
        self.acquisitions += 1
        self._last = self.stream.heard
        if self.settings.task == "null" or (self.settings.task == "savedataonly" and not self.saving):
            return
        if not self.workshop.take(self.number, len(samples)):
            raise Refused(
                f"k-space is larger than the {self.limits.memory / 2**30:.3g} GiB that are kept; start the server "
                "with a larger --max-memory"
            )
        self._open()
        self.workshop.order(Order.LINE, self.number, head + samples)

    def ended(self, ending: Ending) -> Ended:
        """What is told of the connection when it has ended."""
        return Ended(
            number=self.number,
            config=self.settings.config,
            method=self.settings.method if self.settings.task == "reconstruct" else None,
            acquisitions=self.acquisitions,
            slices=max(self._of_series.values(), default=0),
            images=self.images,
            first_image_s=None if self._first is None else round(self._first, 3),
            seconds=round(time.monotonic() - self._begun, 3),
            peak_mib=round(self.workshop.peak_mib(), 1),
            end=ending.end,
            error=self._lost if ending.end == "close" else ending.sentence,
        )
