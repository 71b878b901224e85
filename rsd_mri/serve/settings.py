"""What a connection asks for: a configuration's name and parameters, from an interface that sends strings."""

import json
import re
from collections.abc import Container
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from rsd_mri.about.plain import Json
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.methods import LEARNED, OF_ONE_FRAME

DEFAULTS = ("rsd-mri", "rsdmri", "default", "")
"""Configurations that mean the server's own method."""
WITHOUT_IMAGES = ("null", "savedataonly")
PREVIEW = "l1-wavelet"
"""The classical method whose images are sent before those of a learned one."""
MOST_SAMPLES = 16
AS_CONFIGURED = ""
"""A method that leaves the choice to the configuration: interfaces send every parameter."""
PIXELS = ("int16", "float32", "complex")
SHOWN = 40
"""Most characters of a name that is repeated in a warning."""


@dataclass(frozen=True)
class Settings:
    """What is done with the data of a connection, and what is sent."""

    config: str = "default"
    """A known configuration's name; `unknown` for any other."""
    task: Literal["reconstruct", "null", "savedataonly"] = "reconstruct"
    method: str = "posterior"
    samples: int = 4
    seed: int = 0
    pixels: str = "int16"
    preview: bool = True
    uncertainty: bool = True
    sendsamples: bool = False

    @property
    def classical(self) -> str | None:
        """The method of series 1; None where it is not sent."""
        if self.method in CLASSICAL:
            return self.method
        return PREVIEW if self.preview else None

    @property
    def learned(self) -> str | None:
        """The method of series 2; None where it is not sent."""
        return self.method if self.method in LEARNED else None

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def with_config(settings: Settings, name: bytes, default: Settings) -> tuple[Settings, list[str]]:
    """Apply the name of a configuration.

    Parameters
    ----------
    settings
        So far.
    name
        As sent.
    default
        What the server was started with.

    Returns
    -------
    settings, warnings
        A name that is not known gives the server's own method and a warning.
    """
    try:
        text = name.decode("utf-8").strip()
    except UnicodeDecodeError:
        text = "\ufffd"
    text = text.removesuffix(".xml")
    own = replace(settings, task="reconstruct", method=default.method)
    if text in DEFAULTS:
        return replace(own, config=text or "default"), []
    if text in OF_ONE_FRAME:
        return replace(own, config=text, method=text), []
    if text in WITHOUT_IMAGES:
        return replace(own, config=text, task=text), []  # type: ignore[arg-type]
    known = ", ".join([*DEFAULTS[:-1], *OF_ONE_FRAME, *WITHOUT_IMAGES])
    return replace(own, config="unknown"), [
        f"the configuration is not known and {default.method} is used; known are {known}"
    ]


def with_text(settings: Settings, text: bytes, default: Settings) -> tuple[Settings, list[str], str | None]:
    """Apply a text that may hold parameters as JSON: `{"parameters": {...}}`.

    Returns
    -------
    settings
        With the parameters; as they were where the text is no JSON of this kind.
    warnings
        One for each parameter that is not known or out of range.
    remark
        For the log, where the text was ignored; it repeats nothing of it.
    """
    try:
        found = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return settings, [], f"a text of {len(text)} bytes is no JSON and was ignored"
    values = found.get("parameters") if isinstance(found, dict) else None
    if not isinstance(values, dict):
        return settings, [], f"a text of {len(text)} bytes holds no parameters and was ignored"
    return *_with_parameters(settings, values, default), None


def _with_parameters(settings: Settings, values: dict[str, Any], default: Settings) -> tuple[Settings, list[str]]:
    warnings: list[str] = []
    custom = values.get("customconfig")
    config = custom if isinstance(custom, str) and custom.strip() else values.get("config")
    if config is not None:
        if isinstance(config, str):
            settings, said = with_config(settings, config.encode("utf-8", "replace"), default)
            warnings += said
        else:
            warnings.append(f"the parameter config is no text; {settings.method} is used")
    for name, value in values.items():
        if name in ("config", "customconfig") or (name == "method" and value == AS_CONFIGURED):
            continue
        if name not in READERS:
            known = ", ".join(["config", "customconfig", *READERS])
            warnings.append(f"the parameter {_shown(name)} is not known and was left out; known are {known}")
            continue
        try:
            settings = replace(settings, **{name: READERS[name](value)})
        except (ValueError, TypeError, OverflowError):
            warnings.append(
                f"the parameter {name} is out of range, expected {EXPECTED[name]}; {getattr(settings, name)} is used"
            )
    return settings, warnings


def _shown(name: str) -> str:
    """The name of a parameter, where it is one: whatever else was sent may be somebody's."""
    return name if re.fullmatch(f"[A-Za-z0-9]{{1,{SHOWN}}}", name) else "(not a name of letters and digits)"


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError
    number = float(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _samples(value: Any) -> int:
    if not 1 <= (number := _number(value)) <= MOST_SAMPLES:
        raise ValueError
    return number


def _seed(value: Any) -> int:
    if not 0 <= (number := _number(value)) < 2**31:
        raise ValueError
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false", "1", "0"):
        raise ValueError
    return text in ("true", "1")


def _one_of(names: Container[str]) -> Any:
    def read(value: Any) -> str:
        if (text := str(value).strip()) not in names:
            raise ValueError
        return text

    return read


READERS: dict[str, Any] = {
    "method": _one_of(OF_ONE_FRAME),
    "samples": _samples,
    "seed": _seed,
    "pixels": _one_of(PIXELS),
    "preview": _boolean,
    "uncertainty": _boolean,
    "sendsamples": _boolean,
}
EXPECTED = {
    "method": "one of " + ", ".join(OF_ONE_FRAME),
    "samples": f"1 to {MOST_SAMPLES}",
    "seed": "a whole number from 0",
    "pixels": "one of " + ", ".join(PIXELS),
    "preview": "True or False",
    "uncertainty": "True or False",
    "sendsamples": "True or False",
}
