#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `estdelay` finds the delays of gradients from radial spokes. Its default method compares each spoke with the one that runs the other
# way, and takes for that the one whose direction differs most, however little that is the other way. Of spokes over half a turn, the default of `traj -r`,
# there is none: of data without any delay it finds -0.56, 0.19 and 0.11 samples, and as much beside a small one. Over a whole turn (`traj -D`, `-G`)
# it finds none, and RING (-R) is right for both. And the first of the numbers, x in the help of `traj -q`, which takes them, is the delay
# along the second coordinate of the trajectory: the two commands agree with each other, but whoever moves his own coordinates by them, or gives
# the delays of his scanner's axes, exchanges the axes. Nothing is said of either.
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
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert "WARN" not in done.stdout + done.stderr, done
    return done.stdout


rng = np.random.default_rng(0)
middles, widths, heights = rng.uniform(-0.2, 0.2, (6, 2)), rng.uniform(0.02, 0.06, 6), rng.uniform(0.3, 1, 6)
weights = rng.normal(size=(4, 6)) + 1j * rng.normal(size=(4, 6))
samples, step = 256, 0.5
radius = (np.arange(samples) - samples // 2 + 0.5) * step


def spokes(angles, delays=(0, 0)):
    """Coordinates [1/field of view] of spokes, along each axis so many samples late."""
    along = [(radius[:, None] + delay * step) * part for delay, part in zip(delays, (np.cos(angles), np.sin(angles)))]
    return np.stack([*along, 0 * along[0]])


def kspace(places):
    """Of four coils that weigh six Gaussian blobs, in closed form."""
    k = places[:2, ..., None]
    blobs = 2 * np.pi * widths**2 * heights * np.exp(-2 * np.pi**2 * widths**2 * (k**2).sum(0))
    blobs = blobs * np.exp(-2j * np.pi * (k[0] * middles[:, 0] + k[1] * middles[:, 1]))
    return 1000 * np.moveaxis(np.tensordot(blobs, weights, (-1, 1)), -1, 2)[None]


def found(angles, delays, *options):
    put("traj", spokes(angles))
    put("data", kspace(spokes(angles, delays)))
    return np.array([float(part) for part in bart("estdelay", *options, "traj", "data").split(":")])


print("BART", bart("version").strip())
half, whole = np.arange(45) * np.pi / 45, np.arange(44) * 2 * np.pi / 44
for delays in ((0, 0), (0.2, 0), (1, 0)):
    for name, angles in (("half", half), ("whole", whole)):
        plain, ring = found(angles, delays), found(angles, delays, "-R", "-r", 4)
        print(f"delays {delays} of the two coordinates, {name} a turn: found {plain.round(2)}, RING {ring.round(2)}")
        # The third number couples the axes.
        exchanged = np.array([delays[1], delays[0], 0])
        assert np.abs(ring - exchanged).max() < 0.02, "RING is otherwise now"
        if name == "whole":
            assert np.abs(plain - exchanged).max() < 0.25 * max(delays) + 0.01
        elif max(delays) < 1:
            assert np.abs(plain - exchanged).max() > 0.4, "spokes over half a turn are right now"
assert np.allclose(found(half, (0, 0)), (-0.56, 0.19, 0.11), atol=0.01)
for options in ((), ("-G",), ("-D",)):
    bart("traj", "-r", "-x", samples, "-y", 45, "-o", 2, *options, "traj")
    put("data", kspace(get("traj").real))
    plain = np.array([float(part) for part in bart("estdelay", "traj", "data").split(":")])
    print(f"spokes of traj -r {' '.join(options):2} without delays: found {plain.round(2)}")
    assert (np.abs(plain).max() > 0.1) == (options == ())
bart("traj", "-r", "-x", samples, "-y", 44, "-D", "traj")
bart("traj", "-r", "-x", samples, "-y", 44, "-D", "-O", "-q", "1:0:0", "moved")
moved = np.abs(get("moved") - get("traj")).max((1, 2))
print("traj -O -q 1:0:0 moves the coordinates by up to", moved.round(2))
assert np.allclose(moved, (0, 1, 0), atol=1e-3), "the first is that of the first coordinate now"
PY
venv/bin/python show.py
