#!/usr/bin/env bash
# nmrglue 0.12 and its continuation nmrglue-ng 1.1.2 (NMR spectra): three steps of processing. `qart_auto` (`pipe_proc.qart(auto=True)`), to take quadrature images
# away, doubles the imaginary part of balanced data: the image of a line grows from 1 to 33 % of its height, and from 7 to 34 % where the gain of one channel is
# 0.9 of the other's and its phase 5 degrees off. Gram-Schmidt, made orthogonal and then as long as the other channel, leaves 0.2 %. `fsh` and `fsh2` of proc_base
# shift to the left what they are said to shift to the right; so `pipe_proc.fsh(dir="rs")` moves the spectrum against its own ppm axis: shifted by 10 points, a
# line that should keep its ppm is 20 points off. `ht` to a power of two (`pipe_proc.ht(zf=True)`, and "auto") makes the imaginary part larger by the points
# added: of 384 points by 4/3. None of it is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for package in "nmrglue==0.12" "nmrglue-ng==1.1.2"; do
    python3 -m venv "${package%%=*}"
    "${package%%=*}/bin/pip" install -q --no-compile "numpy==2.2.6" "scipy==1.15.3" "$package"
done
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import sys
from importlib.metadata import version

import nmrglue
import numpy as np
from nmrglue.process import pipe_proc, proc_base

print(sys.argv[1], version(sys.argv[1]))
POINTS, LINE = 512, 40
k = np.arange(POINTS)
fid = (np.exp(2j * np.pi * LINE * k / POINTS - k / 100)).astype("complex64")
fid[0] /= 2
line, image = POINTS // 2 + LINE, POINTS // 2 - LINE


def share(data):
    """Height of the image over that of the line."""
    spectrum = np.abs(proc_base.fft(data))
    return spectrum[image] / spectrum[line]


def orthogonal(data):
    rest = data.imag - (data.real @ data.imag) / (data.real @ data.real) * data.real
    return data.real + 1j * rest * np.linalg.norm(data.real) / np.linalg.norm(rest)


uneven = (fid.real + 0.9j * (fid * np.exp(1j * np.radians(5))).imag).astype("complex64")
for name, data in (("balanced", fid), ("uneven", uneven)):
    shares = share(data), share(proc_base.qart_auto(data.copy())), share(orthogonal(data))
    print(f"{name}: image {100 * shares[0]:.1f} % of the line, {100 * shares[1]:.1f} % after qart_auto, {100 * shares[2]:.1f} % after Gram-Schmidt by hand")
    assert shares[1] > 0.3 and shares[2] < 0.02, "qart_auto takes the image away now"

spectrum = proc_base.fft(fid)
for shift in (proc_base.fsh, proc_base.fsh2):
    to = int(np.abs(shift(spectrum.copy(), 10)).argmax())
    print(f"{shift.__name__} by +10: the line goes from {line} to {to}; by `rs` to {int(np.abs(proc_base.rs(spectrum.copy(), 10)).argmax())}")
    assert "shift the spectrum to the right" in " ".join(shift.__doc__.split()) and to == line - 10, "positive is to the right now"


def file(size):
    axis = nmrglue.fileiobase.create_blank_udic(1)
    axis[0].update(size=size, complex=True, encoding="direct", sw=2000.0, obs=123.2, car=123.2 * 4.7, label="1H", time=True, freq=False)
    return nmrglue.pipe.create_dic(axis)


def ppm(header, data):
    return float(nmrglue.pipe.make_uc(header, data).ppm(float(np.abs(data).argmax())))


header, spectrum = pipe_proc.ft(file(POINTS), fid.copy())
before, step = ppm(header, spectrum), 2000.0 / POINTS / 123.2
moved = {way: ppm(*pipe_proc.fsh(dict(header), spectrum.copy(), way, 10.0)) for way in ("rs", "ls")}
print(f"pipe_proc.fsh by 10 points with its axis: the line at {before:.3f} ppm comes to {moved['rs']:.3f} (rs) and {moved['ls']:.3f} (ls), {(moved['rs'] - before) / step:.1f} and {(moved['ls'] - before) / step:.1f} points off")
assert np.isclose(moved["rs"], before + 20 * step, atol=1e-3) and np.isclose(moved["ls"], before - 20 * step, atol=1e-3), "spectrum and axis move together now"

for size in (512, 384):
    half = np.concatenate([fid[: size // 2], 0 * fid[: size // 2]])
    header, spectrum = pipe_proc.ft(file(size), half)
    made = [pipe_proc.ht(dict(header), spectrum.real.copy(), zf=zf)[1].imag for zf in (False, True)]
    scales = [one @ spectrum.imag / (spectrum.imag @ spectrum.imag) for one in made]
    print(f"ht of {size} points: imaginary part {scales[0]:.3f} of the spectrum's, {scales[1]:.3f} with zf")
    assert np.isclose(scales[0], 1, atol=1e-3) and np.isclose(scales[1], 512 / size, rtol=0.01), "the scale does not change now"
PY
nmrglue/bin/python -W ignore show.py nmrglue
nmrglue-ng/bin/python -W ignore show.py nmrglue-ng
