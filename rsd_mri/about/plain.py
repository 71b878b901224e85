"""Values that JSON holds, at the edge where objects are written."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | None
"""A value by itself."""
Json: TypeAlias = Cell | Sequence["Json"] | Mapping[str, "Json"]
Row: TypeAlias = Mapping[str, Json]
"""Of a table, by the names of its columns."""
Parameters: TypeAlias = dict[str, str | int | float]
"""Settings of a method, as a reconstruction stores them."""
