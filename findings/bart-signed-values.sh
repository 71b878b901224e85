#!/usr/bin/env bash
# BART 0.8.00 (Debian 12), what four names mean. `filter -G -m`, the geometric median, begins its search at zero, and ends it where it is as soon as it
# meets a sample: one sample that is zero among nine (a frame that was not measured, or lost) and the median is zero, whatever the others are; a
# sample of 0.001 in its place, and it is right. `filter -m`, the median, of real values orders them by magnitude: of -10, 1 and 2 it is 2, and of nine
# samples of noise about zero it varies by 0.74 of their standard deviation, where the median varies by 0.41. `mip`, the maximum projection, of values that
# are all negative, as in one half of a field map, is zero; -m, the minimum, of positive ones is right. `roistat -E`, energy, is that about
# the mean: a flat region has none. Nothing is said of any. numpy, and least distances by scipy, are beside them. Positive values are right in all
# but the last.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "bart=0.8.00-3" libblas3 liblapack3 liblapacke libtmglib3 libfftw3-single3 \
    libpng16-16 libgomp1 libgfortran5 libquadmath0 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q "numpy==2.2.6" "scipy==1.15.3" > pip.log
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

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
    return done.stdout + done.stderr


rng = np.random.default_rng(0)


def through(values, *options):
    """Of values in time, one image: [time, pixel] -> [pixel]."""
    put("in", values)
    said = bart("filter", *options, "-m", 0, "-l", len(values), "in", "out")
    assert not said.strip(), said
    return get("out")


def nearest(values):
    """The point whose distances to the samples have the least sum."""
    start = [values.real.mean(), values.imag.mean()]
    return complex(*minimize(lambda x: np.abs(complex(*x) - values).sum(), start, method="Nelder-Mead", tol=1e-8).x)


print(bart("version").strip())
frames = 5 + 3j + 0.1 * (rng.normal(size=(9, 50)) + 1j * rng.normal(size=(9, 50)))
for value, name in ((None, "nine frames"), (0, "one of them zero"), (0.001, "one of them 0.001")):
    if value is not None:
        frames[4] = value
    right = np.array([nearest(pixel) for pixel in frames.T])
    found = through(frames, "-G")
    print(f"geometric median of {name}: {found.mean():.2f}, least distances at {right.mean():.2f}")
    assert (found == 0).all() if value == 0 else np.abs(found - right).max() < 0.1, "another geometric median now"
three = through(np.array([[-10], [1], [2]])).real
noise = rng.normal(size=(9, 20000))
found = through(noise).real
size = np.abs(found)
print(f"median of -10, 1, 2: {three:.0f}, numpy {np.median([-10, 1, 2]):.0f}; of nine of noise of 1: root mean square {found.std():.2f},"
      f" magnitude {np.median(size):.2f}, one in a hundred below {np.percentile(size, 1):.2f}; numpy {np.median(noise, axis=0).std():.2f}")  # fmt: skip
assert three == 2 and (found == np.take_along_axis(noise, np.argsort(np.abs(noise), 0)[4:5], 0)[0].astype(np.float32)).all()
assert found.std() > 1.5 * np.median(noise, axis=0).std()
positive = np.abs(noise) + 1
assert np.allclose(through(positive).real, np.median(positive, axis=0)), "the median of positive values is otherwise now"
field = -rng.uniform(20, 80, (16, 16))
for values, option, right in ((field, (), field.max()), (-field, ("-m",), (-field).min()), (-field, (), (-field).max())):
    put("in", values)
    bart("mip", *option, 3, "in", "out")
    found = float(get("out").real)
    print(f"mip {' '.join(option):2} of values from {values.min():.0f} to {values.max():.0f}: {found:.1f}, numpy {right:.1f}")
    assert np.isclose(found, 0 if values is field else right), "another projection now"
region = np.zeros((16, 16))
region[4:12, 4:12] = 1
put("region", region)
for values in (np.full((16, 16), 3.0), 3 + rng.normal(size=(16, 16))):
    put("in", values)
    bart("roistat", "-E", "region", "in", "out")
    inside = values[4:12, 4:12]
    found = float(get("out").real)
    print(f"roistat -E: {found:.2f}, sum of squares {(inside**2).sum():.2f}, about the mean {((inside - inside.mean()) ** 2).sum():.2f}")
    assert np.isclose(found, ((inside - inside.mean()) ** 2).sum(), rtol=1e-4, atol=1e-4), "another energy now"
PY
venv/bin/python show.py
