#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): the option -c of `upat`, called the size of the centre of k-space, is half of it and a line more: for c it
# fills 2c - 1 lines (24 gives 47, 49 with the neighbours of the grid), along both axes, and so nearly four times the points of
# a square of c x c. The acceleration is then far from what the numbers say: 128 lines, every fourth and 24 in the centre, would be
# 50 lines (2.6), and are 68 (1.9). `poisson -C` of the same size fills just that size.
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


def block(lines):
    """First and last of the filled lines around the middle."""
    first = last = len(lines) // 2
    while first and lines[first - 1]:
        first -= 1
    while last + 1 < len(lines) and lines[last + 1]:
        last += 1
    return first, last


print("BART", bart("version").strip())
n, step = 128, 4
for centre in (8, 16, 24):
    bart("upat", "-Y", n, "-Z", 1, "-y", step, "-z", 1, "-c", centre, "lines")
    lines = get("lines").real > 0
    grid = np.arange(n) % step == 0
    wanted = grid | (np.abs(np.arange(n) - n // 2 + 0.5) < centre / 2)
    beyond = np.flatnonzero(lines & ~grid)
    first, last = block(lines)
    print(
        f"upat -y {step} -c {centre}: lines {beyond[0]} to {beyond[-1]} are filled that the grid has not, with the grid {last - first + 1} "
        f"in a row; R = {n / lines.sum():.2f}, with {centre} lines in the centre {n / wanted.sum():.2f}"
    )
    assert np.array_equal(lines, grid | (np.abs(np.arange(n) - n // 2) < centre)), "another centre now"
bart("poisson", "-Y", 64, "-Z", 64, "-y", 2, "-z", 2, "-C", 24, "points")
points = get("points").real > 0
print(f"poisson -C 24: of the square of 24 {points[20:44, 20:44].mean():.2f} are filled, of that of 28 {points[18:46, 18:46].mean():.2f}")
assert points[20:44, 20:44].all() and not points[18:46, 18:46].all()
bart("upat", "-Y", n, "-Z", n, "-y", step, "-z", step, "-c", 24, "points")
points = get("points").real > 0
print(f"upat -y {step} -z {step} -c 24: {points.sum()} points; grid and a square of 24 are {24**2 + (n // step) ** 2 - 6**2}")
assert points[64 - 23 : 64 + 24, 64 - 23 : 64 + 24].all()
PY
venv/bin/python show.py
