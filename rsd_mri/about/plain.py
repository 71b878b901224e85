"""Values that JSON holds, at the edge where objects are written."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Cell: TypeAlias = str | int | float | bool | None
"""A value by itself."""
Json: TypeAlias = Cell | Sequence["Json"] | Mapping[str, "Json"]
Row: TypeAlias = Mapping[str, Json]
"""Of a table, by the names of its columns."""
Parameters: TypeAlias = dict[str, str | int | float]
"""Settings of a method, as a reconstruction stores them."""


def finite(values: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON has no word for."""
    if isinstance(values, dict):
        return {name: finite(one) for name, one in values.items()}
    if isinstance(values, list | tuple):
        return [finite(one) for one in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
