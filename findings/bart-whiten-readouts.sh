#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `whiten` divides the covariance of its noise scan by the samples of one readout, however many readouts
# there are. Scanners write noise as many readouts; with 16 of them the whitened data have noise of variance 1/16, with 256 of 1/256,
# and the covariance that it puts out is as many times too large: a regularisation weight, or a threshold in units of noise, means
# something else for every length of noise scan. `-n` scales the result right; the covariance and the whitening matrix stay as they are.
# All samples in one row, [samples x readouts, 1, 1, coil], are right without it.
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
    "LD_LIBRARY_PATH": ":".join(f"{Path(libraries, part).resolve()}" for part in ("", "blas", "lapack")),
}
COILS, VARIANCE = 4, 4.0
rng = np.random.default_rng(0)


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


def noise(samples, readouts):
    shape = (samples, readouts, 1, COILS)
    return np.sqrt(VARIANCE / 2) * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def power(name):
    return float(np.mean(np.abs(get(name)) ** 2))


print("BART", bart("version").strip(), f"noise of variance {VARIANCE:g}")
put("scan", noise(256, 64))
for readouts in (1, 16, 256):
    measured = noise(256, readouts)
    put("noise", measured)
    bart("whiten", "scan", "noise", "white", "matrix", "covariance")
    bart("whiten", "-n", "scan", "noise", "scaled")
    put("row", measured.reshape(-1, 1, 1, COILS, order="F"))
    bart("whiten", "scan", "row", "right")
    found = float(np.abs(np.diag(get("covariance"))).mean())
    print(
        f"{readouts} readouts of 256 samples: variance after whitening {power('white'):.4f} (with -n {power('scaled'):.2f}, all in "
        f"one row {power('right'):.2f}); variance in the covariance {found:.0f}"
    )
    assert abs(power("white") * readouts - 1) < 0.1, "another scale now"
    assert abs(found / readouts / VARIANCE - 1) < 0.1, "another covariance now"
    assert abs(power("scaled") - 1) < 0.1 and abs(power("right") - 1) < 0.1
PY
venv/bin/python show.py
