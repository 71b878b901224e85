"""The IMAGE message of one slice: header, attributes and pixels."""

import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.serve.wire import image_message

HEAD = struct.Struct("<HHQI3H3fH3f3f3f3f3f6HI3IHHH8i8fI")
INT16, FLOAT32, COMPLEX64 = 2, 5, 7
DATA_TYPES = {"int16": (INT16, "<i2"), "float32": (FLOAT32, "<f4"), "complex": (COMPLEX64, "<c8")}
MAGNITUDE, COMPLEX = 1, 5
MOST_COMMENT = 10_000
"""Characters that DICOM's ImageComments holds, less some."""


@dataclass(frozen=True)
class Described:
    """What an image is."""

    series: int
    index: int
    """From 1 in every series."""
    name: str
    """`l1-wavelet`, `posterior_mean`, `std`, ..."""
    method: str
    quantitative: bool = False
    rescale: float | None = None
    """Stored values times this are stored values of series 2."""
    window: tuple[float, float] = (0.0, 1.0)
    """Centre and width."""
    comments: tuple[str, ...] = ()
    """Sentences that speak against trusting the image."""


def encode(
    pixels: NDArray[np.generic],
    kind: str,
    head: np.void,
    position: Sequence[float],
    field_of_view: Sequence[float],
    described: Described,
) -> bytes:
    """One IMAGE message.

    Parameters
    ----------
    pixels
        [phase_encode, readout], as they are stored.
    kind
        `int16`, `float32` or `complex`.
    head
        Header of the acquisition nearest the centre of k-space.
    position
        Of the slice or partition [mm].
    field_of_view
        [mm].
    described
        What the image is.
    """
    data_type, code = DATA_TYPES[kind]
    attributes = _attributes(head, described, kind == "int16")
    idx = head["idx"]
    rows, columns = pixels.shape
    packed = HEAD.pack(
        1, data_type, 0, int(head["measurement_uid"]), columns, rows, 1, *map(float, field_of_view), 1,
        *map(float, position), *_floats(head, "read_dir"), *_floats(head, "phase_dir"), *_floats(head, "slice_dir"),
        *_floats(head, "patient_table_position"), int(idx["average"]), int(idx["slice"]), int(idx["contrast"]),
        int(idx["phase"]), int(idx["repetition"]), int(idx["set"]), int(head["acquisition_time_stamp"]),
        *(int(v) for v in head["physiology_time_stamp"]), COMPLEX if kind == "complex" else MAGNITUDE,
        described.index % 65536, described.series, *[0] * 8, *[0.0] * 8, len(attributes),
    )  # fmt: skip
    return image_message(packed, attributes, pixels.astype(code).tobytes())


def _floats(head: np.void, name: str) -> tuple[float, ...]:
    return tuple(float(v) for v in np.nan_to_num(head[name]))


def _window(value: float, whole: bool) -> str:
    return str(max(round(value), 1)) if whole else f"{value:.6g}"


def _attributes(head: np.void, described: Described, whole: bool) -> bytes:
    label = f"RSD_RESEARCH_{described.name}"
    sentences = (NOT_FOR_DIAGNOSTIC_USE, f"Method: {described.method}.", *described.comments)
    found: dict[str, Sequence[str]] = {
        "DataRole": ["Quantitative" if described.quantitative else "Image"],
        "ImageProcessingHistory": ["RSD-MRI", described.method],
        "ImageRowDir": [f"{v:.18f}" for v in _floats(head, "read_dir")],
        "ImageColumnDir": [f"{v:.18f}" for v in _floats(head, "phase_dir")],
        "Keep_image_geometry": ["1"],
        "WindowCenter": [_window(described.window[0], whole)],
        "WindowWidth": [_window(described.window[1], whole)],
        "ImageType": ["RESEARCH", described.name.upper()],
        "SeriesDescriptionAdditional": [label],
        "SequenceDescriptionAdditional": [label],
        "ImageComments": [" ".join(s if s.endswith(".") else f"{s}." for s in sentences)[:MOST_COMMENT]],
    }
    if described.rescale is not None:
        found |= {"RescaleSlope": [f"{described.rescale:.9g}"], "RescaleIntercept": ["0"]}
    root = ElementTree.Element("ismrmrdMeta")
    for name, values in found.items():
        meta = ElementTree.SubElement(root, "meta")
        ElementTree.SubElement(meta, "name").text = name
        for value in values:
            ElementTree.SubElement(meta, "value").text = "".join(c for c in value if c.isprintable())
    return ElementTree.tostring(root, encoding="unicode").encode("utf-8", "replace")
