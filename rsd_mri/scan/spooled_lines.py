"""3-D k-space too large for memory: its lines put aside on disk as they come, and read back along the other axis.

Of a 3-D acquisition only lines that were measured are kept. They come in any order, one readout each; slices across the
readout need one point of every line. A few lines at a time are transformed and put aside position by position.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.scratch import Scratch
from rsd_mri.files.slices import Slices

BLOCK_BYTES = 1 << 25
"""Lines that are transformed at a time [bytes]."""
COMPLEX_BYTES = 8


class SpooledLines(Slices):
    """K-space [partition, coil, readout, phase_encode] of which the lines that were measured lie on disk.

    Parameters
    ----------
    shape
        Of k-space.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        super().__init__(shape, np.dtype(np.complex64))
        self.places: NDArray[np.int64] = np.full((shape[0], shape[3]), -1, np.int64)
        """[partition, phase_encode]: which line of the file it is; -1 where none was measured."""
        self._times: list[int] = []
        self._reversed = False
        self._file = Scratch()

    @property
    def line_bytes(self) -> int:
        """Of one line of all coils."""
        return self.shape[1] * self.shape[2] * COMPLEX_BYTES

    def add(self, partition: int, line: int, start: int, samples: NDArray[np.complex64]) -> None:
        """Add samples [coil, sample] to a line, from a place of the readout on; of several the mean is read."""
        place = int(self.places[partition, line])
        if place < 0:
            place = self.places[partition, line] = len(self._times)
            self._times.append(0)
            whole = np.zeros((self.shape[1], self.shape[2]), np.complex64)
        else:
            whole = self._stored(place, place + 1)[0]
        whole[:, start : start + samples.shape[1]] += samples
        self._times[place] += 1
        self._file.write(place * self.line_bytes, whole.data)

    def lines(self, first: int, stop: int) -> NDArray[np.complex64]:
        """Lines of the file as they are to be used, [line, coil, readout]."""
        found = self._stored(first, stop)
        times = np.array(self._times[first:stop], np.float32)
        if (times > 1).any():
            found /= times[:, None, None]
        if self._reversed:
            even = 1 - found.shape[-1] % 2
            found[..., even:] = found[..., even:][..., ::-1].copy()
        return found

    def read(self, index: int) -> NDArray[np.complex64]:
        """One partition, [coil, readout, phase_encode]."""
        out: NDArray[np.complex64] = np.zeros(self.shape[1:], np.complex64)
        for line in np.flatnonzero(self.places[index] >= 0):
            place = int(self.places[index, line])
            out[..., line] = self.lines(place, place + 1)[0]
        return out

    def turn(self) -> None:
        """Reverse all encoded axes about index n // 2."""
        for axis in (0, 1):
            view = np.moveaxis(self.places, axis, 0)
            even = 1 - len(view) % 2
            view[even:] = view[even:][::-1].copy()
        self._reversed = not self._reversed

    def drop_first_line(self) -> None:
        """Leave index 0 of the phase encode out."""
        self.places[:, 0] = -1

    def across(self, start: int, count: int) -> "SlicesAcross":
        """Slices at `count` positions of the transformed readout, from `start` on."""
        import torch

        from rsd_mri.operators.fourier import ifft1c

        made = SlicesAcross((count, self.shape[1], self.shape[3], self.shape[0]), self.places, len(self._times))
        step = max(BLOCK_BYTES // self.line_bytes, 1)
        for first in range(0, len(self._times), step):
            lines = torch.from_numpy(self.lines(first, min(first + step, len(self._times))))
            made.put(first, ifft1c(lines, dim=-1)[..., start : start + count].permute(2, 0, 1).contiguous().numpy())
        return made

    def _stored(self, first: int, stop: int) -> NDArray[np.complex64]:
        data = self._file.read(first * self.line_bytes, (stop - first) * self.line_bytes)
        return np.frombuffer(bytearray(data), np.complex64).reshape(stop - first, self.shape[1], self.shape[2])


class SlicesAcross(Slices):
    """Slices [position, coil, phase_encode, partition] of which the points that were measured lie on disk.

    Parameters
    ----------
    shape
        Of all slices.
    places
        [partition, phase_encode]: number of the point in the file; -1 where none was measured.
    count
        Of points.
    """

    def __init__(self, shape: tuple[int, int, int, int], places: NDArray[np.int64], count: int) -> None:
        super().__init__(shape, np.dtype(np.complex64))
        self.partition, self.phase_encode = np.nonzero(places >= 0)
        self.order = places[self.partition, self.phase_encode]
        self.count = count
        self._file = Scratch()

    @property
    def point_bytes(self) -> int:
        """Of one point of all coils."""
        return self.shape[1] * COMPLEX_BYTES

    def put(self, first: int, points: NDArray[np.complex64]) -> None:
        """Put points [position, point, coil] aside, the first of which has this number."""
        for position, some in enumerate(points):
            self._file.write((position * self.count + first) * self.point_bytes, some.data)

    def read(self, index: int) -> NDArray[Any]:
        """One slice, [coil, phase_encode, partition]."""
        size = self.count * self.point_bytes
        data = self._file.read(index * size, size)
        points = np.frombuffer(data, np.complex64).reshape(self.count, self.shape[1])
        out: NDArray[np.complex64] = np.zeros(self.shape[1:], np.complex64)
        out[:, self.phase_encode, self.partition] = points[self.order].T
        return out
