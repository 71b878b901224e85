"""What a job sends: images in their series, sentences once, all of it without what the header says of anybody."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.header import Header
from rsd_mri.scan.records import COUNTERS
from rsd_mri.scan.sizes import in_millimetres
from rsd_mri.serve.discretion import Discretion
from rsd_mri.serve.image_message import Described, encode
from rsd_mri.serve.measurement import Place, Volume
from rsd_mri.serve.methods import SliceResult
from rsd_mri.serve.pipe import Reply
from rsd_mri.serve.pixels import MOST_CLIPPED, on_matrix, real_on_matrix, stored, turned
from rsd_mri.serve.scale import Scale
from rsd_mri.serve.settings import Settings

Send = Callable[[Reply, bytes], None]
CLASSICAL, LEARNED, SPREAD, HALF_WIDTH, SAMPLES = 1, 2, 3, 4, 11
"""Series."""


@dataclass(frozen=True)
class Frame:
    """Where an image belongs."""

    place: Place
    position: tuple[float, float, float]
    field_of_view: tuple[float, float, float]
    matrix: tuple[int, int] | None
    """(readout, phase_encode) wanted."""
    turn: bool
    """Whether the image is turned by 180 degrees against the scan's."""
    label: str
    """What it is called in sentences."""


def frame_of(volume: Volume, place: Place, header: Header, turn: bool, partition: int | None = None) -> Frame:
    """Where an image of a volume belongs.

    Parameters
    ----------
    volume, place
        Scan and slice.
    header
        Of the image's encoding.
    turn
        As in `Frame`.
    partition
        Offset from the central one, of a 3-D acquisition.
    """
    scan, head = volume.scan, place.head
    asked = in_millimetres(header)[1]
    voxel = scan.geometry.voxel_size
    if volume.is_3d and voxel is not None:  # the scan's axes are phase encode, partition, readout
        voxel = (voxel[2], voxel[0], voxel[1])
    size = scan.image_size or scan.size
    if volume.is_3d:
        size = (scan.n_slices, size[0])
    if asked is None:
        sides = voxel or (1.0, 1.0, 1.0)
        asked = (size[0] * sides[0], size[1] * sides[1], sides[2])
    position = np.nan_to_num(head["position"].astype(float))
    if partition is not None and voxel is not None:
        position = position + partition * voxel[2] * np.nan_to_num(head["slice_dir"].astype(float))
    names = [f"{name} {number}" for name, number in zip(COUNTERS, volume.frame, strict=True) if number]
    label = ", ".join([f"slice {place.counter}", *names])
    matrix = None if header.recon is None else header.recon[:2]
    where = (float(position[0]), float(position[1]), float(position[2]))
    return Frame(place, where, asked, matrix, turn, label)


class Results:
    """Encodes and sends what is ready.

    Parameters
    ----------
    settings
        Of the connection.
    send
        Takes what goes to the server.
    discretion
        Of the header.
    """

    def __init__(self, settings: Settings, send: Send, discretion: Discretion) -> None:
        self.settings, self._send, self._discretion = settings, send, discretion
        self.scale: Scale | None = None
        self._index: Counter[int] = Counter()
        self._said: set[str] = set()

    @property
    def _settled(self) -> Scale:
        if self.scale is None:
            raise RuntimeError("the scale is settled before the first image")
        return self.scale

    def say(self, level: str, sentence: str) -> None:
        """Say something to the client, once."""
        sentence = self._discretion(" ".join(sentence.split()))
        if sentence not in self._said:
            self._said.add(sentence)
            self._send(Reply.SAY, f"{level:<8}{sentence}".encode("utf-8", "replace"))

    def classical(self, result: SliceResult, method: str, frame: Frame, doubts: Sequence[str]) -> None:
        """Series 1."""
        self._image(CLASSICAL, method, method, result.magnitude, result.image, frame, (*doubts, *result.distrust))

    def learned(self, result: SliceResult, method: str, frame: Frame, doubts: Sequence[str]) -> None:
        """Series 2, 3, 4 and those of samples."""
        doubts = (*doubts, *result.distrust)
        name = "posterior_mean" if method == "posterior" else method
        self._image(LEARNED, name, method, result.magnitude, result.image, frame, doubts)
        if self.settings.uncertainty:
            for series, name, values in ((SPREAD, "std", result.std), (HALF_WIDTH, "half_width", result.half_width)):
                if values is not None:
                    self._map(series, name, method, values, frame, doubts)
        if self.settings.sendsamples:
            images = result.sample_images or result.samples
            for number, (magnitude, image) in enumerate(zip(result.samples, images, strict=True)):
                self._image(SAMPLES + number, f"sample_{number + 1}", method, magnitude, image, frame, doubts)

    def _image(
        self,
        series: int,
        name: str,
        method: str,
        magnitude: NDArray[np.float32],
        image: NDArray[Any],
        frame: Frame,
        doubts: Sequence[str],
    ) -> None:
        scale, pixels = self._settled, self.settings.pixels
        values = self._fitted(magnitude, image, frame)
        if not np.isfinite(values).all():
            self.say("ERROR", f"{frame.label}: the {name} image has values that are not finite and is not sent")
            return
        if pixels == "int16":
            values, clipped = stored(values, scale.factor, scale.largest)
            if clipped > MOST_CLIPPED:
                self.say("WRN", f"{frame.label}: {clipped:.1%} of the pixels are brighter than can be stored")
        self._encode(values, frame, Described(series, 0, name, method, window=scale.window, comments=tuple(doubts)))

    def _fitted(self, magnitude: NDArray[np.float32], image: NDArray[Any], frame: Frame) -> NDArray[Any]:
        """Values on the matrix wanted, complex where that is asked for."""
        other = frame.matrix is not None and frame.matrix != magnitude.shape
        if self.settings.pixels != "complex" and not other:
            return magnitude
        whole = (magnitude * np.exp(1j * np.angle(image))).astype(np.complex64)
        if other:
            whole = on_matrix(whole, frame.matrix)  # type: ignore[arg-type]
        values: NDArray[Any] = whole if self.settings.pixels == "complex" else np.abs(whole)
        return values

    def _map(
        self, series: int, name: str, method: str, values: NDArray[np.float32], frame: Frame, doubts: Sequence[str]
    ) -> None:
        scale, pixels = self._settled, self.settings.pixels
        if frame.matrix is not None:
            values = real_on_matrix(values, frame.matrix)
        if not np.isfinite(values).all():
            self.say("ERROR", f"{frame.label}: the {name} image has values that are not finite and is not sent")
            return
        slope, largest = 1.0, float(values.max(initial=0)) * scale.factor
        kept: NDArray[np.generic] = values.astype(np.complex64 if pixels == "complex" else np.float32)
        if pixels == "int16":
            slope = largest / scale.largest if largest > 0 else 1.0
            kept = stored(values, scale.factor / slope, scale.largest)[0]
        window = (largest / 2, largest)
        described = Described(series, 0, name, method, True, slope, window, tuple(doubts))
        self._encode(kept, frame, described)

    def _encode(self, pixels: NDArray[np.generic], frame: Frame, described: Described) -> None:
        self._index[described.series] += 1
        comments = tuple(self._discretion(sentence) for sentence in described.comments)
        described = replace(described, index=self._index[described.series], comments=comments)
        if frame.turn:
            pixels = turned(pixels)
        place = frame.place
        data = encode(pixels.T, self.settings.pixels, place.head, frame.position, frame.field_of_view, described)
        self._send(Reply.IMAGE, data)
