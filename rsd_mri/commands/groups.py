"""Options that go together, declared once: a frozen dataclass whose fields become options of a command."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


class Group:
    """What the dataclasses are known by: a parameter of such a type stands for one option per field."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command as typer takes it: each of its groups is expanded, in its place, into the options of its fields."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {}
    options: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        kind = hints[name]
        if isinstance(kind, type) and issubclass(kind, Group) and is_dataclass(kind):
            groups[name] = kind
            of_fields = get_type_hints(kind, include_extras=True)
            options += [
                Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=of_fields[f.name])
                for f in fields(kind)
            ]
        else:
            options.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=kind))

    @wraps(command)
    def expanded(**given: Any) -> None:
        made = {
            name: kind(**{f.name: given.pop(f.name) for f in fields(kind) if f.name in given})
            for name, kind in groups.items()
        }
        command(**given, **made)

    expanded.__signature__ = Signature(options, return_annotation=None)  # type: ignore[attr-defined]
    expanded.__annotations__ = {option.name: option.annotation for option in options}
    return expanded
