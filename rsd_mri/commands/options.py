"""Options that several commands have, and what they stand for."""

from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from rsd_mri.errors import InputError, alike

if TYPE_CHECKING:
    from rsd_mri.protocol import Protocol


class Device(str, Enum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


DeviceOption = Annotated[Device, typer.Option(help="Where to compute.")]


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """A parser of an option that takes one name of a table."""
    known = tuple(names)

    def parse(text: str) -> str:
        if text not in known:
            raise typer.BadParameter(f"'{text}' is none of {', '.join(known)}{alike(text, list(known))}")
        return text

    return parse


SeedOption = Annotated[int, typer.Option(help="Seed of everything random.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
ProtocolOption = Annotated[Optional[str], typer.Option(help="Protocol name or YAML file.")]
SetOption = Annotated[
    Optional[list[str]], typer.Option("--set", help="Change one value: --set mask.acceleration=8.")
]


def protocol_of(name: str | None, accel: float | None, assignments: list[str] | None) -> "Protocol":
    """The protocol that `--protocol`, `--accel` and `--set` name together.

    Raises
    ------
    InputError
        If there is none, or a value does not fit.
    """
    from rsd_mri.protocol import Protocol, load_protocol, protocol_for_acceleration

    if name is not None:
        protocol = load_protocol(name)
    else:
        protocol = protocol_for_acceleration(accel) if accel is not None else Protocol()
    pairs = {}
    if name is not None and accel is not None:
        pairs["mask.acceleration"] = str(accel)
    for text in assignments or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected key=value, for example --set mask.acceleration=8")
        pairs[key.strip()] = value
    return protocol.with_values(pairs) if pairs else protocol


MAKES = {
    "run folder": "'rsd-mri train --accel 4 --out RUN' makes one",
    "folder of prepared scans": "'rsd-mri prep SCANS' makes one",
}
"""What there may be to name, and the command that makes it."""


def existing(path: Path, what: str) -> Path:
    """The path, if it is there.

    Raises
    ------
    InputError
        If it is not.
    """
    if not path.exists():
        raise InputError(f"{path}: no such {what}" + (f"; {MAKES[what]}" if what in MAKES else ""))
    return path
