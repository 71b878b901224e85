"""Settings from what YAML or JSON held."""

from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rsd_mri.errors import InputError
from rsd_mri.protocol.sentences import sentence

T = TypeVar("T")


def build(cls: type[T], values: Any, where: str) -> T:
    """Build settings from parsed YAML, checking names, types and ranges.

    Parameters
    ----------
    cls
        A class made by `checked`.
    values
        Names and values, as YAML gives them.
    where
        Names the file or option in the sentence of an error.

    Raises
    ------
    InputError
        With the dotted path of the first value that does not fit.
    """
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected a mapping of settings, got {type(values).__name__}")
    try:
        return _adapter(cls).validate_python(values)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise InputError(sentence(error, cls, where)) from None


@lru_cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
