"""Frames between the server, which talks to clients, and its worker, which computes."""

import struct
from enum import IntEnum
from typing import BinaryIO

FRAME = struct.Struct("<BIQ")
"""Kind, number of the connection, length of what follows."""


class Order(IntEnum):
    """From the server to the worker."""

    OPEN = 1
    """Settings as JSON: a connection has sent config and header."""
    HEADER = 2
    """The XML header."""
    LINE = 3
    """Header and samples of an acquisition."""
    END = 4
    """No more lines will come."""
    DROP = 5
    """The client is gone, or was refused: stop its work and forget it."""


class Reply(IntEnum):
    """From the worker to the server."""

    READY = 1
    """Everything is loaded. For no connection."""
    FATAL = 2
    """The worker cannot work: a sentence. For no connection."""
    IMAGE = 3
    """An IMAGE message, to be sent as it is."""
    SAY = 4
    """A level, padded to eight characters, and a sentence for the client and the log."""
    REFUSE = 5
    """A sentence: the connection ends with it."""
    DONE = 6
    """All is sent; what is known of the connection, as JSON."""


def frame(kind: int, number: int, data: bytes = b"") -> bytes:
    """One frame."""
    return FRAME.pack(kind, number, len(data)) + data


def read_frame(stream: BinaryIO) -> tuple[int, int, bytes] | None:
    """Read one frame; None where the stream ends."""
    head = stream.read(FRAME.size)
    if len(head) < FRAME.size:
        return None
    kind, number, length = FRAME.unpack(head)
    data = stream.read(length)
    return None if len(data) < length else (kind, number, data)
