"""Functions compiled by numba, kept on disk from one process to the next where there is room for them.

Where the package lies on a disk that cannot be written and there is no home, as in containers and for services, numba
refuses to keep anything; where the disk of the home is full, it fails when it does; and it reads what it finds without
looking whether a machine that broke down left it whole, or another user may. None is a reason not to compute. Processes
that compile for the first time at once may put what is for one kind of array in the place of what is for another.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba.core import sigutils

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
    cache = made._cache  # noqa: SLF001 - there is no public way to it
    keep, find = cache.save_overload, cache.load_overload

    def keep_if_there_is_room(signature: Any, data: Any) -> None:
        with suppress(Exception):
            keep(signature, data)

    def find_if_whole(signature: Any, target: Any) -> Any:
        try:
            found, wanted = find(signature, target), sigutils.normalize_signature(signature)[0]
            return found if found is None or tuple(found.signature.args) == tuple(wanted) else None
        except OSError:  # of another user
            return None
        except Exception:  # noqa: BLE001 - a damaged pickle may raise anything
            with suppress(OSError):
                cache.flush()
            return None

    cache.save_overload, cache.load_overload = keep_if_there_is_room, find_if_whole
