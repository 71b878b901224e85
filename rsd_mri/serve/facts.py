"""What the server needs of a header beyond what decides how its data are read."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


@dataclass(frozen=True)
class HeaderFacts:
    """Fields of a header."""

    bits_stored: int | None
    measurement: str | None
    """measurementID."""
    noise: str | None
    """measurementID of the noise that belongs to it."""
    coil_labels: tuple[tuple[str, str], ...]
    """Number and name of each coil."""
    alone: bool
    """Whether the header says that there is one slice, and one of every other counter."""


def facts_of(text: str) -> HeaderFacts:
    """Read them; what is not there, or is no number, is None."""
    root = ElementTree.fromstring(text)

    def find(where: str, node: ElementTree.Element = root) -> str | None:
        value = node.findtext("/".join(f"{{*}}{part}" for part in where.split("/")))
        return value.strip() or None if value is not None else None

    def number(value: str | None) -> int | None:
        return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 6 else None

    bits = noise = None
    for one in root.iterfind("{*}userParameters/{*}userParameterLong"):
        if find("name", one) == "BitsStored":
            bits = number(find("value", one))
    for one in root.iterfind("{*}measurementInformation/{*}measurementDependency"):
        if (find("dependencyType", one) or "").lower() == "noise":
            noise = find("measurementID", one)
    labels = [
        (find("coilNumber", one) or "", find("coilName", one) or "")
        for one in root.iterfind("{*}acquisitionSystemInformation/{*}coilLabel")
    ]
    names = ("slice", "contrast", "phase", "repetition", "set")
    last = [number(find(f"encoding/encodingLimits/{name}/maximum")) for name in names]
    return HeaderFacts(
        bits,
        find("measurementInformation/measurementID"),
        noise,
        tuple(sorted(labels)),
        last[0] == 0 and not any(last),
    )
