"""The frames of a scan together: maps from their average, methods that see all at once, a start for samplers."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from rsd_mri.coils.noise import scan_noise
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators import Sense
from rsd_mri.preparation.partial_fourier import partial_fourier_of
from rsd_mri.preparation.prepare import SliceMaps, calibrate_volume
from rsd_mri.preparation.prepared_scan import KEPT_BYTES, PreparedScan
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.classical.direct import Direct
from rsd_mri.reconstruction.classical.table import CLASSICAL, Movie
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.moved import Moved, look_for_motion
from rsd_mri.reconstruction.posterior_method import Posterior
from rsd_mri.reconstruction.reconstruct import CPU, reconstruct_scan
from rsd_mri.reconstruction.started import START, FramesTrial, Started, as_kind, near_start, slices_of
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.sampling import MIN_CENTRE, fully_sampled_centre
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.shared_centre import OTHER_IMAGES

if TYPE_CHECKING:
    from rsd_mri.corruption.corruption import Key

AHEAD = 0.8
"""Share of the work that is done once a method has seen all frames at once."""


@dataclass(frozen=True)
class Frame:
    """One frame of a file, ready to be reconstructed."""

    prepared: PreparedScan
    method: Method
    """As asked for; where it sees all frames at once, or starts from them, what they gave is at hand already."""
    together: Sequence[PreparedScan]
    """The frames that the method sees at once: this one alone, or all of its stack."""

    @cached_property
    def moved(self) -> Moved:
        """The same with motion between its segments looked for; once, for all that is done with it."""
        return look_for_motion(self.prepared)


def frames_in_turn(
    scans: Sequence[Scan],
    settings: PrepSettings | None,
    method: Method,
    device: torch.device,
    progress: Progress = SILENT,
) -> Iterator[Frame]:
    """Prepare the frames of all stacks of a file one after the other, as they are asked for.

    Where a frame has no fully sampled centre, or the method sees all frames at once, the frames of a stack share maps,
    scale and noise level, which are found from their average over time; else each has its own, and is not held when the
    next is made. The phase of all images of a stack is against the same combination of coils.

    Parameters
    ----------
    scans
        As read.
    settings
        How to prepare.
    method
        Asked for.
    device
        Where to compute.
    progress
        Told the share done of what all frames of a stack give together.

    Raises
    ------
    InputError
        If a scan cannot be prepared, or the method needs several frames and there is one.
    """
    settings = settings or PrepSettings()
    kept = KEPT_BYTES // len(scans)
    for stack in dict.fromkeys(scan.stack for scan in scans):
        frames = [scan for scan in scans if scan.stack == stack]
        if isinstance(method, Movie) and len(frames) < 2:
            raise InputError(
                f"{frames[0].source}: --method {method.name} sees several frames at once, and there is one; "
                "take --method tv"
            )
        if not _share(frames, method):
            first = None
            for frame in frames:
                one = PreparedScan.of(frame, settings, beside=first, kept_bytes=kept)
                first = first or one.volume
                yield Frame(one, method, [one])
            continue
        prepared = [replace(one, kept_bytes=kept) for one in _shared(frames, settings)]
        hows = _methods_of(prepared, method, device, progress)
        for one, how in zip(prepared, hows, strict=True):
            yield Frame(one, how, prepared if isinstance(method, Movie) else [one])


def each_frame(
    scans: Sequence[Scan],
    settings: PrepSettings | None,
    method: Method,
    device: torch.device,
    progress: Progress = SILENT,
) -> Iterator[tuple[Frame, Progress]]:
    """As `frames_in_turn`, each frame with its part of the progress; what all of a stack give together has its own."""
    one_stack = len({scan.stack for scan in scans}) == 1
    ahead = AHEAD if isinstance(method, Movie) and one_stack else 0.0
    frames = frames_in_turn(scans, settings, method, device, progress.part(0.0, ahead) if ahead else SILENT)
    yield from progress.part(ahead, 1.0).each(frames, count=len(scans))


def reconstruct_frame(
    frame: Frame,
    *,
    seed: int = 0,
    device: torch.device = CPU,
    held_out: bool = True,
    adapt: bool = False,
    progress: Progress = SILENT,
) -> Reconstruction:
    """Reconstruct one frame as `reconstruct_scan` does a scan; its time is its share of what all took together."""
    method = frame.method
    rec = reconstruct_scan(
        frame.moved, method, seed=seed, device=device, held_out=held_out, adapt=adapt, progress=progress
    )
    if isinstance(method, Found):
        return replace(rec, seconds=np.full_like(rec.seconds, method.took))
    return rec


def _share(frames: Sequence[Scan], method: Method) -> bool:
    """Whether frames are to share their maps.

    Raises
    ------
    InputError
        If the method sees them at once and they are not alike.
    """
    if len(frames) < 2:
        return False
    alike = len({(frame.kspace.shape, frame.image_size) for frame in frames}) == 1
    if isinstance(method, Movie):
        if not alike:
            raise InputError(
                f"{frames[0].source}: --method {method.name} sees all frames at once, and they differ in size; take "
                "--method tv"
            )
        return True
    # A calibration that is one for all is the average's, as readers of records give it.
    shared = all(frame.calibration is frames[0].calibration for frame in frames)
    return alike and any(
        (shared or frame.calibration is None) and min(fully_sampled_centre(frame.mask, frame.size)) < MIN_CENTRE
        for frame in frames
    )


def average_of(frames: Sequence[Scan]) -> Scan:
    """The average of frames over those that measured each point."""
    masks = [np.broadcast_to(frame.mask, frame.size) for frame in frames]
    count = np.maximum(np.sum(masks, axis=0), 1)
    total = np.zeros_like(frames[0].kspace)
    for frame in frames:
        total += np.where(frame.mask, frame.kspace, 0)
    union = np.any(masks, axis=0)
    mask = union[0] if all(frame.mask.ndim == 1 for frame in frames) else union
    return replace(frames[0], kspace=(total / count).astype(np.complex64), mask=mask)


def _shared(frames: Sequence[Scan], settings: PrepSettings) -> list[PreparedScan]:
    average = average_of(frames)
    # The average has less noise than a frame: the level is that of the frame.
    volume = calibrate_volume(average, settings, scan_noise(frames[0]))
    one = (
        f"the average over {len(frames)} frames"
        if average.calibration is None
        else f"one centre for {len(frames)} frames"
    )
    reason = f"from {one}; {volume.sets_reason}"
    found = []
    maps: dict[int, SliceMaps] = {}
    for frame in frames:
        partial = None if volume.partial is None else partial_fourier_of(frame.mask, frame.size)
        own = fully_sampled_centre(frame.mask, frame.size)
        found.append(
            PreparedScan(
                frame,
                settings,
                replace(volume, sets_reason=reason, acs=own, partial=partial or volume.partial),
                shared_maps=maps,
            )
        )
    return found


def _methods_of(
    frames: Sequence[PreparedScan], method: Method, device: torch.device, progress: Progress
) -> list[Method]:
    """The method of each frame of a stack that shares its maps."""
    if isinstance(method, Movie):
        images, seconds = _together(frames, method, device, progress)
        return [Found(method.name, method.title, of_frame, seconds) for of_frame in images]
    if isinstance(method, Posterior) and method.sampler.network is None and _interleaved(frames):
        images, _ = _together(frames, CLASSICAL[START], device, progress)
        trial = FramesTrial.of(frames, device)
        lower = replace(method, sampler=near_start(method.sampler, trial.error))
        return [as_kind(Started, lower, images=tuple(of_frame), error=trial.error, trial=trial) for of_frame in images]
    return [method] * len(frames)


def _interleaved(frames: Sequence[PreparedScan]) -> bool:
    """Whether frames are the object at other times, and measured different points."""
    first = frames[0].scan
    in_time = all(frame.scan.frame.get(name) == first.frame.get(name) for frame in frames for name in OTHER_IMAGES)
    return in_time and any((frame.scan.mask != first.mask).any() for frame in frames)


def _together(
    frames: Sequence[PreparedScan], method: Method, device: torch.device, progress: Progress
) -> tuple[list[list[Tensor]], float]:
    """Images of each frame and slice, [(set,) readout, phase_encode], and the seconds a slice of a frame took."""
    slices = []
    begun = time.perf_counter()
    for index, _ in progress.each(range(len(frames[0]))):
        some = [frame[index] for frame in frames]
        operator, kspace = as_operator(some, device)
        slices.append(method.run(operator, kspace, some[0].sigma, ()).cpu())
    seconds = (time.perf_counter() - begun) / (len(frames) * max(len(slices), 1))
    return [[one[place] for one in slices] for place in range(len(frames))], seconds


@dataclass(frozen=True)
class Found(Direct):
    """What a method that saw all frames at once found of one of them."""

    name: str
    title: str
    images: list[Tensor]
    """Of each slice."""
    took: float
    """Seconds a slice."""

    prior: ClassVar[None] = None

    def run(
        self,
        operator: Sense,  # noqa: ARG002
        kspace: Tensor,
        sigma: float | Tensor,  # noqa: ARG002
        keys: "Sequence[Key]" = (),
        progress: Progress = SILENT,  # noqa: ARG002
        first: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """The images of the slices that the keys name."""
        return torch.stack([self.images[number] for number in slices_of(keys)]).to(kspace.device)
