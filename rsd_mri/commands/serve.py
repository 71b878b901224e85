"""`rsd-mri serve`, `rsd-mri send` and `rsd-mri openrecon`."""

import json as json_module
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.about.plain import Json
from rsd_mri.commands.console import debugging, refusing
from rsd_mri.commands.options import Device, DeviceOption, JsonOption, PriorOption, SeedOption, existing, one_of
from rsd_mri.commands.output import result, say
from rsd_mri.errors import InputError
from rsd_mri.reconstruction.methods import OF_ONE_FRAME

CHOICES = "|".join(OF_ONE_FRAME)


class Flip(str, Enum):
    """Which way images are sent."""

    auto = "auto"
    none = "none"
    both = "both"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; the protocol has no password.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 9002,
    method: Annotated[
        str,
        typer.Option(parser=one_of(OF_ONE_FRAME), metavar=CHOICES, help="For clients that name none."),
    ] = "posterior",
    samples: Annotated[int, typer.Option(min=1, max=16, help="Posterior samples.")] = 4,
    prior: PriorOption = None,
    calibration: Annotated[
        Optional[Path], typer.Option(help="From `rsd-mri calibrate`; the package's without it.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    flip: Annotated[
        Flip, typer.Option(help="auto: turn images where the vendor's raw data ask for it. none, both: always so.")
    ] = Flip.auto,
    save: Annotated[Optional[Path], typer.Option(help="Folder for the configuration `savedataonly`.")] = None,
    connections: Annotated[int, typer.Option(min=1, max=256, help="Served at a time; more wait.")] = 8,
    max_memory: Annotated[
        Optional[float], typer.Option(min=0.01, help="K-space of a connection [GiB]; half of the memory without it.")
    ] = None,
    idle: Annotated[float, typer.Option(min=0.1, help="Seconds without a byte after which a client is left.")] = 1800,
    json: JsonOption = False,
) -> None:
    """Reconstruct while the scanner measures: an MRD streaming server (FIRE, OpenRecon, any MRD client).

    Example: rsd-mri serve --method posterior --samples 4
    """
    with refusing():
        from rsd_mri.serve.server import ServeOptions
        from rsd_mri.serve.server import serve as serve_on

        if save is not None:
            from rsd_mri.files import require_writable

            require_writable(save)
        serve_on(
            ServeOptions(
                host,
                port,
                method,
                samples,
                prior,
                calibration,
                seed,
                device.value,
                flip.value,
                save,
                connections,
                max_memory,
                idle,
                json,
                debugging(),
            )
        )


def send(
    scan: Annotated[Path, typer.Argument(help="A scan in any format; ISMRMRD files are sent as they are.")],
    host: Annotated[str, typer.Option(help="Of the server.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the server.")] = 9002,
    config: Annotated[str, typer.Option(help="Name of the configuration.")] = "default",
    assignments: Annotated[
        Optional[list[str]], typer.Option("--set", help="A parameter of the configuration: --set samples=2.")
    ] = None,
    pace: Annotated[float, typer.Option(min=0.0, help="Milliseconds between two lines; 0: as fast as it goes.")] = 0.0,
    out: Annotated[Optional[Path], typer.Option(help="ISMRMRD file for the images.")] = None,
    json: JsonOption = False,
) -> None:
    """Send a scan to an MRD server as a scanner would, and say what comes back and when.

    Example: rsd-mri send scan.h5 --port 9002 --set samples=2 --pace 5 --out images.h5
    """
    with refusing():
        from rsd_mri.serve.client import BROKEN_OFF, lines_of_file, save_images, send_scan

        if out is not None:
            from rsd_mri.files import require_target

            require_target(out)
        header, lines = lines_of_file(existing(scan, "file", of_scans=True))
        received = send_scan(host, port, header, lines, config, _parameters(assignments), pace / 1000)
        if out is not None and received.images:
            save_images(out, header, received)
        found: dict[int, list[Any]] = {}
        for image in received.images:
            found.setdefault(image.series, []).append(image)
        said = [text for text in received.texts if not text.startswith("DBG")]
        said += [
            f"series {number}: {len(images)} images of {images[0].pixels.shape[1]}x{images[0].pixels.shape[0]}, the "
            f"first {images[0].after:.2f} s and the last {images[-1].after:.2f} s after the last line"
            for number, images in sorted(found.items())
        ]
        values = {
            "acquisitions": len(lines), "images": len(received.images), "closed": received.closed,
            "seconds": received.seconds,
            "texts": received.texts, "out": str(out) if out is not None and received.images else None,
            "series": [
                {"series": number, "images": len(images), "first_s": images[0].after, "last_s": images[-1].after}
                for number, images in sorted(found.items())
            ],
        }  # fmt: skip
        result([*said, NOT_FOR_DIAGNOSTIC_USE], values, json)
        if not received.closed:
            kept = "" if out is None else f", they are in {out}"
            say(f"Error: {host}:{port}: {BROKEN_OFF}; {len(received.images)} images had come{kept}")
        if not received.finished:
            raise typer.Exit(1)


def openrecon(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files.")],
    vendor: Annotated[str, typer.Option(help="Who builds the package; part of its name.")] = "research",
    method: Annotated[
        str,
        typer.Option(parser=one_of(OF_ONE_FRAME), metavar=CHOICES, help="What the console offers first."),
    ] = "posterior",
    json: JsonOption = False,
) -> None:
    """Write what a scanner's console needs to run the server: label, Dockerfile, manual and build script.

    Example: rsd-mri openrecon package --vendor mylab
    """
    with refusing():
        from rsd_mri.serve.openrecon import Package, write_package

        package = Package(vendor, method)
        written = write_package(folder, package)
        line = f"{folder}: {len(written)} files; 'bash {folder / 'build.sh'}' builds {package.file_name}.zip"
        values = {"files": [str(path) for path in written], "archive": f"{package.file_name}.zip"}
        result([line, NOT_FOR_DIAGNOSTIC_USE], values, json)


def _parameters(assignments: list[str] | None) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for text in assignments or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected name=value, for example --set samples=2")
        try:
            found[name.strip()] = json_module.loads(value)
        except ValueError:
            found[name.strip()] = value
    return found
