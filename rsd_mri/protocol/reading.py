"""Settings from what YAML or JSON held."""

import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from rsd_mri.errors import InputError
from rsd_mri.protocol.sentences import sentence
from rsd_mri.protocol.text import values_of

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
        read: T = TypeAdapter(cls).validate_python(values)
        return read
    except ValidationError as error:
        raise InputError(sentence(error, cls, where)) from None


def from_texts(cls: type[T], texts: Mapping[str, str], where: str) -> T:
    """Build settings from names and texts, as `--set key=value` gives them; what is not given has its default.

    Raises
    ------
    InputError
        As for `build`.
    """
    hints = typing.get_type_hints(cls)
    return build(cls, {k: v if _is_text(hints.get(k)) else parsed(k, v) for k, v in texts.items()}, where)


def parsed(key: str, text: str) -> Any:
    """The YAML value of a text.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return values_of(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {key}: {text!r} is not a YAML value") from error


def _is_text(hint: Any) -> bool:
    """Whether only texts are wanted: one that looks like a number stays a text."""
    choices = typing.get_args(hint) or (hint,)
    return all(isinstance(one, str) or one in (str, type(None)) for one in choices)
