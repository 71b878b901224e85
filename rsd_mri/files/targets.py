"""Several inputs, each with files of its own."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from rsd_mri.errors import InputError

T = TypeVar("T")


def written_apart(items: Iterable[T], source: Callable[[T], Path], target: Callable[[T], Path]) -> list[T]:
    """The items in their order, one whose source is named twice only once.

    Parameters
    ----------
    items
        What is to be worked on.
    source
        The file that an item is read from.
    target
        What the names of all files begin with that are written of it.

    Raises
    ------
    InputError
        If two sources would be written to the same files.
    """
    kept: dict[Path, T] = {}
    for item in items:
        begins = target(item).resolve()
        first = kept.setdefault(begins, item)
        if source(first).resolve() != source(item).resolve():
            raise InputError(
                f"{source(first)} and {source(item)} would be written to the same files ({target(item)}); "
                "write them to two folders, one after the other"
            )
    return list(kept.values())
