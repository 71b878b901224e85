#!/usr/bin/env bash
# pyMapVBVD 0.7.0, a reader of Siemens raw data whose images are taken by slices, as NumPy's. Backwards they are other data: of image[:, :, ::-1]
# the second half of the lines holds the mean of each line and the one that mirrors it, as if they were two averages, and the first half zeros; so it
# is with repetitions, while coils are right. `unsorted(n)`, one readout in the order of time, takes the flag REFLECT of the first readout of the scan for
# every n: of an EPI, whose every second line was recorded backwards, these come as they were recorded, where `unsorted()` of all readouts, and
# the image, have them turned round. image[:, :, :] keeps three axes whatever there is, with the repetitions of a line side by side. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pyMapVBVD==0.7.0" "twixtools==0.24" "numpy==2.2.6" "scipy==1.15.3" packaging
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
from twixtools import hdr_def, mdh_def

warnings.simplefilter("ignore")
SAMPLES, LINES, COILS, REPETITIONS, REFLECT = 64, 8, 2, 2, 1 << 24


def record(samples, line, repetition, mask):
    """One readout [coil, sample] in the layout of VD and later."""
    head = mdh_def.Scan_header(UsedChannels=COILS, SamplesInScan=SAMPLES, CenterCol=SAMPLES // 2, EvalInfoMask=mask)
    head.CenterLin, head.Counter.Lin, head.Counter.Rep = LINES // 2, line, repetition
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


rng = np.random.default_rng(0)
shape = (SAMPLES, COILS, LINES, REPETITIONS)
kspace = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
order = [(line, repetition) for repetition in range(REPETITIONS) for line in range(LINES)]
write("epi.dat", [record(kspace[:: -1 if n % 2 else 1, :, n, r].T, n, r, REFLECT * (n % 2)) for n, r in order])
print("pyMapVBVD", version("pyMapVBVD"))

image = quiet(mapvbvd.mapVBVD, "epi.dat", quiet=True).image
image.flagRemoveOS, image.squeeze = False, True
assert np.array_equal(quiet(lambda: image[:, :, :, :]), kspace), "image[:, :, :, :] is not what was written"
assert np.array_equal(quiet(lambda: image[:, ::-1, 1:7:2, :]), kspace[:, ::-1, 1:7:2])
back = quiet(lambda: image[:, :, ::-1, :])
right = [n for n in range(LINES) if np.allclose(back[:, :, n], kspace[:, :, LINES - 1 - n])]
zero = [n for n in range(LINES) if not back[:, :, n].any()]
mean = [n for n in range(LINES) if np.allclose(back[:, :, n], (kspace[:, :, n] + kspace[:, :, LINES - 1 - n]) / 2)]
print(f"{LINES} lines backwards: {len(right)} are the line asked for, {zero} are zero, {mean} are the mean of two lines")
assert not right and zero == list(range(LINES // 2)) and mean == list(range(LINES // 2, LINES)), "lines backwards are other lines now"
repetitions = quiet(lambda: image[:, :, :, ::-1])
print(f"two repetitions backwards: the first all zero {not repetitions[..., 0].any()}, the second the mean {np.allclose(repetitions[..., 1], kspace.mean(-1))}")
assert not repetitions[..., 0].any() and np.allclose(repetitions[..., 1], kspace.mean(-1))

alone = [quiet(image.unsorted, n + 1) for n in range(len(order))]
together = quiet(image.unsorted)
turned = [np.array_equal(together[:, :, n], kspace[:, :, line, repetition]) for n, (line, repetition) in enumerate(order)]
single = [np.array_equal(one.reshape(SAMPLES, COILS), kspace[:, :, line, repetition]) for one, (line, repetition) in zip(alone, order)]
recorded = [np.array_equal(one.reshape(SAMPLES, COILS)[::-1], kspace[:, :, line, repetition]) for one, (line, repetition) in zip(alone, order)]
print(f"of {len(order)} readouts unsorted() has {sum(turned)} right, unsorted(n) {sum(single)}; the other {sum(recorded)} as they were recorded, backwards")
assert all(turned) and single == [n % 2 == 0 for n, _ in order] and sum(recorded) == len(order) // 2, "one readout is turned as its flag says now"

three = quiet(lambda: image[:, :, :])
print(f"image[:, :, :] of {shape}: {three.shape}, a line's repetitions side by side {np.array_equal(three, kspace.reshape(SAMPLES, COILS, -1))}")
assert np.array_equal(three, kspace.reshape(SAMPLES, COILS, -1))
PY
venv/bin/python show.py
