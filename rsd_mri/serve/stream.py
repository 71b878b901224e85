"""The socket of a connection: bytes in whatever portions they come, and whether anybody is still there."""

import asyncio
import contextlib
import select
import socket
import time

PIECE = 2**20
"""Bytes taken from the socket's buffer at a time."""
BUFFER = 2**20
"""Bytes buffered before the sender is slowed down; they are taken out as fast as they come."""
LINGER = 10.0
"""Seconds for which what still comes is read and dropped after the end: a socket closed with unread data is reset, and
the client may lose what was said last."""


class CutOff(Exception):
    """The client stopped in the middle of a message."""


class Silent(Exception):
    """Not a byte came for too long."""


class Gone(Exception):
    """Nobody is there any more."""


class Stream:
    """Reads from and writes to a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard = time.monotonic()
        """When the last byte came."""
        self.ended = False
        """Whether the client has shut its writing side."""

    @classmethod
    async def of(cls, connection: socket.socket) -> "Stream":
        """Take over an accepted socket; a dead peer is found by TCP within some minutes."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return cls(*await asyncio.open_connection(sock=connection, limit=BUFFER))

    async def some(self, most: int) -> bytes:
        """What has come, one byte at least; nothing at the end."""
        try:
            data = await self.reader.read(most)
        except OSError as error:
            raise Gone from error
        self.heard = time.monotonic()
        self.ended = self.ended or not data
        return data

    async def exactly(self, count: int) -> bytes:
        """Read so many bytes; memory is taken for those that came, not for those announced.

        Raises
        ------
        CutOff
            If the client stops before.
        """
        parts = []
        while count > 0:
            data = await self.some(min(count, PIECE))
            if not data:
                raise CutOff
            parts.append(data)
            count -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def identifier(self) -> int | None:
        """Number of the next message; None where the client has ended."""
        first = await self.some(2)
        if not first:
            return None
        return int.from_bytes(first if len(first) == 2 else first + await self.exactly(1), "little")

    async def watch(self, seconds: float) -> None:
        """Break off the reading where not a byte comes for so long."""
        while (left := self.heard + seconds - time.monotonic()) > 0:
            await asyncio.sleep(left)
        self.reader.set_exception(Silent())

    async def drop_all(self) -> None:
        """Read and drop until the client ends.

        Raises
        ------
        Gone
            If the connection is broken.
        """
        while await self.some(PIECE):
            pass

    async def stay(self) -> None:
        """Return when nobody is there any more: a client that has shut its writing side may be waiting, or gone."""
        with contextlib.suppress(Gone, Silent):
            await self.drop_all()
            while not self.broken:
                await asyncio.sleep(0.5)

    @property
    def broken(self) -> bool:
        """Whether the peer has refused what was sent to it."""
        if self.writer.transport.is_closing():
            return True
        own = self.writer.get_extra_info("socket")
        if own is None or own.fileno() < 0:
            return True
        if not hasattr(select, "poll"):
            return bool(own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        poll = select.poll()
        poll.register(own.fileno(), 0)  # errors and hang-ups are always told
        return bool(poll.poll(0))

    def send(self, data: bytes) -> None:
        """Send as the client takes it; never waits."""
        if not self.writer.transport.is_closing():
            self.writer.write(data)

    async def sent(self, seconds: float) -> bool:
        """Wait until all is sent; False where the client does not take it for so long, or is gone."""
        transport, unsent, since = self.writer.transport, -1, time.monotonic()
        while (left := transport.get_write_buffer_size()) > 0:
            if left != unsent:
                unsent, since = left, time.monotonic()
            if transport.is_closing() or time.monotonic() - since > seconds:
                return False
            await asyncio.sleep(0.01)
        return not transport.is_closing()

    async def close(self, linger: float) -> None:
        """Shut the writing side, read and drop what still comes for so long, then close."""
        with contextlib.suppress(OSError, RuntimeError):
            if self.writer.can_write_eof() and not self.writer.transport.is_closing():
                self.writer.write_eof()
        with contextlib.suppress(Gone, Silent, asyncio.TimeoutError):
            await asyncio.wait_for(self.drop_all(), linger)
        self.writer.transport.abort()
