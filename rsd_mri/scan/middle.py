"""The middle of an axis of n points is number n // 2: the zero frequency, as the centred transform has it."""

from collections.abc import Sequence
from typing import Any


def centre_slice(n: int, width: int) -> slice:
    """Return the indices of the `width` points around index n // 2."""
    start = n // 2 - width // 2
    return slice(start, start + width)


def centre_window(size: Sequence[int], widths: Sequence[int]) -> tuple[slice, ...]:
    """Return the indices of the middle along several axes, all of an axis where the width is larger."""
    return tuple(centre_slice(n, min(width, n)) for n, width in zip(size, widths, strict=True))


def centre_of_last(shape: Sequence[int], widths: Sequence[int]) -> tuple[Any, ...]:
    """Return the indices of the middle along the last axes of an array of that shape, with all of the others."""
    return (..., *centre_window(shape[-len(widths) :], widths))
