"""The protocol of a Siemens measurement, and the ISMRMRD header that says the same.

Which parameter is which field follows siemens_to_ismrmrd's parameter map.
"""

import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rsd_mri.errors import InputError
from rsd_mri.scan.header import NAMESPACE

MOST_BUFFERS, LONGEST = 64, 1 << 26
NAME = re.compile(rb"(\w{4,})\x00(.{4})", re.DOTALL)
ASCCONV = re.compile(r"### ASCCONV BEGIN[^\n]*\n(.*?)### ASCCONV END ###", re.DOTALL)
ASSIGNED = re.compile(r"^[ \t]*([\w.\[\]]+)[ \t]*=[ \t]*([^\n]*?)[ \t\r]*$", re.MULTILINE)
PARAMETER = re.compile(r'<Param(?:Bool|Long|String|Double)\."(\w+)">\s*{([^}]*)}')
TAG = re.compile(r"<\w+>\s*\S+")
TRAJECTORIES = {1: "cartesian", 2: "radial", 4: "spiral", 8: "propeller"}
CALIBRATION = {2: "embedded", 4: "separate", 8: "separate", 16: "interleaved", 32: "interleaved", 64: "interleaved"}
MEASURED_COIL = re.compile(
    r"(a?sCoilSelectMeas(?:\[0\])?\.(?:aRxCoilSelectData\[0\]\.)?asList\[\d+\])\.lADCChannelConnected"
)
INVERSIONS = (1, 2)
"""Settings of the inversion pulse: selective and not; 4 is off."""
TRAPEZOID = 2
"""Regridding mode of a trapezoidal readout; 4 is a sinusoidal one."""
NOISE_BANDWIDTH = 0.793
"""Equivalent noise bandwidth of the receiver, relative to its sampling bandwidth."""


@dataclass(frozen=True)
class Protocol:
    """What a measurement's header says, as flat text."""

    parameters: dict[str, str]
    """Of the protocol (`sKSpace.lBaseResolution`)."""
    settings: dict[str, str]
    """Of the reconstruction and of DICOM (`iNoOfFourierLines`)."""

    def text(self, *names: str) -> str:
        """First parameter or setting of these names that is there; empty if none is."""
        for name in names:
            for values in (self.parameters, self.settings):
                if values.get(name, "").strip('" '):
                    return values[name].strip('" ')
        return ""

    def number(self, *names: str) -> float | None:
        """First number among these names, or None."""
        word = self.text(*names).split(" ")[0]
        try:
            value = float(int(word, 16)) if word.lower().startswith("0x") else float(word)
        except ValueError:
            return None
        return value if abs(value) < 1e12 else None

    def whole(self, *names: str) -> int | None:
        """First number among these names, rounded."""
        value = self.number(*names)
        return None if value is None else round(value)

    @property
    def dwell_time(self) -> float | None:
        """Time between samples of an imaging readout [us]."""
        value = self.number("sRXSPEC.alDwellTime[0]", "sRxSpec.alDwellTime[0]")
        return value / 1000 if value else None

    @property
    def sequence(self) -> str:
        """The sequence's file name."""
        return self.text("tSequenceFileName", "SequenceFileName", "SequenceString")

    @property
    def name(self) -> str:
        """The protocol's name."""
        return self.text("tProtocolName", "ProtocolName")

    def coils(self) -> tuple[str, ...]:
        """Names of the receive coils in the order of the receivers; empty where they are not known."""
        found = []
        for name, value in self.parameters.items():
            if match := MEASURED_COIL.fullmatch(name):
                element = self.text(f"{match[1]}.sCoilElementID.tElement")
                coil = self.text(f"{match[1]}.sCoilElementID.tCoilID")
                if value.strip().isdigit() and element and self.text(f"{match[1]}.lElementSelected") != "0":
                    found.append((int(value), f"{coil}:{element}"))
        return tuple(name for _, name in sorted(found))


def read_protocol(path: Path, start: int, stop: int) -> tuple[Protocol, int]:
    """Read the header of a measurement.

    Returns
    -------
    protocol
        What it says.
    first
        Where the first record begins [bytes].

    Raises
    ------
    InputError
        If there is no header, or it does not end inside the measurement.
    """
    broken = InputError(f"{path}: the measurement's header is damaged; expected Siemens raw data: copy the file again")
    with path.open("rb") as file:
        file.seek(start)
        length, count = struct.unpack("<II", file.read(8).ljust(8, b"\0"))
        if not 8 < length <= min(stop - start, LONGEST) or not 1 <= count <= MOST_BUFFERS:
            raise broken
        content = file.read(length - 8)
    parameters: dict[str, str] = {}
    settings: dict[str, str] = {}
    position = 0
    for _ in range(count):
        match = NAME.search(content[position : position + 48])
        if match is None:
            raise broken
        begin = position + match.end()
        position = begin + struct.unpack("<I", match[2])[0]
        if position > len(content):
            raise broken
        text = content[begin:position].decode("latin-1")
        if match[1] in (b"MeasYaps", b"Phoenix"):
            for part in ASCCONV.findall(text) or [text]:
                parameters = {**dict(ASSIGNED.findall(part)), **parameters}
        elif match[1] in (b"Meas", b"Dicom", b"Config"):
            for name, value in PARAMETER.findall(text):
                plain = " ".join(TAG.sub("", value).replace('"', " ").split())
                if plain:
                    settings.setdefault(name, plain)
    if not parameters and not settings:
        raise broken
    return Protocol(parameters, settings), start + length


def to_ismrmrd(protocol: Protocol, coils: int) -> str:
    """Write the ISMRMRD header that says what a protocol says, the patient's name and number left out."""
    p, first = protocol, "sSliceArray.asSlice[0]."
    root = ElementTree.Element("ismrmrdHeader", xmlns=NAMESPACE)

    def add(parent: ElementTree.Element, where: str, **fields: object) -> ElementTree.Element:
        for name in where.split("/"):
            parent = ElementTree.SubElement(parent, name)
        for name, value in fields.items():
            if value not in (None, ""):
                ElementTree.SubElement(parent, name).text = f"{value:.10g}" if isinstance(value, float) else str(value)
        return parent

    lies = p.text("tPatientPosition", "PatientPosition")
    add(root, "measurementInformation", patientPosition=lies, protocolName=p.name)
    system = add(
        root, "acquisitionSystemInformation", systemVendor=p.text("Manufacturer") or "SIEMENS",
        systemModel=p.text("ManufacturersModelName"),
        systemFieldStrength_T=p.number("sProtConsistencyInfo.flNominalB0", "flMagneticFieldStrength"),
        relativeReceiverNoiseBandwidth=NOISE_BANDWIDTH, receiverChannels=coils,
    )  # fmt: skip
    for number, name in enumerate(p.coils() if len(p.coils()) == coils else ()):
        add(system, "coilLabel", coilNumber=number, coilName=name)
    frequency = p.number("lFrequency", "sTXSPEC.asNucleusInfo[0].lFrequency")
    add(root, "experimentalConditions", H1resonanceFrequency_Hz=round(frequency or 0))
    encoding = add(root, "encoding")
    volume = (p.whole("sKSpace.ucDimension") or 2) == 4 or (p.whole("i3DFTLength") or 1) > 1
    base, lines = p.whole("sKSpace.lBaseResolution") or 0, p.whole("sKSpace.lPhaseEncodingLines") or 0
    over = p.number("flReadoutOSFactor") or 2.0
    read, phase, thick = (p.number(first + name) or 0.0 for name in ("dReadoutFOV", "dPhaseFOV", "dThickness"))
    partitions = p.whole("sKSpace.lPartitions") or 1 if volume else 1
    spaces = {
        "encodedSpace": (
            (p.whole("iNoOfFourierColumns") or round(base * over), lines, partitions),
            (read * over, phase * (1 + (p.number("flPhaseOS", "sKSpace.dPhaseOversamplingForDialog") or 0)),
             thick * (1 + (p.number("sKSpace.dSliceOversamplingForDialog", "flSliceOS") or 0) * volume)),
        ),
        "reconSpace": (
            (p.whole("NImageCols", "ImageColumns") or base, p.whole("NImageLins", "ImageLines") or lines,
             p.whole("sKSpace.lImagesPerSlab") or 1 if volume else 1),
            (read, phase, thick),
        ),
    }  # fmt: skip
    for name, (matrix, fov) in spaces.items():
        if min(matrix) > 0:
            space = add(encoding, name)
            add(space, "matrixSize", **dict(zip("xyz", matrix, strict=True)))
            add(space, "fieldOfView_mm", **dict(zip("xyz", fov, strict=True)))
    slices = p.whole("sSliceArray.lSize") or 1
    limits = add(encoding, "encodingLimits")
    measured = ("kspace_encoding_step_1", p.whole("iNoOfFourierLines"), lines)
    across = ("kspace_encoding_step_2", (p.whole("iNoOfFourierPartitions") or 1) if volume else 1, partitions)
    for name, count, full in (measured, across):
        if count and full:
            add(limits, name, minimum=0, maximum=count - 1, center=max(full // 2 - (full - count), 0))
    add(limits, "slice", minimum=0, maximum=slices - 1, center=0)
    add(encoding, "trajectory").text = TRAJECTORIES.get(p.whole("sKSpace.ucTrajectory") or 1, "other")
    _readout(add, encoding, p)
    pat = add(encoding, "parallelImaging")
    add(pat, "accelerationFactor", kspace_encoding_step_1=p.whole("sPat.lAccelFactPE") or 1,
        kspace_encoding_step_2=p.whole("sPat.lAccelFact3D") or 1)  # fmt: skip
    add(pat, "calibrationMode").text = CALIBRATION.get(p.whole("sPat.ucRefScanMode") or 0, "other")
    if (at_once := p.whole("sSliceAcceleration.lMultiBandFactor") or 1) > 1:
        band = add(pat, "multiband")
        add(band, "spacing", dZ=0)
        for part, text in {
            "deltaKz": "0", "multiband_factor": str(at_once), "calibration": "other", "calibration_encoding": "0",
        }.items():  # fmt: skip
            add(band, part).text = text
    times = add(root, "sequenceParameters")
    # An inversion time stands in every protocol; the pulse tells whether there is one.
    inverted = p.whole("sPrepPulses.ucInversion") in INVERSIONS
    for name, many in (("TR", 1), ("TE", p.whole("lContrasts") or 1), *([("TI", 1)] if inverted else [])):
        for i in range(min(many, 64)):
            if value := p.number(f"al{name}[{i}]"):
                add(times, name).text = f"{value / 1000:g}"
    if (angle := p.number("adFlipAngleDegree[0]", "adFlipAngleDegree")) is not None:
        add(times, "flipAngle_deg").text = f"{angle:g}"
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _readout(add: Callable[..., ElementTree.Element], encoding: ElementTree.Element, p: Protocol) -> None:
    """Timing of a readout that samples the ramps of its gradient."""
    mode, up = p.whole("alRegridMode") or 0, p.whole("alRegridRampupTime") or 0
    if mode < TRAPEZOID or up <= 0:
        return
    name = "ConventionalEPI" if mode == TRAPEZOID else "SinusoidalEPI"
    said = add(encoding, "trajectoryDescription", identifier=name)
    for name, key in (
        ("etl", "sFastImaging.lEPIFactor"), ("rampUpTime", "alRegridRampupTime"),
        ("rampDownTime", "alRegridRampdownTime"), ("flatTopTime", "alRegridFlattopTime"),
        ("echoSpacing", "lEchoSpacing"), ("acqDelayTime", "alRegridDelaySamplesTime"),
        ("numSamples", "alRegridDestSamples"),
    ):  # fmt: skip
        if (value := p.whole(key)) is not None:
            add(said, "userParameterLong", name=name, value=value)
    if (duration := p.number("aflRegridADCDuration")) and (count := p.whole("alRegridDestSamples")):
        add(said, "userParameterDouble", name="dwellTime", value=duration / count)
