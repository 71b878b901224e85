"""Options that several commands have, and what they stand for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from rsd_mri.commands.groups import Group
from rsd_mri.errors import InputError, alike
from rsd_mri.reconstruction.methods import require_use
from rsd_mri.reconstruction.posterior.sampler import described, sampler_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, USUAL, Sampler

if TYPE_CHECKING:
    from rsd_mri.protocol import Protocol
    from rsd_mri.scan.answers import Answers


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
SetOption = Annotated[Optional[list[str]], typer.Option("--set", help="Change one value: --set mask.acceleration=8.")]
PriorOption = Annotated[
    Optional[Path], typer.Option(help="Run folder or weights, or deepinv:NAME[=WEIGHTS]; the package's without it.")
]
LevelsOption = Annotated[Optional[int], typer.Option(min=1, help="Noise levels; the sampler's own without it.")]


@dataclass(frozen=True)
class AnswerOptions(Group):
    """What a user says of scans that do not say it."""

    axes: Annotated[
        Optional[str],
        typer.Option(help="Axes of a bare array in its order: slice,coil,readout,phase; or echo, time, average, ..."),
    ] = None
    noise: Annotated[Optional[Path], typer.Option(help="File with a noise scan, or .npy samples [coil, sample].")] = (
        None
    )
    calibration_scan: Annotated[
        Optional[Path], typer.Option(help="Scan of the same field of view and coils to learn coil maps from.")
    ] = None
    trajectory: Annotated[
        Optional[Path],
        typer.Option(
            help="Of a .npy or BART array [coil, sample, shot]: where its samples lie [cycles per field of view]."
        ),
    ] = None

    def answers(self) -> "Answers":
        """As readers take them.

        Raises
        ------
        InputError
            If a file that is named is not there.
        """
        from rsd_mri.scan.answers import Answers

        for path, what in (
            (self.noise, "noise scan"),
            (self.calibration_scan, "calibration scan"),
            (self.trajectory, "trajectory"),
        ):
            if path is not None and not path.exists() and not path.with_suffix(".cfl").is_file():
                raise InputError(f"{path}: there is no such {what}")
        return Answers(self.axes, self.noise, self.calibration_scan, self.trajectory)


@dataclass(frozen=True)
class WorkerOptions(Group):
    """Who does the work."""

    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1
    scheduler: Annotated[Optional[str], typer.Option(help="URL of a dask.distributed scheduler.")] = None

    def require_one(self) -> None:
        """Refuse a number of processes where a scheduler has its own.

        Raises
        ------
        InputError
            If both are given.
        """
        if self.scheduler is not None and self.workers > 1:
            raise InputError(f"--workers {self.workers}: the cluster of --scheduler has its own; leave one of them out")


@dataclass(frozen=True)
class SharingOptions(WorkerOptions):
    """How the work on many scans is shared."""

    shard: Annotated[Optional[str], typer.Option(help="i/n: this job's share in an array of n jobs.")] = None

    def part(self) -> tuple[int, int] | None:
        """What `--shard` says.

        Raises
        ------
        InputError
            If it is not i/n.
        """
        if self.shard is None:
            return None
        part, slash, whole = self.shard.partition("/")
        if not (slash and part.isdigit() and whole.isdigit()):
            raise InputError(f"--shard {self.shard}: expected i/n, for example 1/8")
        return int(part), int(whole)


@dataclass(frozen=True)
class SamplingOptions(Group):
    """The prior, and how its posterior is sampled."""

    prior: PriorOption = None
    sampler: Annotated[
        str, typer.Option(parser=one_of(SAMPLERS), metavar="|".join(SAMPLERS), help=described(SAMPLERS))
    ] = USUAL
    levels: LevelsOption = None
    consistency: Annotated[
        bool,
        typer.Option("--consistency", help="Replace the measured part of every sample by the data, noise and all."),
    ] = False

    def require_use(self, method: str) -> None:
        """Refuse what a method makes nothing of; as `rsd_mri.reconstruction.methods.require_use`."""
        sampler = self.sampler != USUAL
        asked = {"--sampler": sampler, "--levels": self.levels, "--consistency": self.consistency}
        require_use(method, self.prior, asked)

    def chosen(self) -> Sampler:
        """The sampler, with the levels asked for."""
        return sampler_of(self.sampler, self.levels, SAMPLERS)


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
    pairs = pairs_of(assignments)
    if name is not None and accel is not None:
        pairs = {"mask.acceleration": str(accel), **pairs}
    made = protocol.with_values(pairs) if pairs else protocol
    if accel is not None and made.corruption.kind != "undersampling":
        raise InputError(f"--accel {accel:g}: protocol '{made.name}' is of {made.corruption.kind}; leave --accel out")
    return made


def pairs_of(assignments: list[str] | None) -> dict[str, str]:
    """Keys and values of `--set key=value`.

    Raises
    ------
    InputError
        If one has no `=`.
    """
    pairs = {}
    for text in assignments or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected key=value, for example --set mask.acceleration=8")
        pairs[key.strip()] = value
    return pairs


MAKES = {
    "run folder": "'rsd-mri train --accel 4 --out RUN' makes one",
    "folder of prepared scans": "'rsd-mri prep SCANS' makes one",
}
"""What there may be to name, and the command that makes it."""


def existing(path: Path, what: str, *, of_scans: bool = False) -> Path:
    """The path, if it is there; `of_scans` also where it is the name that BART's two files have in common.

    Raises
    ------
    InputError
        If it is not.
    """
    if not path.exists() and not (of_scans and path.with_suffix(".cfl").is_file()):
        raise InputError(f"{path}: no such {what}" + (f"; {MAKES[what]}" if what in MAKES else ""))
    return path
