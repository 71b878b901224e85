#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): with the option -v, variable density, `poisson` does not give the accelerations that are asked for by -y and -z.
# They hold for the middle of k-space alone: points lie further and further apart from there, and nothing makes up for it. Asked for
# 2 x 2 it leaves out nine tenths (10.6), for 1 x 1, no acceleration at all, still 7.6; a fully sampled centre of 16 x 16 of 64 x 64
# points takes that to 7.0 and 6.6. No option names the density, or the acceleration of the whole. Without -v it is right from
# 1 x 2 on; of 1 x 1 a seventh of the points is missing while it reports more points than there are. What it reports is right otherwise.
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


def get(name):
    sizes = [int(size) for size in Path(f"{name}.hdr").read_text().splitlines()[1].split()]
    return np.fromfile(f"{name}.cfl", np.complex64).reshape(sizes, order="F").squeeze()


def bart(*arguments):
    command = ["root/usr/bin/bart", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


print("BART", bart("version"))
n = 64
radius = np.hypot(*(np.mgrid[:n, :n] - n // 2))
found = {}
for y, z in ((1, 1), (1, 2), (2, 2), (4, 4)):
    for options in ((), ("-v",), ("-v", "-C", 16)):
        said = bart("poisson", "-Y", n, "-Z", n, "-y", y, "-z", z, *options, "pattern")
        pattern = get("pattern").real > 0
        found[y * z, options] = pattern.size / pattern.sum()
        middle, edge = (1 / pattern[where].mean() for where in (radius < 6, (radius > 26) & (radius < 32)))
        named = " ".join(map(str, options))
        print(f"{y} x {z} {named:8}: {found[y * z, options]:5.1f}, in the middle {middle:4.1f}, at the edge {edge:4.1f}; says {said}")
for asked in (2, 4, 16):
    assert abs(found[asked, ()] / asked - 1) < 0.05, "not right without -v any more"
assert found[1, ("-v",)] > 5 and found[4, ("-v",)] > 9 and found[4, ("-v", "-C", 16)] > 6, "the acceleration is kept now"
assert found[1, ()] > 1.1, "1 x 1 is complete now"
PY
venv/bin/python show.py
