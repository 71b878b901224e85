"""`rsd-mri simulate`: scans of heads that were never measured."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.commands.console import Bar, refusing
from rsd_mri.commands.options import JsonOption, SeedOption
from rsd_mri.commands.output import result
from rsd_mri.errors import InputError


class Trajectory(str, Enum):
    """Trajectories that scans are simulated along."""

    radial = "radial"
    spiral = "spiral"


class Pattern(str, Enum):
    """How simulated scans are undersampled, as `MaskSettings.kind` has it."""

    uniform = "uniform"
    random = "random"
    equispaced = "equispaced"
    magic = "magic"
    variable_density = "variable-density"
    poisson = "poisson"
    elliptical = "elliptical"
    caipi = "caipi"


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the scans.")],
    volumes: Annotated[int, typer.Option(min=1, help="Number of scans.")] = 4,
    slices: Annotated[int, typer.Option(min=1, help="Slices per scan.")] = 4,
    matrix: Annotated[int, typer.Option(min=16, help="Matrix size [pixels].")] = 128,
    coils: Annotated[int, typer.Option(min=1, help="Receive coils.")] = 8,
    noise: Annotated[float, typer.Option(min=0.0, help="Noise standard deviation over the brightest tissue.")] = 0.01,
    accel: Annotated[Optional[float], typer.Option(min=1.0, help="Undersample; full scans without it.")] = None,
    trajectory: Annotated[
        Optional[Trajectory],
        typer.Option(help="Spokes at the golden angle, or spirals, as many fewer as --accel says; lines without it."),
    ] = None,
    slab: Annotated[
        bool, typer.Option("--slab", help="3-D: slices are positions of the readout, side by side, of cubic voxels.")
    ] = False,
    motion: Annotated[
        Optional[float],
        typer.Option(min=0.0, help="Let heads move between eight segments of lines, by up to so many mm and degrees."),
    ] = None,
    pattern: Annotated[
        Optional[Pattern],
        typer.Option(
            help="What --accel leaves: lines, or points of two phase encodes (poisson, elliptical, caipi); by default "
            "uniform, of a slab elliptical."
        ),
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Simulate multi-coil brain scans in fastMRI's layout.

    Example: rsd-mri simulate scans --volumes 4 --slices 4 --matrix 128 --coils 8 --accel 4
    """
    with refusing():
        from rsd_mri.files.claims import claimed
        from rsd_mri.protocol import MaskSettings
        from rsd_mri.simulation import simulate_folder

        along = None if trajectory is None else trajectory.value
        if pattern is not None and (accel is None or along is not None):
            raise InputError(f"--pattern {pattern.value}: expected --accel beside it, and no --trajectory")
        if slab and along is not None:
            raise InputError("--slab: two phase encodes have no --trajectory; leave one of the two out")
        if motion is not None and along is not None:
            raise InputError("--motion: heads move between segments of lines or points; leave --trajectory out")
        mask = None if pattern is None or accel is None else MaskSettings(pattern.value, accel)
        with claimed(out / f"brain_{seed}"), Bar("simulating") as bar:
            made = simulate_folder(
                out, volumes, slices, matrix, coils, noise, accel, seed,
                mask=mask, trajectory=along, slab=slab, motion=motion, progress=bar.progress,
            )  # fmt: skip
        lines = [f"{volumes} simulated scans of {slices} slices in {out}. {NOT_FOR_DIAGNOSTIC_USE}"]
        result(lines, {"files": [str(path) for path in made], "seed": seed}, json)
