"""`rsd-mri serve` as a process, and a client of it by ismrmrd's own serializer."""

import contextlib
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ConfigFile, ISMRMRDMessageID, ProtocolDeserializer, ProtocolSerializer

from rsd_mri.scan.writing import header_of

ROOT = Path(__file__).parents[1]


class Running:
    """A server process: its lines on stdout as they come, and its log."""

    def __init__(self, folder, *options):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.log = folder / "log.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rsd_mri", "--debug", "serve", "--port", "0", "--json", *map(str, options)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        self.events = queue.Queue()
        self.seen = []
        threading.Thread(target=self._listen, daemon=True).start()
        self.port = self.event("listening")["port"]

    def _listen(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def event(self, kind, **wanted):
        """The next event of a kind, with these values."""
        while True:
            for found in self.seen:
                if found["event"] == kind and all(found[k] == v for k, v in wanted.items()):
                    self.seen.remove(found)
                    return found
            self.seen.append(self.events.get(timeout=60) or pytest.fail(f"the server ended: {self.log.read_text()}"))

    def forget(self):
        """Leave what happened so far behind."""
        self.seen.clear()
        while not self.events.empty():
            self.events.get()

    def connect(self, timeout=600):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


def header_text(scan, **replaced):
    text = header_of(scan)
    for old, new in replaced.values():
        assert old in text
        text = text.replace(old, new)
    return text


def acquisitions(scan, *, noise=True, flags=True, slices=None, order=None):
    """Lines of a scan as `ismrmrd` builds them, flagged as a scanner flags them."""
    made = []
    if noise and scan.noise is not None:
        made.append(line(scan.noise))
        made[-1].setFlag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    lines = np.flatnonzero(scan.mask)
    slices = range(scan.n_slices) if slices is None else slices
    for slice_ in slices:
        for column in lines if order is None else lines[order]:
            one = line(scan.kspace[slice_, :, :, column], int(column), slice_)
            place(one, scan, slice_)
            made.append(one)
        if flags:
            made[-1].setFlag(ismrmrd.ACQ_LAST_IN_SLICE)
    if flags:
        made[-1].setFlag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)
    return made


def line(samples, number=0, slice_=0):
    one = ismrmrd.Acquisition.from_array(np.ascontiguousarray(samples, np.complex64))
    one.center_sample, one.sample_time_us = samples.shape[1] // 2, 5.0
    one.idx.kspace_encode_step_1, one.idx.slice = number, slice_
    one.version = 1
    return one


def place(one, scan, slice_):
    geometry = scan.geometry
    one.position[:] = geometry.positions[slice_]
    one.read_dir[:], one.phase_dir[:] = geometry.read_direction, geometry.phase_direction
    one.slice_dir[:] = geometry.slice_direction
    one.measurement_uid, one.acquisition_time_stamp = 4711, 1000 + one.idx.kspace_encode_step_1
    one.patient_table_position[:] = (1, 2, 3)


class Answer:
    """What a server sent back."""

    def __init__(self):
        self.images, self.texts, self.closed = [], [], False

    def series(self, number):
        return [one for one in self.images if one.image_series_index == number]

    def pixels(self, number):
        return np.stack([one.data[0, 0] for one in self.series(number)])

    def said(self, level):
        return [text[9:] for text in self.texts if text.startswith(level.ljust(8) + " ")]


class Talk:
    """A connection by ismrmrd's own serializer, a header with the NUL that scanners send, and its own deserializer."""

    def __init__(self, server, config="default", header=None, parameters=None):
        self.socket = server.connect()
        self.name = self.socket.getsockname()
        self.out = self.socket.makefile("wb")
        self.writer = ProtocolSerializer(self.out)
        if config is not None:
            self.writer.serialize(ConfigFile(config))
        if header is not None:
            self.send_header(header)
        if parameters is not None:
            self.writer.serialize(json.dumps({"version": "1.1.0", "parameters": parameters}))
        self.out.flush()

    def send_header(self, text):
        data = text.encode() + b"\0"
        self.out.write(struct.pack("<HI", ISMRMRDMessageID.HEADER, len(data)) + data)

    def send(self, things):
        for one in things:
            self.writer.serialize(one)
        self.out.flush()
        return self

    def raw(self, data):
        self.out.write(data)
        self.out.flush()
        return self

    def close(self):
        self.writer.close()
        return self

    def next(self):
        """The next message."""
        if not hasattr(self, "_incoming"):
            self._file = self.socket.makefile("rb")
            self._incoming = ProtocolDeserializer(self._file).deserialize()
        return next(self._incoming)

    def answer(self):
        """Everything up to CLOSE; nothing may follow it."""
        found = Answer()
        while True:
            try:
                one = self.next()
            except StopIteration:
                found.closed = True
                break
            except (EOFError, ConnectionError):
                break
            (found.images if isinstance(one, ismrmrd.Image) else found.texts).append(
                one if isinstance(one, ismrmrd.Image) else one.rstrip("\0")
            )
        if found.closed:
            self.out.close()
            with contextlib.suppress(OSError):  # shut before
                self.socket.shutdown(socket.SHUT_WR)
            assert self._file.read() == b""
        self._file.close()
        self.socket.close()
        return found


def ask(server, scan, config="default", parameters=None, header=None, **how):
    """A whole measurement."""
    talk = Talk(server, config, header or header_text(scan), parameters)
    return talk.send(acquisitions(scan, **how)).close().answer()
