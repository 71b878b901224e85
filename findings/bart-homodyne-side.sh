#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `homodyne` takes it that the last lines along the axis are missing, whichever are, and says nothing.
# Where the first are missing, as in partial Fourier scans whose lines before the echo were left out, the measured outer lines get
# the weight 1 instead of 2, and those left out 2: all detail beyond the centre has half its strength, with -C none. The mirrored
# k-space of the same real object, whose last lines are missing, is right. No option names the side; the array has to be reversed about
# the centre before, and the image after.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "bart=0.8.00-3" libblas3 liblapack3 liblapacke libtmglib3 libfftw3-single3 \
    libpng16-16 libgomp1 libgfortran5 libquadmath0 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q "numpy==2.2.6" > pip.log
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import numpy as np

libraries = "root/usr/lib/x86_64-linux-gnu"
environment = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "LD_LIBRARY_PATH": ":".join(f"{Path(libraries, part).resolve()}" for part in ("", "blas", "lapack")),
}


def put(name, array):
    sizes = [*array.shape, *[1] * (16 - array.ndim)]
    Path(f"{name}.hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
    array.astype(np.complex64).ravel("F").tofile(f"{name}.cfl")


def get(name):
    sizes = [int(size) for size in Path(f"{name}.hdr").read_text().splitlines()[1].split()]
    return np.fromfile(f"{name}.cfl", np.complex64).reshape(sizes, order="F").squeeze()


def bart(*arguments):
    command = ["root/usr/bin/bart", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def transformed(image):
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image), norm="ortho"))


print("BART", bart("version").strip())
n, fraction = 64, 0.75
at = np.arange(n) - n // 2
y = at[None, :]
x = at[:, None]
wave = 24
flat = np.exp(-(x**2 + y**2) / 200)
image = flat * (1 + 0.5 * np.cos(2 * np.pi * wave * y / n))
kspace = transformed(image)
first, last = kspace.copy(), kspace.copy()
first[:, : int(n * (1 - fraction)) + 1] = 0
last[:, int(n * fraction) :] = 0


def strength(found):
    """Of the stripes, where 1 is that of the image; they lie beyond the symmetric part of k-space."""
    stripes = np.exp(2j * np.pi * wave * y / n)
    return abs(np.sum(found * stripes) / np.sum(image * stripes))


expected = {("last", ()): 1, ("first", ()): 0.5, ("last", ("-C",)): 1, ("first", ("-C",)): 0}
for (side, options), right in expected.items():
    put("kspace", last if side == "last" else first)
    bart("homodyne", *options, 1, fraction, "kspace", "out")
    found = get("out")
    error = np.linalg.norm(found - image) / np.linalg.norm(image)
    print(f"the {side} quarter missing {' '.join(options):2}: stripes of {strength(found):.2f}, error {error:.3f}")
    assert abs(strength(found) - right) < 0.05, "another weight now"
PY
venv/bin/python show.py
