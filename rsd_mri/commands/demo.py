"""`rsd-mri demo`: the whole path, without any data."""

from pathlib import Path
from typing import Annotated

import typer

from rsd_mri.commands.console import Bar, refusing
from rsd_mri.commands.options import Device, DeviceOption, JsonOption, SeedOption
from rsd_mri.commands.output import log, result


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
        from rsd_mri.files.claims import claimed

        with claimed(out / "demo"), Bar("demo") as bar:
            done = run_demo(out, fast, device.value, seed, bar.progress, log)
        result(done.lines(), done.as_dict(), json)
