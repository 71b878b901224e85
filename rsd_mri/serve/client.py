"""A client: sends a scan as a scanner would, and collects what comes back."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.hdf5 import opened
from rsd_mri.scan.mrd import measurements
from rsd_mri.scan.reading import read_scan, recognise
from rsd_mri.scan.records import HEAD_TYPE, NOISE
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.writing import header_of
from rsd_mri.serve import wire
from rsd_mri.serve.image_message import COMPLEX64, FLOAT32, HEAD, INT16

PIXELS: dict[int, str] = {INT16: "<i2", FLOAT32: "<f4", COMPLEX64: "<c8"}
LAST_IN_SLICE, LAST_IN_MEASUREMENT = 8, 25
BROKEN_OFF = "the server broke off without CLOSE"
Line = tuple[bytes, NDArray[np.complex64]]


@dataclass(frozen=True)
class ReceivedImage:
    """One IMAGE message."""

    series: int
    index: int
    slice: int
    pixels: NDArray[Any]
    """[phase_encode, readout]."""
    head: tuple[Any, ...]
    """As `image_message.HEAD` packs it."""
    attributes: str
    after: float
    """Seconds after the last line was sent; negative before."""


@dataclass
class Received:
    """Everything that came back."""

    images: list[ReceivedImage] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    closed: bool = False
    """Whether the server ended with CLOSE."""
    seconds: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether the server ended with CLOSE, and said neither that something failed nor that it was stopped."""
        return self.closed and not any(text.startswith("ERROR") or text.endswith(wire.STOPPED) for text in self.texts)

    def series(self, number: int) -> NDArray[Any]:
        """Pixels of a series, [image, phase_encode, readout]."""
        return np.stack([one.pixels for one in self.images if one.series == number])


def lines_of_file(path: Path) -> tuple[str, list[Line]]:
    """Header and lines of a scan: those of an ISMRMRD file as they are, those of others made from their k-space.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if recognise(path) != "ismrmrd":
        scan = read_scan(path)
        return header_of(scan), list(lines_of_scan(scan))
    with opened(path) as file:
        records = measurements(file, path)[0]
        head = records.head.astype(HEAD_TYPE)
        head["trajectory_dimensions"] = 0
        found = [(head[index].tobytes(), samples) for index, samples in records.samples(np.arange(len(records)))]
    if records.text is None:
        raise InputError(f"{path}: has no header; expected ISMRMRD raw data")
    return records.text, found


def lines_of_scan(scan: Scan) -> Iterator[Line]:
    """Lines of a scan as a scanner sends them: noise first, then slice by slice, the last line of each flagged."""

    def line(samples: NDArray[np.complex64], number: int = 0, slice_: int = 0, flags: Sequence[int] = ()) -> Line:
        head: NDArray[Any] = np.zeros((), HEAD_TYPE)
        head["version"], head["flags"] = 1, sum(1 << (flag - 1) for flag in flags)
        head["active_channels"] = head["available_channels"] = len(samples)
        head["number_of_samples"] = samples.shape[1]
        head["center_sample"], head["sample_time_us"] = samples.shape[1] // 2, 5.0
        head["idx"]["kspace_encode_step_1"], head["idx"]["slice"] = number, slice_
        geometry = scan.geometry
        directions = (geometry.read_direction, geometry.phase_direction, geometry.slice_direction)
        if geometry.positions and all(d is not None for d in directions):
            head["position"] = geometry.positions[slice_]
            head["read_dir"], head["phase_dir"], head["slice_dir"] = directions
        return head.tobytes(), np.ascontiguousarray(samples, np.complex64)

    if scan.noise is not None:
        yield line(scan.noise, flags=[NOISE])
    first = (scan.acquired_at or (0, scan.size[1]))[0]
    lines = np.flatnonzero(scan.mask if scan.mask.ndim == 1 else scan.mask.any(axis=0))
    for slice_ in range(scan.n_slices):
        for column in lines:
            last = bool(column == lines[-1])
            flags = [LAST_IN_SLICE] * last + [LAST_IN_MEASUREMENT] * (last and slice_ == scan.n_slices - 1)
            yield line(scan.kspace[slice_, :, :, column], int(column) - first, slice_, flags)


def send_scan(
    host: str,
    port: int,
    header: str,
    lines: Sequence[Line],
    config: str = "default",
    parameters: dict[str, Any] | None = None,
    pace: float = 0.0,
    timeout: float = 3600.0,
) -> Received:
    """Send a measurement and wait for the images.

    Parameters
    ----------
    host, port
        Of the server.
    header, lines
        Of the measurement.
    config, parameters
        Name of the configuration; parameters sent as JSON.
    pace
        Seconds between two lines.
    timeout
        Seconds without an answer after which it is given up.

    Raises
    ------
    InputError
        If the server is not there, or breaks off before any image: what came before is returned.
    """
    try:
        connection = socket.create_connection((host, port), timeout=30)
    except OSError as error:
        raise InputError(f"{host}:{port}: no server answers there ({error.strerror or error})") from error
    with connection:
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received, ended = Received(), [float("inf")]
        begun = time.monotonic()
        listener = threading.Thread(target=_receive, args=(connection.makefile("rb"), received, ended), daemon=True)
        listener.start()
        try:
            connection.sendall(wire.config_file_message(config) + wire.header_message(header))
            if parameters:
                connection.sendall(wire.text_message(json.dumps({"version": "1.1.0", "parameters": parameters})))
            for number, (head, samples) in enumerate(lines):
                if pace:
                    time.sleep(max(begun + pace * number - time.monotonic(), 0.0))
                connection.sendall(wire.acquisition_message(head, samples.tobytes()))
            ended[0] = time.monotonic()
            connection.sendall(wire.close_message())
        except OSError:  # refused: the reason is in what was received
            ended[0] = time.monotonic()
        listener.join(timeout)
        received.seconds = time.monotonic() - begun
    if not received.closed and not received.images:
        raise InputError("; ".join([f"{host}:{port}: {BROKEN_OFF}, before any image", *received.texts[-1:]]))
    return received


def _receive(stream: BinaryIO, received: Received, ended: list[float]) -> None:
    def exactly(count: int) -> bytes:
        data = stream.read(count)
        if len(data) < count:
            raise EOFError
        return data

    try:
        while True:
            (identifier,) = struct.unpack("<H", exactly(2))
            if identifier == wire.CLOSE:
                received.closed = True
                return
            if identifier == wire.TEXT:
                (length,) = struct.unpack("<I", exactly(4))
                received.texts.append(wire.up_to_nul(exactly(length)).decode("utf-8", "replace"))
            elif identifier == wire.IMAGE:
                head = HEAD.unpack(exactly(wire.IMAGE_BYTES))
                (length,) = struct.unpack("<Q", exactly(8))
                attributes = exactly(length).decode()
                columns, rows = head[4], head[5]
                kind = np.dtype(PIXELS[head[1]])
                pixels = np.frombuffer(exactly(rows * columns * kind.itemsize), kind).reshape(rows, columns)
                after = time.monotonic() - ended[0]
                received.images.append(ReceivedImage(head[38], head[37], head[27], pixels, head, attributes, after))
            else:
                return
    except (OSError, EOFError):
        return


def save_images(path: Path, header: str, received: Received) -> None:
    """Write images as ISMRMRD does: a group for each series, whole or not at all."""
    import ismrmrd

    from rsd_mri.files.hdf5 import hdf5_target

    with hdf5_target(path) as target, ismrmrd.Dataset(target, "dataset") as file:
        file.write_xml_header(header.encode())
        for one in received.images:
            image = ismrmrd.Image(HEAD.pack(*one.head), one.attributes)
            image.data[:] = one.pixels
            file.append_image(f"image_{one.series}", image)
