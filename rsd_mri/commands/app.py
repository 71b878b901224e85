"""The command line: read options, call one library function, say where things went.

What needs no command, help and version, is said before anything is loaded; a command is imported when it is called, and
everything heavy inside it.
"""

import os
import sys
from typing import Any

from rsd_mri.about import __version__
from rsd_mri.commands.output import result, say
from rsd_mri.commands.table import ROWS, help_text
from rsd_mri.errors import InputError

COMPLETING = "_RSD_MRI_COMPLETE"
"""Set by a shell that asks how a command goes on."""
SERVER = "serve"
"""The command that goes on until it is stopped."""


def main() -> None:
    """Entry point of `rsd-mri`."""
    _keep_streams()
    # Before anything is loaded, which takes seconds where the machine is busy.
    from rsd_mri.machine import interrupts

    named = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    interrupts.run(_command, until_stopped=named == SERVER)


def _command() -> None:
    match sys.argv[1:]:
        case [] if COMPLETING not in os.environ:
            say(help_text().rstrip())
            sys.exit(2)
        case ["--help"]:
            _print(help_text().rstrip())
        case ["--version"]:
            _print(__version__)
        case [name, "--help"] if any(row.name == name for row in ROWS):
            from rsd_mri.commands.root import help_of

            _print(help_of(name))
        case _:
            from rsd_mri.commands.console import debugging
            from rsd_mri.commands.root import app
            from rsd_mri.machine import threads

            _require_folder()
            threads.begin()
            try:
                app()
            except OSError as error:  # of what typer writes itself, as a completion; commands say their own
                if debugging() or error.filename is not None:
                    raise
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                say(f"Error: nothing can be written to standard output ({error.strerror})")
                sys.exit(2)


def _require_folder() -> None:
    """End where the current folder was removed: relative paths lead nowhere, and torch's libraries cannot be loaded."""
    try:
        os.getcwd()  # noqa: PTH109 - nothing else is loaded yet
    except OSError:
        say("Error: the folder that this command was started in was removed; change to another one and start it there")
        sys.exit(2)


def _keep_streams() -> None:
    """Give what was closed to this program nowhere to go: the next file opened would take its place and its output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115, PTH123 - a number


def _print(text: str) -> None:
    try:
        result([text], {}, False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)  # whoever read has gone, as after `| head`
    except InputError as error:
        say(f"Error: {error}")
        sys.exit(2)


def __getattr__(name: str) -> Any:
    """`app`, the group of all commands, when it is first used."""
    if name == "app":
        from rsd_mri.commands.root import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
