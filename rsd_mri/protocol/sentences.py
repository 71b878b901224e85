"""One sentence for the first value that pydantic refuses: the dotted path, what was expected, what came."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from rsd_mri.errors import alike

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dataclass_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
    "finite_number": "a finite number",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "more than {gt:g}",
    "too_short": "a list of at least {min_length}",
    "less_than_equal": "at most {le:g}",
    "less_than": "less than {lt:g}",
}
"""What was expected, by the name of pydantic's error."""
FOREIGN = ("unexpected_keyword_argument", "extra_forbidden")


def sentence(error: ValidationError, cls: type, where: str) -> str:
    """Say what is wrong with the first value that does not fit.

    Parameters
    ----------
    error
        Of a settings class.
    cls
        That class.
    where
        What the path starts with: a file, an option, or a file and a part of it (`weights: protocol`).
    """
    first = error.errors(include_url=False)[0]
    path, owner = _path(cls, first["loc"])
    kind, given, context = first["type"], first["input"], first.get("ctx", {})
    said = ""
    if kind in FOREIGN:
        name = path.pop()
        said = f"unknown key '{name}'{_of_kind(owner)}; known keys: {', '.join(names(owner))}"
        said += alike(name, names(owner))
    elif kind in ("literal_error", "union_tag_invalid"):
        choices = context.get("expected_tags") or context["expected"]
        known = [one.strip(" '") for one in choices.replace(" or ", ", ").split(",")]
        if kind == "union_tag_invalid":
            path, given = [*path, "kind"], context["tag"]
        said = f"expected one of {', '.join(known)}, got {given!r}{alike(str(given), known)}"
    elif kind == "value_error":
        said = str(context["error"])
    elif kind in EXPECTED:
        shown = type(given).__name__ if "mapping" in EXPECTED[kind] else repr(given)
        said = f"expected {EXPECTED[kind].format(**context)}, got {shown}"
    else:
        said = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    start = where if not path else f"{where}{'.' if ':' in where else ': '}{'.'.join(path)}"
    return f"{start}: {said}"


def names(cls: Any) -> list[str]:
    """Names of the settings of a class."""
    return [field.name for field in dataclasses.fields(cls)]


def kind_of(cls: Any) -> str | None:
    """The one `kind` that a class of a union stands for; None for any other class."""
    choices = typing.get_args(typing.get_type_hints(cls).get("kind")) if dataclasses.is_dataclass(cls) else ()
    return str(choices[0]) if len(choices) == 1 else None


def members(hint: Any) -> Mapping[str, type]:
    """The classes of a union by their kind; empty for any other type."""
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    found = {}
    for one in typing.get_args(hint):
        if (kind := kind_of(one)) is not None:
            found[kind] = one
    return found


def _path(cls: Any, location: tuple[int | str, ...]) -> tuple[list[str], Any]:
    """The path as the user wrote it, without the name of the class chosen, and the class that holds its last step."""
    path: list[str] = []
    owner, hint = cls, cls
    for step in location:
        union = members(hint)
        if step in union:
            owner = hint = union[str(step)]
            continue
        if dataclasses.is_dataclass(hint):
            owner, hint = hint, typing.get_type_hints(hint, include_extras=True).get(str(step))
        path.append(names(owner)[step] if isinstance(step, int) and not path else str(step))
    return path, owner


def _of_kind(cls: Any) -> str:
    kind = kind_of(cls)
    return f" of {kind}" if kind is not None else ""
