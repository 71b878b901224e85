"""Numbers that JSON has no word for, read again."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rsd_mri.about.plain import Json, Row


def numbers_of(cls: type[Any], values: Mapping[str, Json]) -> Row:
    """Values of a dataclass as `write_json` wrote them, with nan for null where the class has a number."""
    kinds = {field.name: field.type for field in fields(cls)}
    return {k: math.nan if v is None and kinds.get(k) in (float, "float") else v for k, v in values.items()}
