"""The group of all commands: each is imported when it is called."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from rsd_mri.about import __version__
from rsd_mri.commands.console import set_debug
from rsd_mri.commands.output import result
from rsd_mri.commands.table import DEBUG, ROWS, VERSION, Row, help_text


class Loading(Mapping[str, Any]):
    """Commands by name, each loaded when it is first asked for."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self._rows = {row.name: row for row in rows}
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = loaded(self._rows[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def loaded(row: Row) -> Any:
    """The command of a row, as typer runs it."""
    found = getattr(import_module(f"rsd_mri.commands.{row.module}"), row.name)
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(row.name, short_help=row.about)(found)
    return get_command(alone)


class Commands(TyperGroup):
    """The commands of the table; what it says of them, `--help` says without loading any."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: Any = Loading(ROWS)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Names in the order of the rows."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Say what the program says without typer."""
        formatter.write(help_text())


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _version(show: bool) -> None:
    if show:
        result([__version__], {}, False)
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help=DEBUG)] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help=VERSION)] = False,
) -> None:
    """Options of every command."""
    set_debug(debug)


def help_of(name: str) -> str:
    """What `--help` of a command says: that one is loaded, and no option parsed, for which typer loads pydantic."""
    group: Any = get_command(app)
    command = group.commands[name]
    with typer.Context(group, info_name="rsd-mri") as outside:
        return str(command.get_help(typer.Context(command, info_name=name, parent=outside)))
