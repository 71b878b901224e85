"""The command line: read options, call one library function, say where things went.

Everything heavy is imported inside the commands, so that `--help` answers at once.
"""

from dataclasses import asdict
from enum import Enum
from json import dumps
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.commands.bench import bench
from rsd_mri.commands.console import Bar, log, refusing, result, say, set_debug
from rsd_mri.commands.doctor import doctor
from rsd_mri.commands.evaluate import evaluate
from rsd_mri.commands.groups import grouped
from rsd_mri.commands.options import (
    AnswerOptions,
    Device,
    DeviceOption,
    JsonOption,
    ProtocolOption,
    SeedOption,
    SetOption,
    SharingOptions,
    existing,
    protocol_of,
)
from rsd_mri.commands.recon import calibrate, recon
from rsd_mri.commands.restore import restore
from rsd_mri.commands.serve import openrecon, send, serve
from rsd_mri.commands.train import train
from rsd_mri.errors import InputError
from rsd_mri.machine import interrupts, threads

app = typer.Typer(
    help="Generative models for multi-coil MRI, learned from undersampled and noisy scans only. "
    + NOT_FOR_DIAGNOSTIC_USE
    + "\n\nExamples: rsd-mri demo --fast, rsd-mri inspect scan.h5, rsd-mri recon scan.h5 --samples 4 --report",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(bench, name="bench")
app.command()(train)
app.command()(recon)
app.command()(calibrate)
app.command()(doctor)
app.command()(restore)
app.command()(evaluate)
app.command()(serve)
app.command()(send)
app.command()(openrecon)


class Trajectory(str, Enum):
    """Trajectories that scans are simulated along."""

    radial = "radial"
    spiral = "spiral"


class Pattern(str, Enum):
    """Laws that simulated scans are undersampled by, as `MaskSettings.kind` has them."""

    uniform = "uniform"
    random = "random"
    equispaced = "equispaced"
    magic = "magic"
    variable_density = "variable-density"
    poisson = "poisson"
    elliptical = "elliptical"
    caipi = "caipi"


class Network(str, Enum):
    """Networks of a run."""

    teacher = "teacher"
    generator = "generator"


def _version(show: bool) -> None:
    if show:
        result([__version__], {}, False)
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Generative models for multi-coil MRI. Research use only. Not for diagnostic use."""
    set_debug(debug)


@app.command()
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
            help="Law of --accel: lines, or points of two phase encodes (poisson, elliptical, caipi); default uniform, "
            "of a slab elliptical."
        ),
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Simulate multi-coil brain scans in fastMRI's layout.

    Example: rsd-mri simulate scans --volumes 4 --slices 4 --matrix 128 --coils 8 --accel 4
    """
    with refusing():
        from rsd_mri.protocol import MaskSettings
        from rsd_mri.simulation import simulate_folder

        along = None if trajectory is None else trajectory.value
        if pattern is not None and (accel is None or along is not None):
            raise InputError(f"--pattern {pattern.value}: expected --accel beside it, and no --trajectory")
        if slab and along is not None:
            raise InputError("--slab: two phase encodes have no --trajectory; leave one of the two out")
        if motion is not None and along is not None:
            raise InputError("--motion: heads move between segments of lines or points; leave --trajectory out")
        law = None if pattern is None or accel is None else MaskSettings(pattern.value, accel)
        with Bar("simulating") as bar:
            made = simulate_folder(
                out, volumes, slices, matrix, coils, noise, accel, seed,
                mask=law, trajectory=along, slab=slab, motion=motion, progress=bar.progress,
            )  # fmt: skip
        lines = [f"{volumes} simulated scans of {slices} slices in {out}. {NOT_FOR_DIAGNOSTIC_USE}"]
        result(lines, {"files": [str(path) for path in made], "seed": seed}, json)


@app.command()
@grouped
def prep(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A raw scan or a folder of them.")],
    *,
    out: Annotated[Optional[Path], typer.Option(help="Default: SRC with -prepared added.")] = None,
    protocol: ProtocolOption = None,
    assignments: SetOption = None,
    sharing: SharingOptions,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and the memory it takes.")] = False,
    user: AnswerOptions,
    json: JsonOption = False,
) -> None:
    """Prepare raw scans: whitening, coil compression, ESPIRiT maps, scale. Does only what is missing.

    With a protocol of natural images: cut and resize a folder or archive of pictures.
    Example: rsd-mri prep scans/ --workers 2
    """
    with refusing():
        chosen = protocol_of(protocol, None, assignments)
        if chosen.corruption.kind != "undersampling":
            from data_prep.downloads import how_to_get
            from data_prep.images import prepare_images

            if not source.exists() and (advice := how_to_get(chosen.name)):
                raise InputError(f"{source}: no such file or folder. {advice}")
            target = out or source.with_name(source.name.split(".")[0] + "-prepared")
            found = prepare_images(existing(source, "file or folder"), target, chosen.data.matrix)
            line = f"{found.images} images of {found.side}x{found.side} pixels in {found.out}"
            result([line], asdict(found), json)
            return
        from data_prep import prepare_folder

        with Bar("preparing") as bar:
            manifest = prepare_folder(
                existing(source, "file or folder"),
                out,
                chosen,
                sharing.workers,
                sharing.scheduler,
                sharing.part(),
                dry_run,
                bar.progress,
                user.answers(),
            )
        for failure in manifest.failures():
            say(f"Error: {failure}")
        counts = manifest.counts
        lines = [
            f"{counts['volumes_done']} scans prepared ({counts['volumes_made_now']} now), "
            f"{counts['volumes_failed']} failed, {counts['volumes_missing']} missing; "
            f"slices: {counts['slices_done']} done, {counts['slices_skipped']} skipped, "
            f"{counts['slices_failed']} failed",
            f"prepared files, pictures of their maps and manifest.json in {manifest.out}; "
            f"at most {manifest.peak_bytes / 2**20:.0f} MiB "
            f"of memory. {NOT_FOR_DIAGNOSTIC_USE}",
        ]
        values = {**manifest.as_dict(), "out": str(manifest.out), "peak_bytes": manifest.peak_bytes}
        result(lines, values, json)
        if manifest.failed:
            raise typer.Exit(1 if counts["volumes_done"] else 2)


@app.command()
@grouped
def inspect(
    file: Annotated[Path, typer.Argument(help="A scan in any format.")],
    user: AnswerOptions,
    json: JsonOption = False,
) -> None:
    """Say what was understood of a scan, and every conflict found in it.

    Example: rsd-mri inspect scan.h5
    """
    with refusing():
        from rsd_mri.scan.reading import inspect as look

        found = look(existing(file, "file"), user.answers())
        result(found.lines(), found.as_dict(), json)


@app.command()
def generate(
    run: Annotated[Optional[Path], typer.Argument(help="Run folder; the package's generator without it.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of images.")] = 16,
    network: Annotated[Network, typer.Option("--with", help="Network.")] = Network.generator,
    out: Annotated[Optional[Path], typer.Option(help="HDF5 file; default RUN/generated.h5, or ./generated.h5.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 16,
    truncate: Annotated[float, typer.Option(min=0.0, help="Stop the teacher's sampler below this noise level.")] = 0.0,
    device: DeviceOption = Device.auto,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Generate complex images, and a contact sheet beside them.

    Example: rsd-mri generate run -n 16 --with generator
    """
    with refusing():
        from rsd_mri.priors import GENERATION
        from rsd_mri.results.figures import write_contact_sheet
        from rsd_mri.rsd.sampling import generate_file

        folder = GENERATION if run is None else existing(run, "run folder")
        target = out or (run or Path()) / "generated.h5"
        with Bar("generating") as bar:
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
            )
        result(
            [
                f"{count} images in {target}, contact sheet in {made.sheet}, "
                f"{made.seconds_per_image:.4g} s an image. {NOT_FOR_DIAGNOSTIC_USE}"
            ],
            asdict(made),
            json,
        )


@app.command()
def protocols(
    name: Annotated[Optional[str], typer.Argument(help="Print this one.")] = None,
    as_schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema, by which editors complete and check protocols.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the protocols, or print one with every value.

    Example: rsd-mri protocols mri-r4
    """
    with refusing():
        from rsd_mri.protocol import load_protocol, protocol_names, schema

        if as_schema:
            made = schema()
            result([dumps(made, indent=2)], {"schema": made}, json)
            return
        if name is not None:
            text = load_protocol(name).to_yaml()
            result([text.rstrip()], {"name": name, "yaml": text}, json)
            return
        found = {n: load_protocol(n).description for n in protocol_names()}
        result([f"{n:16} {text}" for n, text in found.items()], {"protocols": found}, json)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo writes.")] = Path("rsd-mri-demo"),
    fast: Annotated[bool, typer.Option(help="A short version, at most 3 minutes on 2 cores.")] = False,
    device: DeviceOption = Device.auto,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Walk the whole path on simulated brains: simulate, prep, train, distil, generate, reconstruct, report.

    Example: rsd-mri demo --fast
    """
    with refusing():
        from rsd_mri.experiment.demo import run_demo

        with Bar("demo") as bar:
            done = run_demo(out, fast, device.value, seed, bar.progress, log)
        result(done.lines(), done.as_dict(), json)


def main() -> None:
    """Entry point of `rsd-mri`."""
    threads.begin()
    interrupts.run(app)
