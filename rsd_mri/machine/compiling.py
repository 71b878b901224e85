"""Functions compiled by numba, kept on disk from one process to the next where there is room for them.

Where the package lies on a disk that cannot be written and there is no home, as in containers and for services, numba
refuses to keep anything; where the disk of the home is full, it fails when it does. Neither is a reason not to compute.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba

Function = Callable[..., Any]


def compiling(**options: Any) -> Callable[[Function], Any]:
    """A decorator: `numba.njit` without the interpreter's lock, that keeps what it compiled where it can."""
    chosen = {"nogil": True, "error_model": "numpy", **options}

    def compile_(function: Function) -> Any:
        try:
            made = numba.njit(cache=True, **chosen)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return numba.njit(**chosen)(function)
        _keeping_where_it_can(made)
        return made

    return compile_


def kept_in() -> str | None:
    """The folder in which compiled functions of this package are kept; None where there is none."""
    path: str | None = compiling()(_keeping_where_it_can)._cache.cache_path  # noqa: SLF001
    return path


def _keeping_where_it_can(made: Any) -> None:
    keep = made._cache.save_overload  # noqa: SLF001 - there is no public way to it

    def keep_if_there_is_room(signature: Any, data: Any) -> None:
        with suppress(OSError):
            keep(signature, data)

    made._cache.save_overload = keep_if_there_is_room  # noqa: SLF001
