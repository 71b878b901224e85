"""The ISMRMRD header (XML): what it says of the acquisition, and how one is written."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_mri.errors import InputError

NAMESPACE = "http://www.ismrm.org/ISMRMRD"


@dataclass(frozen=True)
class Header:
    """What an ISMRMRD header says of the first encoding; None where it says nothing usable."""

    encoded: tuple[int, int, int] | None = None
    """Encoded matrix (readout, phase encode, partition or slice)."""
    recon: tuple[int, int, int] | None = None
    """Matrix of the image wanted."""
    encoded_fov: tuple[float, float, float] | None = None
    """Encoded field of view [mm]."""
    recon_fov: tuple[float, float, float] | None = None
    """Field of view of the image wanted [mm]."""
    lines: tuple[int, int, int] | None = None
    """Smallest, largest and central phase-encode index."""
    partitions: tuple[int, int, int] | None = None
    """Smallest, largest and central index of the second phase encode."""
    slices: int | None = None
    """Number of slices."""
    coils: int | None = None
    """Number of receive channels."""
    trajectory: str | None = None
    """`cartesian`, `epi`, `radial`, ..."""
    calibration_mode: str | None = None
    """`embedded`, `interleaved`, `separate`, `external` or `other`."""
    noise_bandwidth: float | None = None
    """Equivalent noise bandwidth of the receiver, relative to its sampling bandwidth."""
    patient: str | None = None
    """Patient identifier."""

    @property
    def acquired_at(self) -> tuple[int, int] | None:
        """First and last-plus-one line the scanner could fill, in an array as wide as the encoded matrix."""
        if self.encoded is None or self.lines is None:
            return None
        _, last, centre = self.lines
        first = self.encoded[1] // 2 - centre
        return first, first + last + 1

    @property
    def voxel_size(self) -> tuple[float, float, float] | None:
        """Size of a voxel [mm]."""
        for fov, matrix in ((self.encoded_fov, self.encoded), (self.recon_fov, self.recon)):
            if fov and matrix and min(fov) > 0:
                return (fov[0] / matrix[0], fov[1] / matrix[1], fov[2] / matrix[2])
        return None


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

    def number(where: str, kind: type) -> float | None:
        value = root.findtext(where)
        if value is None or not value.strip():
            return None
        try:
            found = float(value)
            if found != found or abs(found) > 1e9 or (kind is int and found != int(found)):
                raise ValueError
        except ValueError:
            raise InputError(
                f"{path}: ismrmrd_header field {where} is {value.strip()[:40]!r}; expected a number"
            ) from None
        read: float = kind(found)
        return read

    def triple(where: str, kind: type, names: str = "x y z") -> tuple[Any, ...] | None:
        values = tuple(number(f"{where}/{name}", kind) for name in names.split())
        return None if None in values else values

    def matrix(where: str) -> tuple[Any, ...] | None:
        values = triple(where, int)
        if values is not None and min(values) < 1:
            raise InputError(f"{path}: ismrmrd_header field {where} is {values}; expected positive sizes")
        return values

    def limits(where: str) -> tuple[Any, ...] | None:
        return triple(f"encoding/encodingLimits/{where}", int, "minimum maximum center")

    slices, coils = limits("slice"), number("acquisitionSystemInformation/receiverChannels", int)
    return Header(
        encoded=matrix("encoding/encodedSpace/matrixSize"),
        recon=matrix("encoding/reconSpace/matrixSize"),
        encoded_fov=triple("encoding/encodedSpace/fieldOfView_mm", float),
        recon_fov=triple("encoding/reconSpace/fieldOfView_mm", float),
        lines=limits("kspace_encoding_step_1"),
        partitions=limits("kspace_encoding_step_2"),
        slices=None if slices is None else slices[1] + 1,
        coils=None if coils is None else int(coils),
        trajectory=(root.findtext("encoding/trajectory") or "").strip().lower() or None,
        calibration_mode=(root.findtext("encoding/parallelImaging/calibrationMode") or "").strip().lower() or None,
        noise_bandwidth=number("acquisitionSystemInformation/relativeReceiverNoiseBandwidth", float),
        patient=(root.findtext("subjectInformation/patientID") or "").strip() or None,
    )


def format_header(
    size: tuple[int, int],
    image_size: tuple[int, int],
    n_slices: int,
    n_coils: int,
    acquired_at: tuple[int, int] | None = None,
    voxel_size: tuple[float, float, float] | None = None,
) -> str:
    """Write an ISMRMRD header for slices of Cartesian k-space.

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
    add(encoding, "trajectory").text = "cartesian"
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")
