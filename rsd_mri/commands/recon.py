"""`rsd-mri recon` and `rsd-mri calibrate`."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.commands.console import Bar, conclude, refusing
from rsd_mri.commands.groups import grouped
from rsd_mri.commands.options import (
    AnswerOptions,
    Device,
    DeviceOption,
    JsonOption,
    ProtocolOption,
    SamplingOptions,
    SeedOption,
    SharingOptions,
    WorkerOptions,
    existing,
    one_of,
    protocol_of,
)
from rsd_mri.commands.output import result, say
from rsd_mri.errors import InputError
from rsd_mri.reconstruction.methods import LEARNED, METHODS, draws_none, find_prior, method_of
from rsd_mri.results.formats import described as described_formats

MethodOption = Annotated[
    str,
    typer.Option(
        parser=one_of(METHODS),
        metavar="|".join(METHODS),
        help=" ".join(f"{name}: {about}." for name, about in METHODS.items()),
    ),
]
SAMPLES = 4
"""Posterior samples where no number is given."""
SETS = ("auto", "1", "2")


@grouped
def recon(
    scans: Annotated[
        list[Path],
        typer.Argument(metavar="SCAN...", readable=False, help="Scans in any format, or folders of them."),
    ],
    *,
    method: MethodOption = "posterior",
    samples: Annotated[
        Optional[int],
        typer.Option(
            min=1,
            help=f"Posterior samples; without it as many as --calibration was made with, or {SAMPLES}.",
            show_default=False,
        ),
    ] = None,
    sampling: SamplingOptions,
    volume: Annotated[
        bool,
        typer.Option("--volume", help="Slices side by side, as of a 3-D scan: sample them together, in three planes."),
    ] = False,
    calibration: Annotated[
        Optional[Path],
        typer.Option(help="From `rsd-mri calibrate`, for the interval's half width; the package's without it."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="Folder; default beside each scan.")] = None,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(metavar="NAME,...", help=f"Several with commas. {described_formats()}")
    ] = "h5",
    report: Annotated[bool, typer.Option("--report", help="Write an HTML page too.")] = False,
    patient_id: Annotated[
        Optional[str], typer.Option(help="Written into DICOM files, which say nothing about the patient without it.")
    ] = None,
    keep_protocol: Annotated[
        bool,
        typer.Option("--keep-protocol", help="Write names of protocol and sequence and the time of measurement too."),
    ] = False,
    store: Annotated[
        Optional[str], typer.Option(metavar="HOST:PORT,AET", help="Send DICOM files to this archive as well.")
    ] = None,
    sets: Annotated[
        Optional[str], typer.Option(parser=one_of(SETS), metavar="|".join(SETS), help="Sets of coil maps.")
    ] = None,
    user: AnswerOptions,
    held_out: Annotated[
        bool, typer.Option(help="Predict acquired lines left out, in one slice: costs a few quick runs of it.")
    ] = True,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Let the prior learn from this scan's own lines first: up to ten times the time."),
    ] = False,
    stress: Annotated[
        bool,
        typer.Option("--stress", help="Print the worst change within the noise, of the middle slice: six more runs."),
    ] = False,
    protocol: ProtocolOption = None,
    sharing: SharingOptions,
    fresh: Annotated[bool, typer.Option("--fresh", help="Of folders: do again what is done already.")] = False,
    device: DeviceOption = Device.auto,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Reconstruct scans or folders of them, with uncertainty where the method gives it.

    Folders, and work that is shared, are kept account of in reconstructions.json: a run that was stopped goes on.
    Example: rsd-mri recon scan.h5 --prior run --samples 4 --report
    """
    with refusing():
        from rsd_mri.machine.device import resolve_device
        from rsd_mri.reconstruction.calibration import read_calibration
        from rsd_mri.reconstruction.deliver import Task, reconstruct_files
        from rsd_mri.results.delivery import Delivery
        from rsd_mri.results.store import Archive

        assignments = [f"prep.sets='{sets}'"] if sets else None
        sampling.require_use(method)
        if samples is not None and draws_none(method):
            say(f"Note: method {method} draws no samples: --samples changes nothing")
        sharing.require_one()
        if calibration is not None and not (method in LEARNED and LEARNED[method].deviation):
            raise InputError(f"--calibration {calibration}: method {method} says no standard deviation to scale")
        formats = (*format.split(","), *(["page"] if report else []))
        archive = None if store is None else Archive.of(store)
        delivery = Delivery(out, formats, patient_id, keep_protocol, archive)
        chosen = None if protocol is None and sets is None else protocol_of(protocol, None, assignments).prep
        on = resolve_device(device.value)
        known = None if calibration is None else read_calibration(calibration)
        drawn = samples or (SAMPLES if known is None else known.samples)
        how = method_of(method, sampling.prior, sampling.chosen(), drawn, sampling.consistency, volume)
        if how.prior is not None:
            how.prior.to(on)
        if adapt:
            from rsd_mri.reconstruction.adapt import adaptable

            adaptable(how)
        answers = user.answers()
        part = sharing.part()
        task = Task(scans[0], how, delivery, seed, on, held_out, chosen, known, answers, stress, adapt)
        with Bar("reconstructing") as bar:
            if sharing.workers > 1 or sharing.scheduler or part or any(path.is_dir() for path in scans):
                from rsd_mri.reconstruction.many import Scale, reconstruct_many

                scale = Scale(sharing.workers, sharing.scheduler, part, fresh)
                done = reconstruct_many(scans, task, scale, bar.progress)
            else:
                done = reconstruct_files(scans, task, bar.progress)
        conclude(done, json)


@grouped
def calibrate(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="Fully sampled scans, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option(help="JSON file.")] = Path("calibration.json"),
    accel: Annotated[float, typer.Option(min=1.0, help="Undersample by this.")] = 4.0,
    samples: Annotated[int, typer.Option(min=2, help="Posterior samples.")] = 8,
    coverage: Annotated[float, typer.Option(min=0.5, max=0.99, help="Share of the body's pixels to cover.")] = 0.9,
    sampling: SamplingOptions,
    sharing: WorkerOptions,
    device: DeviceOption = Device.auto,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Find by how much the standard deviation, pooled over neighbours, has to be scaled to cover the true error.

    Example: rsd-mri calibrate full/ --accel 4 --out calibration.json
    """
    with refusing():
        from rsd_mri.files import require_target
        from rsd_mri.machine.device import resolve_device
        from rsd_mri.reconstruction.calibrating import calibrate_files
        from rsd_mri.reconstruction.calibration import write_calibration
        from rsd_mri.reconstruction.many import listed
        from rsd_mri.reconstruction.posterior.sampler import Sampling
        from rsd_mri.reconstruction.posterior_method import Posterior

        sharing.require_one()
        folders = [existing(path, "scan or folder", of_scans=True) for path in scans]
        require_target(out)
        files = [path for path, _ in listed(folders)]
        on = resolve_device(device.value)
        chosen = sampling.chosen()
        known = find_prior(sampling.prior, "posterior", chosen).to(on)
        how = Posterior.of(known, Sampling(chosen, samples, sampling.consistency))
        with Bar("calibrating") as bar:
            found = calibrate_files(
                files,
                accel,
                coverage,
                how,
                seed=seed,
                device=on,
                workers=sharing.workers,
                scheduler=sharing.scheduler,
                progress=bar.progress,
            )
        write_calibration(out, found)
        result([*found.lines(), str(out)], {**found.as_dict(), "out": str(out)}, json)
