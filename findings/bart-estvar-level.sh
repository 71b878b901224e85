#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `estvar` estimates the variance of white noise from the calibration region of k-space. That it is a guess
# which holds for some scans alone is said nowhere. Where the image is 500 times the noise, of 64 x 64 pixels from 200 on, the answer is
# "-nan", with exit status 0, and before that a fraction of the variance. With the region that scans often have, 12 x 12 (-r 12; 24 is
# the default), it is too high by the square of that ratio: 20 times the noise gives 5 times the variance at 128 x 128 pixels and 71 times at
# 64 x 64. It is near where the noise is high and the region large. (`ecalib -a`, which weighs by it, still gives usable maps.)
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
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


print("BART", bart("version"))
rng = np.random.default_rng(0)
found = {}
for n in (64, 128):
    bart("phantom", "-x", n, "-s", 8, "-k", "kspace")
    bart("fft", "-u", "-i", 3, "kspace", "image")
    kspace, middle = get("kspace"), slice(n // 2 - 8, n // 2 + 8)
    signal = np.median(np.linalg.norm(get("image")[middle, middle], axis=-1))
    for ratio in (10, 20, 100, 500):
        variance = (float(signal) / ratio) ** 2
        noise = rng.standard_normal((2, *kspace.shape)) * np.sqrt(variance / 2)
        put("noisy", (kspace + noise[0] + 1j * noise[1])[:, :, None])
        for options in ((), ("-r", 12)):
            found[n, ratio, options] = float(bart("estvar", *options, "noisy").split()[-1]) / variance
        usual, small = (found[n, ratio, options] for options in ((), ("-r", 12)))
        print(f"{n} pixels, image {ratio:3} times the noise: {usual:5.2f} of its variance; with -r 12 {small:8.1f}")
assert abs(found[128, 10, ()] - 1) < 0.1 and abs(found[128, 20, ()] - 1) < 0.1, "not right where noise is high any more"
assert found[128, 20, ("-r", 12)] > 3 and found[64, 20, ("-r", 12)] > 30, "right from a small region now"
assert not abs(found[64, 500, ()] - 1) < 0.5 and not abs(found[128, 500, ()] - 1) < 0.5, "right where noise is low now"
PY
venv/bin/python show.py
