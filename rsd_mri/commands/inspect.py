"""`rsd-mri inspect`: what a file of raw data says."""

from pathlib import Path
from typing import Annotated

import typer

from rsd_mri.commands.console import refusing
from rsd_mri.commands.groups import grouped
from rsd_mri.commands.options import AnswerOptions, JsonOption, existing
from rsd_mri.commands.output import result


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

        found = look(existing(file, "file", of_scans=True), user.answers())
        result(found.lines(), found.as_dict(), json)
