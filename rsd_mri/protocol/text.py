"""Settings as YAML text, in which 1e-4 is a number.

PyYAML follows YAML 1.1, where a number needs a point in its mantissa and 1e-4 is a text; in YAML 1.2 and JSON it is a
number.
"""

import re
from typing import Any

import yaml

_EXPONENTS = ("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+\Z"), list("-+0123456789"))


class _Loader(yaml.SafeLoader):
    """Reads numbers as YAML 1.2 does."""


class _Dumper(yaml.SafeDumper):
    """Puts marks round texts that such a reader would take for numbers."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(*_EXPONENTS)


def values_of(text: str) -> Any:
    """The values of a YAML text; raises `yaml.YAMLError` where it is none."""
    return yaml.load(text, _Loader)  # noqa: S506 - safe: it makes plain values alone


def text_of(values: Any) -> str:
    """Values as YAML text that `values_of` gives back."""
    made: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return made
