"""The training loop: batches, checkpoints, logs. It sees stages, not MRI."""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.randomness import key
from rsd_mri.training.checkpoint import (
    load_tensors,
    load_weights,
    optimizer_tensors,
    restore_optimizer,
    save_tensors,
)
from rsd_mri.training.ema import update_average
from rsd_mri.training.stage import Stage

Progress = Callable[[str, int, int, dict[str, float]], None]
"""(stage, images seen, images in all, latest losses)."""
Picture = Callable[[Path, Any], object]
"""(PNG file, magnitudes [image, y, x]): writes a contact sheet."""


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


def run_stage(
    stage: Stage,
    fabric: Fabric,
    folder: Path,
    settings: LoopSettings,
    identity: dict[str, Any],
    progress: Progress,
    picture: Picture | None = None,
) -> int:
    """Train a stage to its end, continuing from its checkpoint where there is one.

    Everything random is keyed by the running number of the image, so a run that was stopped and continued
    gives the same weights as one that was not.

    Parameters
    ----------
    stage
        What to train.
    fabric
        Set up and launched.
    folder
        The run folder.
    settings
        Length and intervals.
    identity
        What a checkpoint must agree with to be continued (protocol hash, data hash).
    progress
        Called a few times a second at most.
    picture
        Writes sample grids; none without it.

    Returns
    -------
    int
        Images seen in this call.

    Raises
    ------
    InputError
        If the checkpoint belongs to another protocol or other data.
    """
    path = folder / "checkpoint" / f"{stage.name}.safetensors"
    images = _restore(stage, path, identity) if path.is_file() else 0
    log = folder / "metrics.csv"
    if fabric.is_global_zero:
        _cut_log(log, stage.name, images)
    start, started, saved = images, time.monotonic(), time.monotonic()
    sums: dict[str, Tensor] = {}
    logged, count = images, 0
    share = stage.batch // fabric.world_size
    while images < settings.images:
        first = images + fabric.global_rank * share
        # Dropout is the one consumer of the global generator; it too is keyed, and the caller's state is kept.
        with torch.random.fork_rng([fabric.device] if fabric.device.type == "cuda" else []):
            torch.manual_seed(key(stage.name, "dropout", first))
            losses = stage.step(fabric, range(first, first + share), images)
        images += stage.batch
        count += 1
        for name, average in stage.averages.items():
            update_average(average, stage.modules[name], stage.batch, images, settings.ema_halflife)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0) + value.detach()
        last = images >= settings.images
        if images - logged >= settings.log_images or last:
            means = {name: float(value) / count for name, value in sums.items()}
            sums, logged, count = {}, images, 0
            if fabric.is_global_zero:
                _append_log(log, stage.name, images, time.monotonic() - started, means)
            progress(stage.name, images, settings.images, means)
        every = max(settings.images // max(settings.previews, 1), 1)
        if picture and fabric.is_global_zero and images // every > (images - stage.batch) // every:
            magnitudes = stage.preview(9).cpu().numpy()
            picture(folder / "samples" / f"{stage.name}-{images:09d}.png", magnitudes)
        due = time.monotonic() - saved > settings.checkpoint_seconds
        if fabric.world_size > 1:
            due = fabric.broadcast(due)
        if due or last:
            if fabric.is_global_zero:
                _save(stage, path, images, identity)
            saved = time.monotonic()
    if fabric.is_global_zero:
        stage.finish()
    fabric.barrier()
    return images - start


def _bare(module: torch.nn.Module) -> torch.nn.Module:
    """The network inside Fabric's and DDP's wrappers."""
    while hasattr(module, "module") and isinstance(module.module, torch.nn.Module):
        module = module.module
    return module


def _save(stage: Stage, path: Path, images: int, identity: dict[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    for kind, modules in (("module", stage.modules), ("average", stage.averages)):
        for name, module in modules.items():
            tensors |= {f"{kind}/{name}/{k}": v for k, v in _bare(module).state_dict().items()}
    for name, optimizer in stage.optimizers.items():
        tensors |= {f"optimizer/{name}/{k}": v for k, v in optimizer_tensors(optimizer).items()}
    save_tensors(path, tensors, {"images": images, "identity": identity, "stage": stage.name})


def _restore(stage: Stage, path: Path, identity: dict[str, Any]) -> int:
    tensors, metadata = load_tensors(path)
    for name, value in identity.items():
        stored = metadata.get("identity", {}).get(name)
        if stored != value:
            raise InputError(
                f"{path}: this run was started with another {name}; continue it with the same one, "
                "or start over with --fresh"
            )

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)}

    for kind, modules in (("module", stage.modules), ("average", stage.averages)):
        for name, module in modules.items():
            load_weights(_bare(module), part(f"{kind}/{name}/"), str(path))
    for name, optimizer in stage.optimizers.items():
        restore_optimizer(optimizer, part(f"optimizer/{name}/"))
    return int(metadata["images"])


LOG_FIELDS = ("stage", "images", "seconds", "name", "value")


def _cut_log(path: Path, stage: str, images: int) -> None:
    """Drop what was logged after the checkpoint: it will be logged again."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(",".join(LOG_FIELDS) + "\n", encoding="utf-8")
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["stage"] != stage or int(r["images"]) <= images]
    with written_whole(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LOG_FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def _append_log(path: Path, stage: str, images: int, seconds: float, values: dict[str, float]) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [stage, images, f"{seconds:.1f}", name, f"{value:.6g}"] for name, value in values.items()
        )

