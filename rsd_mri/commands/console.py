"""What the commands share: errors as one sentence, and progress on stderr."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from rsd_mri.commands.output import result, say
from rsd_mri.errors import InputError
from rsd_mri.machine import threads

if TYPE_CHECKING:
    from rich.progress import Progress

    from rsd_mri.about.plain import Json
    from rsd_mri.machine.progress import Progress as Told

NO_ROOM = ("failed to map segment", "allocate memory", "Unable to allocate", "libllvmlite")
"""What the system and libraries say where there is no room in memory, or below a limit of it; numba's compiler, which
says only that it was not loaded, is there wherever numba is."""
NO_THREAD = "can't start new thread"

_debug = False


def set_debug(on: bool) -> None:
    """Show tracebacks instead of single sentences."""
    global _debug  # noqa: PLW0603 - one switch for the process, set before any command runs
    _debug = on


def debugging() -> bool:
    """Whether tracebacks are shown."""
    return _debug


@contextmanager
def refusing() -> Iterator[None]:
    """Turn an `InputError`, and what disk, memory and limits refuse, into one sentence on stderr and exit code 2."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (InputError, OSError, MemoryError, ImportError, RuntimeError) as error:
        sentence = _sentence(error)
        if _debug or sentence is None:
            raise
        say(f"Error: {sentence}")
        raise typer.Exit(2) from None


def _sentence(error: Exception) -> str | None:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError) or any(said in str(error) for said in NO_ROOM):
        return (
            f"the memory of this machine, or what this process may take of it, is used up ({error}); close other "
            "programs, ask for more (ulimit -v, the batch system), or take fewer samples or workers"
        )
    if isinstance(error, OSError):
        from rsd_mri.files.trouble import refused

        return refused(error)
    if isinstance(error, RuntimeError) and NO_THREAD in str(error):
        return "no more threads or processes can be started; raise the limit (ulimit -u, the batch system)"
    return None


class Outcome(Protocol):
    """What was made of several inputs."""

    @property
    def written(self) -> Sequence[object]:
        """What came out."""

    @property
    def failures(self) -> Sequence[str]:
        """A sentence on each input that failed."""

    def lines(self) -> list[str]:
        """For a person."""

    def as_dict(self) -> "dict[str, Json]":
        """Plain values, for a program."""


def conclude(done: Outcome, as_json: bool) -> None:
    """Say what was done and what failed; the exit code is 1 where some failed and 2 where all did."""
    for failure in done.failures:
        say(f"Error: {failure}")
    result(done.lines(), done.as_dict(), as_json)
    if done.failures:
        raise typer.Exit(1 if done.written else 2)


class Bar:
    """A progress bar with time left on stderr; silent where nobody watches, or if `quiet`."""

    def __init__(self, description: str, quiet: bool = False) -> None:
        self._progress = None if quiet or not sys.stderr.isatty() else _progress()
        if self._progress is not None:
            self._task = self._progress.add_task(description, total=1.0, detail="")
        self.description = description

    def __enter__(self) -> "Bar":
        threads.settle()
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def progress(self) -> "Told":
        """What is told it, the bar shows."""
        from rsd_mri.machine.progress import Progress as Told

        return Told(self._show)

    def _show(self, done: float, description: str, detail: str) -> None:
        threads.settle()  # here, since this is called all along by what computes
        if self._progress is None:
            return
        if description and description != self.description:
            self._progress.reset(self._task)
            self.description = description
        self._progress.update(self._task, completed=done, description=self.description, detail=detail)


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
        console=Console(stderr=True),
    )
