"""Messages of the MRD streaming protocol: how they are laid out, and what is too large to be waited for.

Format: ISMRMRD's documentation (`mrd_messages`, `mrd_image_data`, `mrd_raw_data`, `mrd_waveform_data`). All numbers are
little-endian.
"""

import struct
from typing import Protocol

from rsd_mri.errors import InputError

CONFIG_FILE, CONFIG_TEXT, HEADER, CLOSE, TEXT = 1, 2, 3, 4, 5
ACQUISITION, IMAGE, WAVEFORM = 1008, 1022, 1026

STOPPED = "the server is being stopped: this measurement is not finished"
"""What a client is told before CLOSE, as a warning, where its images do not all come."""

CONFIG_FILE_BYTES = 1024
ACQUISITION_BYTES, IMAGE_BYTES, WAVEFORM_BYTES = 340, 198, 40
"""Of the fixed headers. The waveform's is not packed: the compiler's padding is sent as well."""

MOST_TEXT = 16 * 2**20
MOST_COILS = 256
MOST_ACQUISITION = 64 * 2**20
MOST_DIMENSIONS = 8
BLOCK = 2**18
"""Bytes of what is dropped that are read at a time."""

PIXEL_BYTES = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4, 6: 8, 7: 8, 8: 16}
"""Bytes of a pixel of each data type."""


class Inflow(Protocol):
    """Where messages are read from."""

    async def exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        ...


class Refused(InputError):
    """What a client sent cannot be read on: the connection ends."""


def text_message(text: str) -> bytes:
    """A TEXT message; the NUL at its end is counted."""
    data = text.encode("utf-8", "replace").replace(b"\0", b"") + b"\0"
    return struct.pack("<HI", TEXT, len(data)) + data


def said(level: str, sentence: str) -> bytes:
    """A TEXT message of a level (`ERROR`, `WRN` or `DBG`), by which consoles colour it."""
    return text_message(f"{level:<8} {sentence}")


def close_message() -> bytes:
    """The last message of a connection."""
    return struct.pack("<H", CLOSE)


def config_file_message(name: str) -> bytes:
    """A CONFIG_FILE message: the name in 1024 bytes.

    Raises
    ------
    InputError
        If the name is longer.
    """
    data = name.encode()
    if len(data) >= CONFIG_FILE_BYTES:
        raise InputError(f"the config name has {len(data)} bytes; expected at most {CONFIG_FILE_BYTES - 1}")
    return struct.pack("<H", CONFIG_FILE) + data.ljust(CONFIG_FILE_BYTES, b"\0")


def header_message(text: str) -> bytes:
    """A HEADER message; the NUL at its end is counted."""
    data = text.encode() + b"\0"
    return struct.pack("<HI", HEADER, len(data)) + data


def acquisition_message(head: bytes, samples: bytes) -> bytes:
    """An ACQUISITION message without a trajectory."""
    return struct.pack("<H", ACQUISITION) + head + samples


def image_message(head: bytes, attributes: bytes, pixels: bytes) -> bytes:
    """An IMAGE message. The attributes' length is 64 bits, and they do not end in NUL."""
    return struct.pack("<H", IMAGE) + head + struct.pack("<Q", len(attributes)) + attributes + pixels


def up_to_nul(data: bytes) -> bytes:
    """What stands before the first NUL."""
    return data.split(b"\0", 1)[0]


async def read_config_file(inflow: Inflow) -> bytes:
    """The name of a configuration."""
    return up_to_nul(await inflow.exactly(CONFIG_FILE_BYTES))


async def read_text(inflow: Inflow, what: str) -> bytes:
    """Read a text of which the length stands first.

    Raises
    ------
    Refused
        If it is too long.
    """
    (length,) = struct.unpack("<I", await inflow.exactly(4))
    if length > MOST_TEXT:
        raise Refused(f"a {what} of {length} bytes was announced; at most {MOST_TEXT} are read")
    return up_to_nul(await inflow.exactly(length))


async def read_acquisition(inflow: Inflow) -> tuple[bytes, bytes]:
    """Header and samples of a readout; its trajectory is read and dropped.

    Raises
    ------
    Refused
        If it announces more coils, dimensions or bytes than are read.
    """
    head = await inflow.exactly(ACQUISITION_BYTES)
    (n_samples,) = struct.unpack_from("<H", head, 34)
    (coils,) = struct.unpack_from("<H", head, 38)
    (dimensions,) = struct.unpack_from("<H", head, 176)
    if coils > MOST_COILS:
        raise Refused(f"an acquisition of {coils} coils was announced; at most {MOST_COILS} are read")
    if dimensions > MOST_DIMENSIONS:
        raise Refused(f"a trajectory of {dimensions} dimensions was announced; at most {MOST_DIMENSIONS} are read")
    size, trajectory = n_samples * coils * 8, n_samples * dimensions * 4
    if size + trajectory > MOST_ACQUISITION:
        raise Refused(f"an acquisition of {size + trajectory} bytes was announced; at most {MOST_ACQUISITION} are read")
    await drop(inflow, trajectory)
    return head, await inflow.exactly(size)


async def drop_image(inflow: Inflow) -> None:
    """Read over an image.

    Raises
    ------
    Refused
        If its attributes are too long, or its data type is none.
    """
    head = await inflow.exactly(IMAGE_BYTES)
    (kind,) = struct.unpack_from("<H", head, 2)
    sizes = struct.unpack_from("<3H", head, 16)
    (channels,) = struct.unpack_from("<H", head, 34)
    (length,) = struct.unpack("<Q", await inflow.exactly(8))
    if length > MOST_TEXT:
        raise Refused(f"image attributes of {length} bytes were announced; at most {MOST_TEXT} are read")
    if kind not in PIXEL_BYTES:
        raise Refused(f"an image of data type {kind} was announced; expected 1 to 8")
    await drop(inflow, length + sizes[0] * sizes[1] * sizes[2] * channels * PIXEL_BYTES[kind])


async def drop_waveform(inflow: Inflow) -> None:
    """Read over a waveform."""
    head = await inflow.exactly(WAVEFORM_BYTES)
    n_samples, channels = struct.unpack_from("<2H", head, 28)
    await drop(inflow, n_samples * channels * 4)


async def drop(inflow: Inflow, count: int) -> None:
    """Read over so many bytes, a block at a time."""
    while count > 0:
        count -= len(await inflow.exactly(min(count, BLOCK)))
