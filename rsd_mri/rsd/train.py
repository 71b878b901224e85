"""Train a run: teacher, then generator, in one folder."""

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.patches import RestoredPatches
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.protocol import DenoiserSettings, DistillationSettings, Protocol
from rsd_mri.rsd.prior import WHOLE_IMAGES, Inputs, build_denoiser, load_prior, save_law, save_prior
from rsd_mri.rsd.stages import Data, DenoiserStage, DistillationStage, TeacherStage
from rsd_mri.training.loop import LoopSettings, Picture, Progress, run_stage


@dataclass(frozen=True)
class TrainOptions:
    """How to run, as against what to train (the protocol)."""

    stage: str = "all"
    """`teacher`, `generator` or `all`."""
    fresh: bool = False
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32"
    checkpoint_seconds: float = 60.0


def make_fabric(options: TrainOptions) -> Fabric:
    """Set Fabric up for the options.

    Raises
    ------
    InputError
        If the precision is unknown or the device is not there.
    """
    precisions = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
    if options.precision not in precisions:
        raise InputError(f"--precision {options.precision}: expected one of {', '.join(precisions)}")
    parallel = options.devices > 1 or options.nodes > 1
    accelerator = {"auto": "auto", "cpu": "cpu", "cuda": "cuda", "mps": "mps"}[options.device]
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=options.devices,
            num_nodes=options.nodes,
            strategy="ddp" if parallel else "auto",
            precision=precisions[options.precision],  # type: ignore[arg-type]
        )
    except (RuntimeError, ValueError) as error:
        asked = f"--device {options.device} --devices {options.devices}"
        raise InputError(f"{asked}: not available here ({error})") from error
    fabric.launch()
    return fabric


def train(
    data: Data,
    protocol: Protocol,
    folder: Path,
    options: TrainOptions,
    progress: Progress,
    card: dict[str, Any],
    picture: Picture | None = None,
) -> dict[str, Any]:
    """Train what is missing of a run.

    Parameters
    ----------
    data
        Measurements of any corruption.
    protocol
        Pins everything that decides the result.
    folder
        The run folder; see `commands` in the README for its files.
    options
        Device, precision, stages.
    progress
        Called as training goes on.
    card
        What is known of the data; stored with the weights.
    picture
        Writes sample grids; none without it.

    Returns
    -------
    dict
        `images` seen in this call per stage, and the `files` written.
    """
    if protocol.teacher.batch % (options.devices * options.nodes):
        raise InputError(
            f"teacher.batch {protocol.teacher.batch} cannot be shared by {options.devices * options.nodes} devices"
        )
    fabric = make_fabric(options)
    stages = ("teacher", "generator") if options.stage == "all" else (options.stage,)
    if fabric.is_global_zero:
        if options.fresh:
            _start_over(folder, stages)
        folder.mkdir(parents=True, exist_ok=True)
        text = folder / "protocol.yaml"
        if not text.is_file() or text.read_text(encoding="utf-8") != protocol.to_yaml():
            with written_whole(text) as partial_file:
                partial_file.write_text(protocol.to_yaml(), encoding="utf-8")
        save_law(folder, data.corruption)
    fabric.barrier()
    seen: dict[str, int] = {}
    for stage in stages:
        make = _teacher_stage if stage == "teacher" else _generator_stage
        length = protocol.teacher.images if stage == "teacher" else protocol.distillation.images
        halflife = protocol.teacher.ema_halflife if stage == "teacher" else protocol.distillation.ema_halflife
        loop = LoopSettings(length, options.checkpoint_seconds, max(length // 50, 1), ema_halflife=halflife)
        built = make(data, protocol, folder, fabric, card)
        seen[stage] = run_stage(built, fabric, folder, loop, _identity(protocol, data, stage), progress, picture)
    files = [str(folder / f"{stage}.safetensors") for stage in stages]
    return {"images": seen, "files": files}


def train_denoiser(
    images: Tensor,
    protocol: Protocol,
    folder: Path,
    options: TrainOptions,
    progress: Progress,
    card: dict[str, Any],
    picture: Picture | None = None,
) -> dict[str, Any]:
    """Train the reconstruction prior on restored training scans.

    Parameters
    ----------
    images
        [image, readout, phase_encode] complex64, prepared units.
    protocol, folder, options, progress, card, picture
        As for `train`.
    """
    fabric = make_fabric(options)
    if fabric.is_global_zero:
        if options.fresh:
            _start_over(folder, ("denoiser",))
        folder.mkdir(parents=True, exist_ok=True)
    s = protocol.denoiser
    settings = replace(
        protocol.teacher, images=s.images, batch=s.batch, learning_rate=s.learning_rate, log_mean=s.log_mean,
        log_std=s.log_std, ema_halflife=s.ema_halflife,
    )
    data = RestoredPatches(images, s.patch, protocol.seed)
    finish = partial(_finish, folder, "denoiser", protocol, WHOLE_IMAGES, card)
    stage = DenoiserStage(
        build_denoiser(protocol, WHOLE_IMAGES), data, replace(protocol, teacher=settings), fabric, finish
    )
    identity = {
        "protocol": replace(protocol, denoiser=replace(s, images=0)).hash,
        "data": data.identity,
    }
    loop = LoopSettings(s.images, options.checkpoint_seconds, max(s.images // 50, 1), ema_halflife=s.ema_halflife)
    seen = run_stage(stage, fabric, folder, loop, identity, progress, picture)
    return {"images": {"denoiser": seen}, "files": [str(folder / "denoiser.safetensors")]}


def _identity(protocol: Protocol, data: Data, stage: str) -> dict[str, Any]:
    """What must be the same for a checkpoint to be continued; the training length may grow."""
    teacher, distillation = replace(protocol.teacher, images=0), replace(protocol.distillation, images=0)
    if stage == "teacher":
        distillation = DistillationSettings()
    plain = replace(protocol, teacher=teacher, distillation=distillation, denoiser=DenoiserSettings())
    return {"protocol": plain.hash, "data": data.identity}


def _teacher_stage(
    data: Data, protocol: Protocol, folder: Path, fabric: Fabric, card: dict[str, Any]
) -> TeacherStage:
    inputs = Inputs.of(data.corruption)
    finish = partial(_finish, folder, "teacher", protocol, inputs, card)
    return TeacherStage(build_denoiser(protocol, inputs), data, protocol, fabric, finish)


def _generator_stage(
    data: Data, protocol: Protocol, folder: Path, fabric: Fabric, card: dict[str, Any]
) -> DistillationStage:
    teacher: Denoiser = load_prior(folder, "teacher").denoiser
    finish = partial(_finish, folder, "generator", protocol, Inputs.of(data.corruption), card)
    return DistillationStage(teacher, data, protocol, fabric, finish)


def _finish(
    folder: Path, kind: str, protocol: Protocol, inputs: Inputs, card: dict[str, Any], module: nn.Module,
    found: dict[str, float],
) -> None:
    save_prior(folder / f"{kind}.safetensors", kind, module, protocol, inputs, {**card, **found})


def _start_over(folder: Path, stages: tuple[str, ...]) -> None:
    for stage in stages:
        (folder / f"{stage}.safetensors").unlink(missing_ok=True)
        (folder / "checkpoint" / f"{stage}.safetensors").unlink(missing_ok=True)
    if len(stages) > 1:
        (folder / "metrics.csv").unlink(missing_ok=True)
        shutil.rmtree(folder / "samples", ignore_errors=True)


def resolve_device(name: str) -> torch.device:
    """Device for a name; `auto` takes CUDA, then the CPU (Apple's MPS lacks complex FFTs: ask for it by name).

    Raises
    ------
    InputError
        If the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(name, False):
        have = ", ".join(n for n, ok in there.items() if ok)
        raise InputError(f"--device {name}: not available here; there is {have}")
    return torch.device(name)
