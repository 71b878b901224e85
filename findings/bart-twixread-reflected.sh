#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `twixread` leaves reflected lines as they were recorded. Siemens marks the readouts of a falling gradient, in
# echo-planar imaging and in every second echo of a bipolar multi-echo scan, with the flag REFLECT, and stores them in the order of
# time; twixtools 0.24 and pyMapVBVD 0.7.0 turn them round, as the flag asks; `twixread` puts them beside the others and
# says nothing: the second echo is the mirror image of the first, and its centre of k-space lies a sample beside. No option turns
# them. A line measured twice under the same counters, an average without its counter, is overwritten by the last.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "bart=0.8.00-3" libblas3 liblapack3 liblapacke libtmglib3 libfftw3-single3 \
    libpng16-16 libgomp1 libgfortran5 libquadmath0 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "twixtools==0.24" "pyMapVBVD==0.7.0" "numpy==2.2.6" "scipy==1.15.3" packaging
cat > show.py <<'PY'
import contextlib
import ctypes
import io
import os
import struct
import subprocess
import warnings
from importlib.metadata import version
from pathlib import Path

import mapvbvd
import numpy as np
import twixtools
from twixtools import hdr_def, mdh_def
from twixtools.map_twix import map_twix

warnings.simplefilter("ignore")
SAMPLES, LINES, COILS, REFLECT = 64, 16, 2, 1 << 24
libraries = "root/usr/lib/x86_64-linux-gnu"
environment = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "LD_LIBRARY_PATH": ":".join(f"{Path(libraries, part).resolve()}" for part in ("", "blas", "lapack")),
}


def record(samples, line, echo, mask):
    """One readout [coil, sample] in the layout of VD and later."""
    head = mdh_def.Scan_header(UsedChannels=COILS, SamplesInScan=SAMPLES, CenterCol=SAMPLES // 2, EvalInfoMask=mask)
    head.CenterLin, head.Counter.Lin, head.Counter.Eco = LINES // 2, line, echo
    channel = ctypes.sizeof(mdh_def.Channel_header) + 8 * SAMPLES
    head.FlagsAndDMALength = ctypes.sizeof(head) + COILS * channel
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


def by_bart(path):
    """[sample, line, coil, echo]"""
    done = subprocess.run(["root/usr/bin/bart", "twixread", "-A", path, "out"], check=True, capture_output=True, text=True, env=environment)
    sizes = [int(size) for size in Path("out.hdr").read_text().splitlines()[1].split()]
    by_bart.version = subprocess.run(["root/usr/bin/bart", "version"], capture_output=True, text=True, env=environment).stdout.strip()
    array = np.fromfile("out.cfl", np.complex64).reshape(sizes, order="F").squeeze()
    return array, [line for line in (done.stdout + done.stderr).splitlines() if "WARN" in line]


rng = np.random.default_rng(0)
kspace = (rng.standard_normal((2, SAMPLES, LINES, COILS)) * np.array([1, 1j])[:, None, None, None]).sum(0).astype(np.complex64)
# Two echoes of the same k-space [sample, line, coil]; the second is read backwards.
write("echoes.dat", [record(kspace[:: -1 if e else 1, line].T, line, e, REFLECT * e) for line in range(LINES) for e in range(2)])
# A line measured twice, as x and as 3 x, under the same counters.
write("twice.dat", [record(x * kspace[:, line].T, line, 0, 0) for line in range(LINES) for x in (1, 3)])

header = {"Meas": {"alRegridMode": [1]}, "MeasYaps": {"sKSpace": {}}}


def by_twixtools(path):
    """[echo, line, coil, sample]"""
    with contextlib.redirect_stdout(io.StringIO()):
        records = twixtools.read_twix(path, parse_pmu=False, parse_geometry=False, verbose=False)[-1]["mdb"]
        array = map_twix({"hdr": header, "hdr_str": np.zeros(0), "mdb": records}, verbose=False)["image"]
        array.flags["remove_os"] = False
        return array[:].squeeze()


def by_mapvbvd(path):
    """[sample, coil, line, echo]"""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        image = mapvbvd.mapVBVD(path, quiet=True).image
        image.flagRemoveOS, image.squeeze = False, True
        return image[""]


found, warned = by_bart("echoes.dat")
echoes = {
    f"BART {by_bart.version}": [found[..., e] for e in range(2)],
    f"twixtools {version('twixtools')}": [np.moveaxis(one, -1, 0) for one in by_twixtools("echoes.dat")],
    f"pyMapVBVD {version('pyMapVBVD')}": [one.swapaxes(1, 2) for one in np.moveaxis(by_mapvbvd("echoes.dat"), -1, 0)],
}
print("two echoes that measured the same k-space, the second recorded backwards and flagged")
for name, (first, second) in echoes.items():
    turned = [np.array_equal(echo, kspace) for echo in (first, second)]
    print(f"  {name}: first as it is {turned[0]}, second turned round {turned[1]}, second as recorded {np.array_equal(second, kspace[::-1])}")
    assert turned == [True, not name.startswith("BART")], "other lines are turned now"
assert not warned

found, warned = by_bart("twice.dat")
ratio = float(np.abs(found).max() / np.abs(kspace).max())
print(f"lines measured as x and as 3 x under the same counters: {ratio:.1f} x, warnings {len(warned)}; twixtools {np.abs(by_twixtools('twice.dat')).max() / np.abs(kspace).max():.1f} x")
assert np.allclose(found, 3 * kspace) and not warned, "the lines are averaged, or refused, now"
PY
venv/bin/python show.py
