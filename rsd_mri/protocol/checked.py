"""Frozen dataclasses whose values are checked, and the numbers they hold.

Nothing is converted in silence: a number given as text, or a yes or no given as a number, is refused. Whole numbers
stand for fractional ones, and lists for tuples.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import pydantic.dataclasses
from pydantic import AfterValidator, AllowInfNan, ConfigDict, Field, Strict, ValidationError
from typing_extensions import dataclass_transform

from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.protocol.sentences import sentence

C = TypeVar("C", bound=type)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"expected an odd number, got {value}")
    return value


Number = Annotated[float, Strict(), AllowInfNan(False)]
NotNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
"""From 0 to 1, both included."""
Part = Annotated[Number, Field(ge=0, lt=1)]
"""From 0 up to 1, which is not reached."""
Integer = Annotated[int, Strict()]
Whole = Annotated[Integer, Field(ge=0)]
Count = Annotated[Integer, Field(ge=1)]
Odd = Annotated[Count, AfterValidator(_odd)]
Switch = Annotated[bool, Strict()]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def checked(cls: C) -> C:
    """Make a class a frozen dataclass whose values are checked whenever one is made.

    `dataclasses.replace`, `asdict` and `vars` do what they do for any dataclass. In Python, too, a value that does not
    fit is an `InputError`, one sentence.
    """
    config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    cls.__annotations__ = cls.__dict__.get("__annotations__", {}) | _described_above(cls)
    made: Any = pydantic.dataclasses.dataclass(cls, frozen=True, config=config)
    made.__init__ = _refusing(made.__init__, made)
    return made  # type: ignore[no-any-return]


def _described_above(cls: type) -> dict[str, Json]:
    """Inherited fields with what is said of them: pydantic reads the text below a field in its own class alone."""
    own: dict[str, Any] = cls.__dict__.get("__annotations__", {})
    found: dict[str, Any] = {}
    for base in cls.__mro__[1:]:
        for name, one in getattr(base, "__pydantic_fields__", {}).items():
            if one.description and name in base.__annotations__ and name in vars(base) and name not in {*own, *found}:
                found[name] = Annotated[base.__annotations__[name], Field(description=one.description)]
    return found


def _refusing(init: Callable[..., None], cls: type) -> Callable[..., None]:
    @functools.wraps(init)
    def checked_init(self: object, *values: Any, **named: Any) -> None:
        try:
            init(self, *values, **named)
        except ValidationError as error:
            raise InputError(sentence(error, cls, cls.__name__)) from None

    return checked_init
