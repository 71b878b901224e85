"""`rsd-mri generate`: images of a run."""

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.commands.console import Bar, refusing
from rsd_mri.commands.options import Device, DeviceOption, JsonOption, SeedOption, existing
from rsd_mri.commands.output import result
from rsd_mri.errors import InputError


class Network(str, Enum):
    """Networks of a run."""

    teacher = "teacher"
    generator = "generator"


class Solver(str, Enum):
    """Samplers of a teacher."""

    heun = "heun"
    multistep = "multistep"


def generate(
    run: Annotated[Optional[Path], typer.Argument(help="Run folder; the package's generator without it.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of images.")] = 16,
    network: Annotated[Network, typer.Option("--with", help="Network.")] = Network.generator,
    out: Annotated[Optional[Path], typer.Option(help="HDF5 file; default RUN/generated.h5, or ./generated.h5.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 16,
    truncate: Annotated[float, typer.Option(min=0.0, help="Stop the teacher's sampler below this noise level.")] = 0.0,
    guide: Annotated[
        Optional[Path], typer.Option(help="Run folder or weights of a worse teacher, which guides the teacher.")
    ] = None,
    autoguidance: Annotated[
        Optional[float], typer.Option(min=0.0, help="Weight of the guide; 1 without it.", show_default=False)
    ] = None,
    solver: Annotated[
        Optional[Solver],
        typer.Option(
            help="Of the teacher: heun calls it twice a step, multistep once; the protocol's without it.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        Optional[int], typer.Option(min=1, help="Steps of the teacher's sampler; the protocol's without it.")
    ] = None,
    device: DeviceOption = Device.auto,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Generate complex images, and a contact sheet beside them.

    Example: rsd-mri generate run -n 16 --with generator
    """
    with refusing():
        if autoguidance is not None and guide is None:
            raise InputError(
                f"--autoguidance {autoguidance:g}: is the weight of a guide, and there is none; give --guide EARLIER, "
                "a run whose teacher was trained for a shorter time"
            )
        from rsd_mri.files.claims import claimed
        from rsd_mri.priors import GENERATION
        from rsd_mri.results.figures import write_contact_sheet
        from rsd_mri.rsd.sampling import generate_file

        folder = GENERATION if run is None else existing(run, "run folder")
        target = out or (run or Path()) / "generated.h5"
        with claimed(target), Bar("generating") as bar:
            made = generate_file(
                folder,
                count,
                network.value,
                target,
                batch,
                truncate,
                device.value,
                seed,
                bar.progress,
                write_contact_sheet,
                None if guide is None else existing(guide, "run folder"),
                1.0 if autoguidance is None else autoguidance,
                None if solver is None else solver.value,
                steps,
            )
        result(
            [
                f"{count} images in {target}, contact sheet in {made.sheet}, "
                f"{made.seconds_per_image:.4g} s an image. {NOT_FOR_DIAGNOSTIC_USE}"
            ],
            asdict(made),
            json,
        )
