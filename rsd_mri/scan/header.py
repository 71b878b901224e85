"""The ISMRMRD header (XML): what it says of the acquisition, and how one is written."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rsd_mri.errors import InputError
from rsd_mri.scan.facts import Facts

NAMESPACE = "http://www.ismrm.org/ISMRMRD"
Limits = tuple[int, int, int]
"""Smallest, largest and central counter."""


@dataclass(frozen=True)
class Header:
    """What an ISMRMRD header says of an encoding; None where it says nothing usable."""

    encoded: tuple[int, int, int] | None = None
    """Encoded matrix (readout, phase encode, partition or slice)."""
    recon: tuple[int, int, int] | None = None
    """Matrix of the image wanted."""
    encoded_fov: tuple[float, float, float] | None = None
    """Encoded field of view [mm]."""
    recon_fov: tuple[float, float, float] | None = None
    """Field of view of the image wanted [mm]."""
    lines: Limits | None = None
    """Smallest, largest and central phase-encode index."""
    partitions: Limits | None = None
    """Smallest, largest and central index of the second phase encode."""
    slices: int | None = None
    """Number of slices."""
    coils: int | None = None
    """Number of receive channels."""
    trajectory: str | None = None
    """`cartesian`, `epi`, `radial`, ..."""
    coil_labels: tuple[str, ...] = ()
    """Names of the receive channels in their order; empty where they are not all named."""
    calibration_mode: str | None = None
    """`embedded`, `interleaved`, `separate`, `external` or `other`."""
    multiband: int = 1
    """Slices that were excited at once."""
    noise_bandwidth: float | None = None
    """Equivalent noise bandwidth of the receiver, relative to its sampling bandwidth."""
    patient: str | None = None
    """Patient identifier."""
    vendor: str | None = None
    """Who built the scanner."""
    description: str | None = None
    """Identifier of the trajectory's description, such as `ConventionalEPI`."""
    parameters: dict[str, float] = field(default_factory=dict)
    """Numbers of the trajectory's description (ramp and flat-top times, ...) and user parameters, by name."""
    thickness: float | None = None
    """Slice thickness where it is said apart from the fields of view [mm]."""
    spacing: float | None = None
    """Distance from slice to slice where the header says it [mm]."""
    facts: Facts = field(default_factory=Facts)
    """What does not change how the data are read."""
    further: tuple["Header", ...] = ()
    """The encodings after the first, as in a file whose calibration lines have an encoding of their own."""

    def encoding(self, number: int) -> "Header":
        """What the header says of an encoding; the first where there are not as many."""
        return self.further[number - 1] if 0 < number <= len(self.further) else self

    def with_encoding(self, number: int, header: "Header") -> "Header":
        """The header with another one for an encoding, found by the same number as in `encoding`."""
        if not 0 < number <= len(self.further):
            return replace(header, further=self.further)
        return replace(self, further=(*self.further[: number - 1], header, *self.further[number:]))

    @property
    def acquired_at(self) -> tuple[int, int] | None:
        """First and last-plus-one line the scanner could fill, in an array as wide as the encoded matrix."""
        if self.encoded is None or self.lines is None:
            return None
        low, last, centre = self.lines
        first = self.encoded[1] // 2 - centre
        return first + low, first + last + 1


def parse_header(text: str, path: Path) -> Header:
    """Read an ISMRMRD header.

    Raises
    ------
    InputError
        If it is not XML, or a field that is there has the wrong type.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path}: ismrmrd_header declares entities; expected a plain ISMRMRD header")
    try:
        root = ElementTree.fromstring(text.rstrip("\x00"))
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(
            f"{path}: ismrmrd_header is not XML ({error}); expected an ISMRMRD header: export the scan again"
        ) from error
    for node in root.iter():
        if isinstance(node.tag, str):
            node.tag = node.tag.rpartition("}")[2]

    slices = _limits(root.find("encoding/encodingLimits"), "slice", path)
    coils = _number(root, "acquisitionSystemInformation/receiverChannels", int, path)
    sequence = root.find("sequenceParameters")
    encodings = root.findall("encoding") or [ElementTree.Element("encoding")]
    shared = Header(
        slices=None if slices is None else slices[1] - slices[0] + 1,
        coils=None if coils is None else int(coils),
        noise_bandwidth=_number(root, "acquisitionSystemInformation/relativeReceiverNoiseBandwidth", float, path),
        coil_labels=_coil_labels(root),
        patient=_text(root, "subjectInformation/patientID"),
        vendor=_text(root, "acquisitionSystemInformation/systemVendor"),
        parameters=_parameters(root.find("userParameters")),
        thickness=None if sequence is None else _number(sequence, "sliceThickness", float, path),
        spacing=None if sequence is None else _number(sequence, "spacingBetweenSlices", float, path),
        facts=_facts(root, path),
    )
    first, *others = [_encoding(shared, one, path) for one in encodings]
    return replace(first, further=tuple(others))


def _text(root: ElementTree.Element, where: str) -> str | None:
    return (root.findtext(where) or "").strip() or None


def _number(root: ElementTree.Element, where: str, kind: type, path: Path) -> float | None:
    """Return a number; one that should be whole is rounded, as converters write 35.9996 for 36."""
    value = root.findtext(where)
    if value is None or not value.strip():
        return None
    try:
        found = float(value)
        if found != found or abs(found) > 1e9 or (kind is int and abs(found - round(found)) > 0.01):
            raise ValueError
    except ValueError:
        where = where if where.startswith(("encoding", "acq")) else f"{root.tag}/{where}"
        raise InputError(f"{path}: ismrmrd_header field {where} is {value.strip()[:40]!r}; expected a number") from None
    return round(found) if kind is int else found


def _triple(
    root: ElementTree.Element, where: str, kind: type, path: Path, names: str = "x y z"
) -> tuple[Any, ...] | None:
    values = tuple(_number(root, f"{where}/{name}", kind, path) for name in names.split())
    return None if None in values else values


def _limits(limits: ElementTree.Element | None, name: str, path: Path) -> tuple[Any, ...] | None:
    return None if limits is None else _triple(limits, name, int, path, "minimum maximum center")


def _encoding(shared: Header, one: ElementTree.Element, path: Path) -> Header:
    """What one `encoding` says, and what the header says of all of them."""

    def matrix(where: str) -> tuple[Any, ...] | None:
        values = _triple(one, where, int, path)
        if values is not None and min(values) < 1:
            raise InputError(f"{path}: ismrmrd_header field encoding/{where} is {values}; expected positive sizes")
        return values

    limits = one.find("encodingLimits")
    mode = (_text(one, "parallelImaging/calibrationMode") or "").lower() or None
    return replace(
        shared,
        encoded=matrix("encodedSpace/matrixSize"),
        recon=matrix("reconSpace/matrixSize"),
        encoded_fov=_triple(one, "encodedSpace/fieldOfView_mm", float, path),
        recon_fov=_triple(one, "reconSpace/fieldOfView_mm", float, path),
        lines=_limits(limits, "kspace_encoding_step_1", path),
        partitions=_limits(limits, "kspace_encoding_step_2", path),
        trajectory=(_text(one, "trajectory") or "").lower() or None,
        calibration_mode=mode,
        multiband=int(_number(one, "parallelImaging/multiband/multiband_factor", int, path) or 1),
        description=_text(one, "trajectoryDescription/identifier"),
        parameters={**shared.parameters, **_parameters(one.find("trajectoryDescription"))},
    )


def _parameters(group: ElementTree.Element | None) -> dict[str, float]:
    """Numbers of `userParameterLong` and `userParameterDouble`, by name; what is no number is left out."""
    found: dict[str, float] = {}
    for one in [] if group is None else [*group.iter("userParameterLong"), *group.iter("userParameterDouble")]:
        name, value = _text(one, "name"), _text(one, "value")
        try:
            found[str(name)] = float(str(value))
        except ValueError:
            continue
    return found


def _coil_labels(root: ElementTree.Element) -> tuple[str, ...]:
    """Names of the coils: of `coilLabel`, or of the user parameters COIL_0, COIL_1, ... of converted Siemens data."""
    found: dict[int, str] = {}
    for one in root.iter("coilLabel"):
        number, name = _text(one, "coilNumber"), _text(one, "coilName")
        if number is not None and number.isdigit() and name:
            found[int(number)] = name
    for one in [] if found else root.iter("userParameterString"):
        label, name = _text(one, "name") or "", _text(one, "value")
        if label.startswith("COIL_") and label[5:].isdigit() and name:
            found[int(label[5:])] = name
    return tuple(name for _, name in sorted(found.items()))


def _facts(root: ElementTree.Element, path: Path) -> Facts:
    def numbers(name: str) -> tuple[float, ...]:
        found = []
        for one in root.findall(f"sequenceParameters/{name}"):
            try:
                found.append(float(one.text or ""))
            except ValueError:
                continue
        return tuple(value for value in found if 0 <= value < 1e9)

    field_strength = _number(root, "acquisitionSystemInformation/systemFieldStrength_T", float, path)
    frequency = _number(root, "experimentalConditions/H1resonanceFrequency_Hz", float, path)
    return Facts(
        echo_times=numbers("TE"),
        repetition_times=numbers("TR"),
        inversion_times=numbers("TI"),
        flip_angles=numbers("flipAngle_deg"),
        field_strength=field_strength if field_strength is not None and 0 < field_strength < 30 else None,
        frequency=frequency / 1e6 if frequency and frequency > 0 else None,
        vendor=_text(root, "acquisitionSystemInformation/systemVendor"),
        model=_text(root, "acquisitionSystemInformation/systemModel"),
        patient_position=_text(root, "measurementInformation/patientPosition"),
        sequence=_text(root, "measurementInformation/sequenceName") or _text(root, "sequenceParameters/sequence_type"),
        protocol=_text(root, "measurementInformation/protocolName"),
        series_date=_text(root, "measurementInformation/seriesDate"),
        series_time=_text(root, "measurementInformation/seriesTime"),
    )


def format_header(
    size: tuple[int, int],
    image_size: tuple[int, int],
    n_slices: int,
    n_coils: int,
    acquired_at: tuple[int, int] | None = None,
    voxel_size: tuple[float, float, float] | None = None,
    trajectory: str = "cartesian",
) -> str:
    """Write an ISMRMRD header for slices.

    Parameters
    ----------
    size, image_size
        (readout, phase_encode) of k-space and of the image wanted.
    n_slices, n_coils
        Counts.
    acquired_at
        First and last-plus-one line the scanner could fill; None for all.
    voxel_size
        (readout, phase_encode, slice) [mm]; an unknown one is written as a field of view of 0.
    trajectory
        One of the format's words: `cartesian`, `radial`, `spiral`, `other`, ...

    Returns
    -------
    str
        XML that follows the ISMRMRD schema. The resonance frequency, which the schema asks for, is 0.
    """
    first, stop = acquired_at or (0, size[1])
    voxel = voxel_size or (0.0, 0.0, 0.0)
    root = ElementTree.Element("ismrmrdHeader", xmlns=NAMESPACE)

    def add(parent: ElementTree.Element, where: str, **fields: object) -> ElementTree.Element:
        for name in where.split("/"):
            parent = ElementTree.SubElement(parent, name)
        for name, value in fields.items():
            ElementTree.SubElement(parent, name).text = str(value)
        return parent

    add(root, "acquisitionSystemInformation", receiverChannels=n_coils)
    add(root, "experimentalConditions", H1resonanceFrequency_Hz=0)
    encoding = add(root, "encoding")
    for name, (nx, ny) in (("encodedSpace", size), ("reconSpace", image_size)):
        space = add(encoding, name)
        add(space, "matrixSize", x=nx, y=ny, z=1)
        add(space, "fieldOfView_mm", x=nx * voxel[0], y=ny * voxel[1], z=voxel[2])
    limits = add(encoding, "encodingLimits")
    for name, last, centre in (
        ("kspace_encoding_step_1", stop - first - 1, size[1] // 2 - first),
        ("kspace_encoding_step_2", 0, 0),
        ("slice", n_slices - 1, 0),
    ):
        add(limits, name, minimum=0, maximum=last, center=centre)
    add(encoding, "trajectory").text = trajectory
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")
