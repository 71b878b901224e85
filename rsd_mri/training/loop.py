"""The training loop: batches, checkpoints, logs. It sees stages, not MRI."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric

from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.files import remove_partial
from rsd_mri.machine.progress import Progress
from rsd_mri.machine.randomness import key
from rsd_mri.training.ema import update_average
from rsd_mri.training.fabric import TrainOptions
from rsd_mri.training.log import MetricsLog, require_tensorboard
from rsd_mri.training.stage import Stage
from rsd_mri.training.state import Best, resume_state, save_state
from rsd_mri.training.tally import Tally

Picture = Callable[[Path, Any], object]
"""(PNG file, magnitudes [image, y, x]): writes a contact sheet."""


AHEAD = 4
"""Batches drawn at a time where a device waits for them: keyed random numbers come from a processor."""


class Length(Protocol):
    """What the settings of every stage have."""

    @property
    def images(self) -> int:
        """Training length [images]."""

    @property
    def ema_halflife(self) -> int:
        """Of the averaged weights [images]."""


@dataclass(frozen=True)
class LoopSettings:
    """How long, and how often what is written."""

    images: int
    """Training length [images]."""
    checkpoint_seconds: float = 60.0
    log_images: int = 512
    previews: int = 4
    """Sample grids over the whole training."""
    ema_halflife: int = 10_000
    from_nothing: bool = True
    """Whether the network's first weights are no trained ones, which its average is to forget."""
    accumulate: int = 1
    """Parts that each process's share of a batch is taken in."""
    tensorboard: bool = False
    ahead: bool = False
    """Draw the next batches in threads while the device works on this one. It changes no result."""
    seconds: float = 0.0
    """Longest time of this call, 0 for as long as it takes. Falling learning rates fall by the time then, where it is
    ahead of the images; the result is written, and a later call goes on from the checkpoint."""

    @classmethod
    def of(cls, stage: Length, options: TrainOptions, fabric: Fabric, logs: int = 50) -> "LoopSettings":
        """Length and averaging from the protocol, the rest from the options; losses are written `logs` times."""
        return cls(
            stage.images,
            options.checkpoint_seconds,
            max(stage.images // logs, 1),
            ema_halflife=stage.ema_halflife,
            from_nothing=options.start is None,
            accumulate=options.accumulate,
            tensorboard=options.tensorboard,
            ahead=fabric.device.type != "cpu",
            seconds=options.seconds,
        )


def run_stage(
    stage: Stage,
    fabric: Fabric,
    folder: Path,
    settings: LoopSettings,
    identity: Mapping[str, Json],
    progress: Progress,
    picture: Picture | None = None,
) -> int:
    """Train a stage to its end, continuing from its checkpoint where there is one.

    Everything random is keyed by the running number of the image, so a run that was stopped and continued
    gives the same weights as one that was not. Where the stage is judged, the last averaged weights that
    came as close to the data as any, up to chance, are the result.

    Parameters
    ----------
    stage
        What to train.
    fabric
        Set up and launched.
    folder
        The run folder; all processes see it.
    settings
        Length and intervals.
    identity
        What a checkpoint must agree with to be continued (protocol hash, data hash).
    progress
        Told of the stage and its losses a few times a second at most, in the first process.
    picture
        Writes sample grids; none without it.

    Returns
    -------
    int
        Images seen in this call.

    Raises
    ------
    InputError
        If the checkpoint belongs to another protocol or other data, or the batch cannot be shared.
    """
    share, rest = divmod(stage.batch, fabric.world_size * settings.accumulate)
    if rest or not share:
        raise InputError(
            f"{stage.name}: a batch of {stage.batch} cannot be shared by {fabric.world_size} devices in "
            f"{settings.accumulate} parts each; choose a batch that divides evenly"
        )
    if settings.tensorboard:
        require_tensorboard()
    path = folder / "checkpoint" / f"{stage.name}.safetensors"
    images, best = resume_state(stage, fabric, path, identity) if path.is_file() else (0, None)
    fabric.barrier()  # nothing is written before every process has read it
    first = fabric.is_global_zero
    if first:
        for file in (path, folder / f"{stage.name}.safetensors", folder / "metrics.csv"):
            remove_partial(file)
    start, started, saved, logged = images, time.monotonic(), time.monotonic(), images
    tally = Tally()
    log = MetricsLog(folder, stage.name, images, settings.tensorboard) if first else None
    # Of the schedule: images, or further on where the time is shorter than they would take.
    place, late = images, False
    for parts, position in _batches(stage, fabric, settings, images, share):
        # Dropout is the one consumer of the global generator; it too is keyed, and the caller's state is kept.
        with torch.random.fork_rng([fabric.device] if fabric.device.type == "cuda" else []):
            torch.manual_seed(key(stage.name, "dropout", position))
            for name, losses in stage.step(fabric, parts, place).items():
                tally.add(name, losses)
        images += stage.batch
        for name, average in stage.averages.items():
            counted = images if settings.from_nothing else settings.images
            update_average(average, stage.modules[name], stage.batch, counted, settings.ema_halflife)
        if settings.seconds:
            spent = (time.monotonic() - started) / settings.seconds
            place = min(start + int(spent * (settings.images - start)), settings.images)
            # All processes stop at the same step.
            late = bool(fabric.broadcast(spent >= 1)) if fabric.world_size > 1 else spent >= 1
        place = max(place, images)
        last = late or images >= settings.images
        values: dict[str, float] = {}
        if images - logged >= settings.log_images or last:
            values, logged = tally.take(fabric), images
            if first:
                latest = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if "sigma" not in name)
                progress.step(stage.name)(images / settings.images, latest)
        if stage.judged_every and (_passes(images, stage.batch, stage.judged_every) or last):
            distance = stage.judge(fabric)
            values["proximal distance"] = distance
            if first:
                best = Best.after(best, stage, distance, images, place > settings.images - stage.cooldown)
        if log is not None and values:
            log.write(images, time.monotonic() - started, values)
        if picture and first and _passes(images, stage.batch, max(settings.images // max(settings.previews, 1), 1)):
            picture(folder / "samples" / f"{stage.name}-{images:09d}.png", stage.preview(9).cpu().numpy())
        # The first process alone decides and writes: the others need not know.
        if first and (last or time.monotonic() - saved > settings.checkpoint_seconds):
            save_state(stage, fabric, path, images, identity, best)
            saved = time.monotonic()
        if late:
            break
    if log is not None:
        log.close()
    # A result that nothing was added to keeps its bytes: what was made with it is known by their hash.
    if first and (images > start or not (folder / f"{stage.name}.safetensors").is_file()):
        if best is not None:
            best.put_back(stage)
        stage.finish(best.facts if best is not None else {})
    fabric.barrier()
    return images - start


def _batches(
    stage: Stage, fabric: Fabric, settings: LoopSettings, images: int, share: int
) -> Iterator[tuple[list[Any], int]]:
    """Every batch to come: this process's parts to come, and the running number of their first image."""
    size = share * settings.accumulate

    def parts(begin: int) -> tuple[list[Any], int]:
        position = begin + fabric.global_rank * size
        places = range(position, position + size)
        return [stage.draw(places[i : i + share]) for i in range(0, size, share)], position

    begins = range(images, settings.images, stage.batch)
    if not settings.ahead:
        yield from map(parts, begins)
        return
    with ThreadPoolExecutor(AHEAD, "draw") as threads:
        coming = deque(threads.submit(parts, begin) for begin in begins[:AHEAD])
        for following in range(len(coming), len(begins) + len(coming)):
            ready = coming.popleft().result()
            if following < len(begins):
                coming.append(threads.submit(parts, begins[following]))
            yield ready


def _passes(images: int, batch: int, every: int) -> bool:
    """Whether the batch that led to so many images passed a multiple of `every`."""
    return images // every > (images - batch) // every
