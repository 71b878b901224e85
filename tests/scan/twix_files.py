"""Small Siemens raw data files, written after the layout that twixtools reads."""

import ctypes
import struct

import numpy as np
from twixtools import hdr_def, mdh_def

BIT = {"noise": 25, "reference": 22, "reference and image": 23, "reflect": 24, "phase correction": 21}

PROTOCOL = """### ASCCONV BEGIN ###
tProtocolName = "{name}"
tSequenceFileName = "%SiemensSeq%\\\\{sequence}"
sKSpace.lBaseResolution = {base}
sKSpace.lPhaseEncodingLines = {lines}
sKSpace.lPartitions = 16
sKSpace.ucDimension = 0x2
sKSpace.ucTrajectory = 0x1
sSliceArray.lSize = {slices}
sSliceArray.asSlice[0].dThickness = 5.0
sSliceArray.asSlice[0].dPhaseFOV = {phase_fov}
sSliceArray.asSlice[0].dReadoutFOV = {read_fov}
sRXSPEC.alDwellTime[0] = 5000
alTR[0] = 500000
alTE[0] = 12000
alTI[0] = 300000
sPrepPulses.ucInversion = 0x4
lContrasts = 1
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].lADCChannelConnected = 1
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].sCoilElementID.tCoilID = "Head"
sCoilSelectMeas.aRxCoilSelectData[0].asList[0].sCoilElementID.tElement = "{coils[0]}"
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].lADCChannelConnected = 2
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].sCoilElementID.tCoilID = "Head"
sCoilSelectMeas.aRxCoilSelectData[0].asList[1].sCoilElementID.tElement = "{coils[1]}"
### ASCCONV END ###"""
SETTINGS = """<XProtocol> {{ <ParamLong."iNoOfFourierLines"> {{ {lines} }}
<ParamLong."iNoOfFourierColumns"> {{ {columns} }}
<ParamLong."NImageCols"> {{ {base} }} <ParamLong."NImageLins"> {{ {lines} }}
<ParamDouble."flReadoutOSFactor"> {{ <Precision> 6 2.0 }}
<ParamString."Manufacturer"> {{ "SIEMENS" }} }}"""


def header_bytes(
    name="gre", sequence="gre", base=32, lines=24, slices=1, read_fov=64.0, phase_fov=48.0, coils="AB", modern=True
):  # fmt: skip
    """The header of a measurement."""
    facts = {"name": name, "sequence": sequence, "base": base, "lines": lines, "slices": slices, "coils": coils,
             "read_fov": read_fov, "phase_fov": phase_fov, "columns": 2 * base}  # fmt: skip
    body = b""
    for title, text in (("Meas", SETTINGS.format(**facts)), ("MeasYaps", PROTOCOL.format(**facts))):
        content = text.encode("latin-1") + b"\0"
        body += title.encode() + b"\0" + struct.pack("<I", len(content)) + content
    length = 8 + len(body)
    # A VB file is told from later ones by the length of its header.
    padding = -length % 32 if modern else 10240 - length
    return struct.pack("<II", length + padding, 2) + body + b"\0" * padding


def record_bytes(
    samples, flags=(), modern=True, centre=None, centre_line=0, quaternion=(1, 0, 0, 0), position=(0, 0, 0), cut=(0, 0),
    **counters,
):  # fmt: skip
    """One readout [coil, sample]."""
    coils, n = samples.shape
    kind = mdh_def.Scan_header if modern else mdh_def.VB17_header
    head = kind(UsedChannels=coils, SamplesInScan=n, CenterCol=n // 2 if centre is None else centre)
    head.CenterLin = centre_line
    head.EvalInfoMask = sum(1 << BIT[flag] for flag in flags)
    head.CutOff.Pre, head.CutOff.Post = cut
    for name, value in counters.items():
        setattr(head.Counter, name, value)
    place = head.SliceData
    place.SlicePos.Sag, place.SlicePos.Cor, place.SlicePos.Tra = position
    place.Quaternion[:] = quaternion
    out = b""
    if modern:
        size = ctypes.sizeof(kind) + coils * (ctypes.sizeof(mdh_def.Channel_header) + 8 * n)
        head.FlagsAndDMALength = size
        out = bytes(head)
        for number, one in enumerate(samples):
            out += bytes(mdh_def.Channel_header(ChannelId=number)) + one.astype("<c8").tobytes()
        return out
    head.FlagsAndDMALength = ctypes.sizeof(kind) + 8 * n
    for number, one in enumerate(samples):
        head.ChannelId = number
        out += bytes(head) + one.astype("<c8").tobytes()
    return out


def end_bytes(modern=True):
    """The record that ends a measurement."""
    kind = mdh_def.Scan_header if modern else mdh_def.VB17_header
    head = kind(EvalInfoMask=1)
    head.FlagsAndDMALength = ctypes.sizeof(kind) + 160
    return bytes(head) + b"\0" * 160


def write_twix(path, measurements, modern=True):
    """Write measurements, each the bytes of its header and of its records; VB holds one."""
    if not modern:
        path.write_bytes(measurements[0])
        return path
    table = np.zeros(1, hdr_def.MultiRaidFileHeader)
    start, body = 10240, b""
    table["hdr"]["count_"] = len(measurements)
    for number, content in enumerate(measurements):
        table["entry"][0, number]["off_"], table["entry"][0, number]["len_"] = start + len(body), len(content)
        body += content + b"\0" * (-len(content) % 512)
    path.write_bytes(table.tobytes().ljust(10240, b"\0") + body)
    return path
