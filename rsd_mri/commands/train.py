"""`rsd-mri train`: teacher, generator, and the prior of reconstruction."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.commands.console import Bar, refusing
from rsd_mri.commands.options import Device, DeviceOption, JsonOption, ProtocolOption, SetOption, existing, protocol_of
from rsd_mri.commands.output import result
from rsd_mri.errors import InputError


class StageName(str, Enum):
    """Stages of training."""

    teacher = "teacher"
    generator = "generator"
    all = "all"
    denoiser = "denoiser"
    reconstructor = "reconstructor"


class PrecisionName(str, Enum):
    """Precision of the networks; the physics is always complex64."""

    single = "32"
    bf16 = "bf16"
    half = "16"


def train(
    accel: Annotated[Optional[float], typer.Option(min=1.0, help="Acceleration; picks the protocol.")] = None,
    data: Annotated[Optional[Path], typer.Option(help="Prepared scans; simulated brains without it.")] = None,
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("run"),
    protocol: ProtocolOption = None,
    stage: Annotated[
        StageName,
        typer.Option(
            help="What to train; all: teacher and generator; denoiser: the reconstruction prior; reconstructor: its "
            "network of few calls."
        ),
    ] = StageName.all,
    start: Annotated[
        Optional[Path],
        typer.Option(
            "--from",
            help="Run folder or weights that a new network starts from; else random, a generator from its teacher.",
        ),
    ] = None,
    guide: Annotated[
        Optional[Path],
        typer.Option(help="Run folder or weights of a worse teacher, for distillation.autoguidance; kept in the run."),
    ] = None,
    images: Annotated[Optional[int], typer.Option(min=1, help="Training length of each stage [images].")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of continuing.")] = False,
    devices: Annotated[int, typer.Option(min=1, help="Devices per node; found by itself under torchrun.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes.")] = 1,
    precision: Annotated[
        PrecisionName, typer.Option(help="Of the networks; FFTs and data consistency are always complex64.")
    ] = PrecisionName.single,
    accumulate: Annotated[
        int, typer.Option(min=1, help="Take each batch in so many parts: less memory, the same gradients.")
    ] = 1,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the networks; slow at first.")] = False,
    checkpoint_activations: Annotated[
        bool, typer.Option("--checkpoint-activations", help="Compute activations twice: less memory.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write RUN/tensorboard beside RUN/metrics.csv.")
    ] = False,
    device: DeviceOption = Device.auto,
    assignments: SetOption = None,
    minutes: Annotated[
        float, typer.Option(min=0.0, help="Stop after so long with what there is; the same call again goes on.")
    ] = 0.0,
    seed: Annotated[Optional[int], typer.Option(help="Seed; the protocol's without it.")] = None,
    json: JsonOption = False,
) -> None:
    """Train a teacher from undersampled data only, then distil the one-step generator.

    Continues a run that was stopped. Example: rsd-mri train --accel 4 --data scans-prepared --out run
    """
    with refusing():
        from rsd_mri.experiment.runs import train_run
        from rsd_mri.training.fabric import TrainOptions

        if accel is None and protocol is None:
            raise InputError("give --accel R or --protocol NAME; 'rsd-mri protocols' lists them")
        chosen = protocol_of(protocol, accel, assignments)
        changes = {} if seed is None else {"seed": str(seed)}
        if images is not None:
            changes |= dict.fromkeys(chosen.lengths(stage.value), str(images))
        chosen = chosen.with_values(changes)
        options = TrainOptions(
            stage.value,
            fresh,
            device.value,
            devices,
            nodes,
            precision.value,
            accumulate,
            compiled,
            checkpoint_activations,
            tensorboard,
            seconds=60 * minutes,
            start=None if start is None else existing(start, "run folder"),
            guide=None if guide is None else existing(guide, "run folder"),
        )
        with Bar("training", quiet=not _first_process()) as bar:
            done = train_run(
                chosen,
                out,
                None if data is None else existing(data, "folder of prepared scans"),
                options,
                bar.progress,
            )
        if done.first:
            lines = [f"trained {name}: {count} images" for name, count in done.images.items()]
            values = {"images": done.images, "files": done.files, "out": str(out)}
            result([*lines, f"weights in {out}. {NOT_FOR_DIAGNOSTIC_USE}"], values, json)


def _first_process() -> bool:
    """Whether this is the first of the processes that torchrun, SLURM or this program started."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
