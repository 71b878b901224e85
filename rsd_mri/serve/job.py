"""The work of one connection, in steps: slices that are whole become scans, scans become images."""

import re
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.machine.progress import Progress
from rsd_mri.scan.header import parse_header
from rsd_mri.scan.shared_centre import with_centre_of
from rsd_mri.serve.discretion import Discretion
from rsd_mri.serve.facts import facts_of
from rsd_mri.serve.faults import fault, plain
from rsd_mri.serve.measurement import SOURCE, Key, Measurement, Volume, check_matrix
from rsd_mri.serve.methods import Classical, Learned, Prepared, SliceResult, prepare, remarks_of
from rsd_mri.serve.pipe import Reply
from rsd_mri.serve.results import Frame, Results, Send, frame_of
from rsd_mri.serve.saving import save_raw
from rsd_mri.serve.scale import energies, settle_scale
from rsd_mri.serve.settings import PREVIEW, Settings
from rsd_mri.serve.work import Shop, Work, across, same_frame, same_slices, same_stack, turn_of

OF_A_PART = re.compile(r"the header says \d+ slices|have no record")
"""Notes of the reader on slices that are not there."""
CARTESIAN = (None, "cartesian", "epi")


class Dropped(Exception):
    """The connection is over: its work is of no use any more."""


class Job:
    """One connection's work.

    The server's frames come in one thread, the steps of classical images are taken in a second and those of learned
    methods in a third.
    """

    def __init__(self, number: int, settings: Settings, shop: Shop, send: Send) -> None:
        self.number, self.settings, self.shop, self._send = number, settings, shop, send
        self.dropped = self.closed = False
        self.measurement: Measurement | None = None
        self.discretion = Discretion()
        self.results = Results(settings, send, self.discretion)
        self.works: list[Work] = []
        self.lock = threading.Lock()
        self._stepping = 0
        self._noise_asked = False

    @property
    def _known(self) -> Measurement:
        if self.measurement is None:
            raise RuntimeError("no header has come")
        return self.measurement

    # What comes.

    def take_header(self, text: str) -> None:
        """Understand the header.

        Raises
        ------
        InputError
            If it says what cannot be read.
        """
        self.discretion = Discretion(text)
        self.results = Results(self.settings, self._send, self.discretion)
        header = parse_header(text, SOURCE)
        check_matrix(header)
        self.facts = facts_of(text)
        self.text = text
        self.measurement = Measurement(header, text, self.facts.alone)
        self.turn = turn_of(self.shop.flip, header.vendor)

    def take_line(self, data: bytes) -> None:
        """Take a record.

        Raises
        ------
        InputError
            If it is a line of an image that is not Cartesian.
        """
        if self.measurement is None:
            return
        with self.lock:
            first = not self.measurement.has_lines
            self.measurement.add(data)
            cartesian = self.measurement.header.trajectory in CARTESIAN or self.settings.task != "reconstruct"
            if first and self.measurement.has_lines and not cartesian:
                raise InputError(
                    "the trajectory is not Cartesian; expected cartesian or epi; save the raw data and take 'rsd-mri "
                    "recon', which reads trajectories"
                )

    def take_end(self) -> None:
        """No more will come."""
        if self.measurement is None:
            return
        with self.lock:
            self.measurement.end_here()
            self.measurement.ended = True

    # What there is to do.

    def quick_in(self) -> float | None:
        """Seconds until a classical step can be taken; None where none is in sight."""
        if self.dropped or self.closed or self.measurement is None:
            return None
        if any(self._unshown(work) for work in self.works):
            return 0.0
        with self.lock:
            if self.settings.task == "savedataonly":
                return 0.0 if self.measurement.ended else None
            wait = self.measurement.wait()
            if wait is not None:
                return wait
            return 0.0 if self.measurement.ended and self._all_done() else None

    def slow_due(self) -> bool:
        """Whether a step of a learned method can be taken."""
        if self.dropped or self.closed or self.settings.learned is None:
            return False
        return self._next_unsampled() is not None and not any(self._unshown(work) for work in self.works)

    def _unshown(self, work: Work) -> bool:
        return work.prepared is None or (self.settings.classical is not None and work.shown < work.count)

    def _next_unsampled(self) -> Work | None:
        return next((w for w in self.works if w.prepared is not None and w.sampled < w.count), None)

    def _all_done(self) -> bool:
        if self._stepping:
            return False
        if any(self._unshown(work) for work in self.works):
            return False
        return self.settings.learned is None or all(work.sampled >= work.count for work in self.works)

    # Steps.

    def quick_step(self) -> None:
        """Read slices that are whole, settle what a volume shares, show one slice, or end."""
        work = next((w for w in self.works if self._unshown(w)), None)
        if self.settings.task == "savedataonly":
            self._end()
        elif work is None:
            with self.lock:
                keys = self._known.due()
            if keys:
                self._read(keys)
            elif self._known.ended:
                self._end()
        elif work.prepared is None:
            self._prepare(work)
        else:
            index, work.shown = work.shown, work.shown + 1
            method = self.settings.classical or PREVIEW
            prepared = work.prepared
            self._guarded(work, index, lambda: self._show(work, index, prepared, method))

    def slow_step(self, pause: Callable[[], None]) -> None:
        """Reconstruct one slice by the learned method; `pause` is called now and then."""
        work = self._next_unsampled()
        if work is None or work.prepared is None:
            return
        self._stepping += 1
        try:
            index, prepared = work.sampled, work.prepared
            self._guarded(work, index, lambda: self._sample(work, index, prepared, pause))
        finally:
            work.sampled += 1
            self._stepping -= 1

    def _guarded(self, work: Work, index: int, step: Callable[[], None]) -> None:
        """Let a slice fail alone."""
        place = work.volume.places[0 if work.volume.is_3d else index]
        try:
            step()
        except InputError as error:
            self.results.say("ERROR", f"slice {place.counter} could not be reconstructed: {plain(error)}")
        except Dropped:
            raise
        except Exception as error:  # noqa: BLE001 - what one scan provokes must not end the others
            self.results.say("ERROR", f"slice {place.counter} could not be reconstructed: {fault(error)}")

    def _read(self, keys: Sequence[Key]) -> None:
        """Make scans of slices."""
        measurement = self._known
        if not self._noise_asked:
            self._noise_asked = True
            if not measurement.has_noise:
                with self.lock:
                    lines, sentence = self.shop.noise.find(self.facts, measurement.coils)
                    measurement.add_noise(lines)
                if sentence is not None:
                    self.results.say("WRN", sentence)
        for volume in self._volumes(keys):
            begun = sum(w.count for w in self.works if same_frame(w.volume, volume))
            own = tuple(key for key in keys if volume.holds(key))
            self.works.append(Work(volume, own, energies(volume.scan.kspace), begun))

    def _volumes(self, keys: Sequence[Key]) -> list[Volume]:
        """Scans of slices; those that spoil the others' are left out by name."""
        measurement = self._known
        good: list[Key] = []
        for key in keys:
            reason = measurement.refusal(key)
            if reason is None:
                good.append(key)
            else:
                self._lost(key, reason)
        if not good:
            return []
        try:
            found = list(measurement.volumes(good, self.shop.memory))
        except InputError as error:
            if self._put_back(good):
                return []
            if len(good) == 1:
                self._lost(good[0], plain(error))
                return []
            return self._one_by_one(good, error)
        for key in good:
            if not any(volume.holds(key) for volume in found):
                self._lost(key, "its lines are of other coils than the others, or too few")
        return found

    def _one_by_one(self, keys: Sequence[Key], error: InputError) -> list[Volume]:
        """Find the slices that can be read, and read these together if that is possible."""
        measurement = self._known
        single: dict[Key, list[Volume]] = {}
        for key in keys:
            try:
                single[key] = list(measurement.volumes([key], self.shop.memory))
            except InputError as own:
                self._lost(key, plain(own))
        if 1 < len(single) < len(keys):
            try:
                return list(measurement.volumes(list(single), self.shop.memory))
            except InputError as again:
                error = again
        if len(single) > 1:
            self.results.say("WRN", f"the slices do not fit together and are reconstructed each alone: {plain(error)}")
        return [volume for volumes in single.values() for volume in volumes]

    def _put_back(self, keys: Sequence[Key]) -> bool:
        """Try again with what is still to come: another frame may hold the centre of k-space."""
        with self.lock:
            return self._known.put_back(keys)

    def _lost(self, key: Key, reason: str) -> None:
        self.results.say("ERROR", f"slice {key[-1]} could not be reconstructed: {reason}")

    def _prepare(self, work: Work) -> None:
        """Settle what the slices of a volume share."""
        settled = [w for w in self.works if w.prepared is not None and same_stack(w.volume, work.volume)]
        like = next((w.prepared for w in settled if same_frame(w.volume, work.volume)), None)
        beside = settled[0].prepared if settled else None
        earlier = [w.volume.scan for w in settled if same_slices(w.volume, work.volume)]
        try:
            prepared = prepare(with_centre_of(work.volume.scan, earlier), like, beside)
        except InputError as error:
            self.works.remove(work)
            if not self._put_back(work.keys):
                for key in work.keys:
                    self._lost(key, plain(error))
            return
        with self.lock:
            self._known.forget(work.keys)
        work.prepared = prepared
        warnings, remarks = remarks_of(prepared)
        for sentence in warnings:
            # What a part of the slices lacks is on its way, or came before.
            if not (self._known.in_parts and OF_A_PART.search(sentence)):
                self.results.say("WRN", sentence)
        for sentence in remarks:
            self.results.say("DBG", sentence)
        work.doubts = tuple(s for s in warnings if s.startswith("the noise level is unknown"))

    def _show(self, work: Work, index: int, prepared: Prepared, method: str) -> None:
        result = Classical(method, self.shop.device).run(prepared, index)
        for each, frame in self._ready(work, index, result):
            self._settle_scale(work, index, each.magnitude)
            self.results.classical(each, method, frame, work.doubts)

    def _sample(self, work: Work, index: int, prepared: Prepared, pause: Callable[[], None]) -> None:
        pause()
        method = self.settings.learned or "posterior"
        if work.learned is None:
            loaded = self.shop.loaded()
            if loaded.prior is None:
                raise InputError("this installation carries no prior; start the server with --prior RUN")
            learned = Learned(
                method, self.settings.samples, self.settings.seed, loaded.device, loaded.prior, loaded.interval
            )
            learned.settle(prepared, Progress.of(lambda share: pause()))  # noqa: ARG005
            work.learned = learned
        complexes = self.settings.sendsamples and self.settings.pixels == "complex"
        number = work.offset + index
        result = work.learned.run(prepared, index, number, Progress.of(lambda share: pause()), complexes)  # noqa: ARG005
        pause()
        for sentence in result.distrust:
            self.results.say("WRN", sentence)
        for sentence in result.remarks:
            self.results.say("DBG", sentence)
        for each, frame in self._ready(work, index, result):
            self._settle_scale(work, index, each.magnitude)
            self.results.learned(each, method, frame, work.doubts)

    def _ready(self, work: Work, index: int, result: SliceResult) -> list[tuple[SliceResult, Frame]]:
        """Images that a slice completes, and where they belong: itself, or all partitions of a 3-D acquisition."""
        volume = work.volume
        header = self._known.header.encoding(int(volume.places[0].head["encoding_space_ref"]))
        if not volume.is_3d:
            return [(result, frame_of(volume, volume.places[index], header, self.turn))]
        if index == 0:
            work.stack.clear()
        work.stack.append(result)
        if index < work.count - 1:
            return []
        if len(work.stack) < work.count:
            work.stack.clear()
            raise InputError("a position of its readout could not be reconstructed")
        images = across(work.stack)
        work.stack.clear()
        middle = len(images) // 2
        return [
            (image, frame_of(volume, volume.places[0], header, self.turn, number - middle))
            for number, image in enumerate(images)
        ]

    def _settle_scale(self, work: Work, index: int, magnitude: NDArray[np.float32]) -> None:
        if self.results.scale is not None:
            return
        others = [float(e) for w in self.works for e in w.energies if w.volume.is_3d == work.volume.is_3d]
        own = float(work.energies[index]) if not work.volume.is_3d else float(work.energies.max())
        alone = work.volume.is_3d or len(others) == 1
        self.results.scale = settle_scale(
            magnitude, own, () if alone else others, bits=self.facts.bits_stored,
            samples=self.settings.learned is not None and self.settings.classical is not None,
            more=not self._known.ended, whole_numbers=self.settings.pixels == "int16",
        )  # fmt: skip

    def _end(self) -> None:
        """Say what is left to say, and that all is done."""
        measurement = self._known
        self.closed = True
        if self.settings.task == "savedataonly" and self.shop.save is not None:
            try:
                path = save_raw(self.shop.save, self.number, self.text, measurement.all_records())
                self.results.say("DBG", f"the raw data are stored as {path.name}")
            except InputError as error:
                self.results.say("ERROR", plain(error))
        elif not measurement.has_lines and measurement.has_noise:
            self.results.say("DBG", self.shop.noise.keep(self.facts, measurement.noise()))
        elif not measurement.has_lines:
            self.results.say("WRN", "no line of an image came: there is nothing to reconstruct")
        if measurement.late:
            self.results.say("WRN", f"{measurement.late} lines came after their slice was whole and were left out")
        self._send(Reply.DONE, b"{}")
