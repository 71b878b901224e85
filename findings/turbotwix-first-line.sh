#!/usr/bin/env bash
# turbotwix 0.2.1, a reader of Siemens raw data: `read(dims=...)` begins every axis at the least counter that was measured, and says
# nowhere which that was. Of partial Fourier without the first 6 of 32 lines it gives 26 lines, the centre of k-space in place 10 and not in
# the middle, 13: a transform about the middle leaves a phase over the image, and lines that are filled up at the end, as they are where
# the last ones are missing, make homodyne and POCS take the wrong ones for those that are not there. Of an accelerated scan the
# image begins with its line 1 and the reference lines with theirs: the same place in the two arrays are two places in
# k-space. pyMapVBVD 0.7.0 lays the image at its counters.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "turbotwix==0.2.1" "twixtools==0.24" "pyMapVBVD==0.7.0" "numpy==2.2.6" "scipy==1.15.3" packaging
cat > show.py <<'PY'
import contextlib
import ctypes
import io
import struct
import warnings
from importlib.metadata import version
from pathlib import Path

import mapvbvd
import numpy as np
import turbotwix
from twixtools import hdr_def, mdh_def

warnings.simplefilter("ignore")
SAMPLES, LINES, COILS, REFERENCE = 64, 32, 2, 1 << 22


def record(samples, line, mask=0):
    """One readout [coil, sample] in the layout of VD and later."""
    head = mdh_def.Scan_header(UsedChannels=COILS, SamplesInScan=SAMPLES, CenterCol=SAMPLES // 2, EvalInfoMask=mask)
    head.CenterLin, head.Counter.Lin = LINES // 2, line
    head.FlagsAndDMALength = ctypes.sizeof(head) + COILS * (ctypes.sizeof(mdh_def.Channel_header) + 8 * SAMPLES)
    parts = [bytes(mdh_def.Channel_header(ChannelId=c)) + samples[c].astype("<c8").tobytes() for c in range(COILS)]
    return bytes(head) + b"".join(parts)


def write(path, records):
    end = mdh_def.Scan_header(EvalInfoMask=1)
    end.FlagsAndDMALength = ctypes.sizeof(end) + 160
    protocol = f"""### ASCCONV BEGIN ###
sKSpace.lBaseResolution = {SAMPLES // 2}
sKSpace.lPhaseEncodingLines = {LINES}
sKSpace.ucDimension = 0x2
sSliceArray.lSize = 1
### ASCCONV END ###"""
    body = b""
    for title, text in (("Meas", "<XProtocol> { }"), ("MeasYaps", protocol)):
        content = text.encode() + b"\0"
        body += title.encode() + b"\0" + struct.pack("<I", len(content)) + content
    length = 8 + len(body)
    padding = -length % 32
    content = struct.pack("<II", length + padding, 2) + body + b"\0" * padding + b"".join(records) + bytes(end) + b"\0" * 160
    table = np.zeros(1, hdr_def.MultiRaidFileHeader)
    table["hdr"]["count_"] = 1
    table["entry"][0, 0]["off_"], table["entry"][0, 0]["len_"] = 10240, len(content)
    Path(path).write_bytes(table.tobytes().ljust(10240, b"\0") + content + b"\0" * (-len(content) % 512))


def quiet(function, *given, **named):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return function(*given, **named)


def places(array):
    """Where lines [coil, line, sample] are filled, and which lines of k-space they are."""
    filled = [i for i in range(array.shape[1]) if array[:, i].any()]
    return filled, [int(np.argmin([np.abs(array[:, i] - kspace[:, line]).max() for line in range(LINES)])) for i in filled]


def by_mapvbvd(path):
    image = quiet(mapvbvd.mapVBVD, path, quiet=True).image
    image.flagRemoveOS, image.squeeze = False, True
    return np.moveaxis(quiet(lambda: image[""]), 0, -1)


rng = np.random.default_rng(0)
kspace = (rng.standard_normal((COILS, LINES, SAMPLES)) + 1j * rng.standard_normal((COILS, LINES, SAMPLES))).astype(np.complex64)
print("turbotwix", version("turbotwix"), "pyMapVBVD", version("pyMapVBVD"))

write("partial.dat", [record(kspace[:, line], line) for line in range(6, LINES)])
lines = quiet(lambda: turbotwix.open_twix("partial.dat")[-1].lines.image)
found = quiet(lines.read, dims=("Lin",))
filled, which = places(found)
print(f"lines 6 to {LINES - 1} of {LINES}: turbotwix gives {found.shape[1]}, the first is line {which[0]}, the centre, line {LINES // 2}, is in place {which.index(LINES // 2)}")
theirs = by_mapvbvd("partial.dat")
print(f"    pyMapVBVD gives {theirs.shape[1]}, the first that is filled is in place {places(theirs)[0][0]}, the centre in place {dict(zip(*places(theirs)[::-1]))[LINES // 2]}")
assert found.shape[1] == LINES - 6 and which[0] == 6 and np.array_equal(theirs[:, 6:], kspace[:, 6:]), "the lines lie at their counters now"

image, reference = range(1, LINES, 2), range(12, 20)
write("accelerated.dat", [record(kspace[:, n], n) for n in image] + [record(kspace[:, n], n, REFERENCE) for n in reference])
lines = quiet(lambda: turbotwix.open_twix("accelerated.dat")[-1].lines)
for name, part, wanted in (("image", lines.image, image), ("reference", lines.refscan, reference)):
    filled, which = places(quiet(part.read, dims=("Lin",)))
    print(f"every second line and eight reference lines: place {filled[0]} of the {name} lines is line {which[0]}")
    assert filled[0] == 0 and which == list(wanted), "the lines lie at their counters now"
assert places(by_mapvbvd("accelerated.dat"))[0] == list(image)
PY
venv/bin/python show.py
