#!/usr/bin/env bash
# twixtools removes readout oversampling before it turns reflected lines round. For an even number of samples the two steps do
# not commute about the centre of k-space: a line measured forth and the same line measured back, marked REFLECT, come out
# different. Turned first and cut afterwards they would be equal. Lines that were
# measured several times are averaged without the counter of averages, too.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q twixtools==0.24 packaging
cat > "$work/show.py" <<'PY'
import contextlib
import io
import warnings

import numpy as np
import twixtools
from importlib.metadata import version
from twixtools.map_twix import map_twix
from twixtools.mdb import Mdb_local

warnings.simplefilter("ignore")
n, lines = 64, 4
rng = np.random.default_rng(0)
# A line whose image fills the middle half of the oversampled field of view, so that nothing is lost by removing the rest.
image = np.zeros(n, complex)
image[n // 4 + 4 : 3 * n // 4 - 4] = rng.standard_normal(n // 2 - 8) + 1j * rng.standard_normal(n // 2 - 8)
line = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image))).astype(np.complex64)
header = {"Meas": {"alRegridMode": [1]}, "MeasYaps": {"sKSpace": {}}}


def mdb(samples, number, reflect):
    one = Mdb_local(samples[None].astype(np.complex64))
    one.mdh.Counter.Lin = number
    if reflect:
        one.add_flag("REFLECT")
    return one


def read(records, remove):
    with contextlib.redirect_stdout(io.StringIO()):
        array = map_twix({"hdr": header, "hdr_str": np.zeros(0), "mdb": records}, verbose=False)["image"]
        array.flags["remove_os"] = remove
        return array[:].squeeze()


# Line 0 forth; line 1 the same samples in reversed order of time, marked REFLECT.
pair = [mdb(line, 0, False), mdb(line[::-1], 1, True)]
whole, cut = read(pair, False), read(pair, True)


def off(a, b):
    return float(np.abs(a - b).max() / np.abs(a).max())


twice = read([mdb(line, 0, False), mdb(3 * line, 0, False)], False)
print("twixtools", version("twixtools"))
print(f"whole lines: forth and back differ by {off(whole[0], whole[1]):.1e} of the peak")
print(f"oversampling removed: forth and back differ by {off(cut[0], cut[1]):.2f} of the peak")
print(f"a line measured as x and as 3 x: {abs(twice).max() / abs(line).max():.2f} x")
assert off(whole[0], whole[1]) < 1e-6
assert off(cut[0], cut[1]) > 0.1, "reflected lines agree now: the order of the steps was changed"
assert abs(abs(twice).max() / abs(line).max() - 2) < 1e-5, "repeated lines are no longer averaged"
PY
"$work/venv/bin/python" "$work/show.py"
