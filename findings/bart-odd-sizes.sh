#!/usr/bin/env bash
# BART 0.8.00 (Debian 12) has the middle of an axis of odd length in three places. `fft -u` has it at pixel n // 2, and so has
# `nlinv`. The image of `pics` from the k-space that `fft -u` made lies one pixel further along each odd axis, with a phase, and so
# beside its own maps: where it is compared, many dB are lost. `nufft` reads k-space half a sample beside the trajectory, which is
# a phase of pi over the image. `nufft -s` has its middle half a pixel away. Even lengths agree. BART 1.0.00 agrees at odd lengths
# too (bartorch-command-pics.sh).
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


def seen(n):
    """The shift of `pics` [pixels], and of `nufft`: phase at the centre [rad], and from sample to sample without and with -s."""
    at = np.arange(n) - n // 2
    x, y = np.meshgrid(at, at, indexing="ij")
    image = np.exp(-((x + 2) ** 2) / 9 - (y - 3) ** 2 / 20)
    coils = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / n**2) for a, b in ((-n, 0), (n, 0), (0, n), (0, -n))], -1)
    coils /= np.linalg.norm(coils, axis=-1, keepdims=True)
    put("image", (image[..., None] * coils)[:, :, None])
    put("maps", coils[:, :, None])
    bart("fft", "-u", 3, "image", "kspace")
    bart("pics", "-S", "-w", 1, "-i", 50, "kspace", "maps", "out")
    bart("fft", "-u", "-i", 3, "kspace", "back")
    assert np.allclose(get("back"), get("image"), atol=1e-5)
    found = np.abs(get("out"))
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    off = {shift: np.linalg.norm(found - np.roll(image, shift, (0, 1))) / np.linalg.norm(image) for shift in shifts}

    point = np.zeros((n, n))
    point[n // 2 + 3, n // 2 - 5] = 1
    put("point", point)
    put("trajectory", np.stack([x, y, 0 * x]))
    phases = []
    for option in ((), ("-s",)):
        bart("nufft", *option, "trajectory", "point", "samples")
        ratio = get("samples") / transformed(point)
        phases.append((np.angle(ratio[n // 2, n // 2]), np.angle(ratio[n // 2 + 1, n // 2] / ratio[n // 2, n // 2])))
    return min(off, key=off.get), off[0, 0], phases


print("BART", bart("version").strip())
for n in (32, 33):
    shift, loss, ((centre, _), (_, step)) = seen(n)
    print(
        f"{n} pixels: pics {shift} pixels beside, magnitudes differ by {loss:.2f} of the image; nufft {centre:.2f} rad at the "
        f"centre of k-space; nufft -s {step * n / (2 * np.pi):.2f} pixels beside"
    )
    odd = n % 2 == 1
    assert shift == ((1, 1) if odd else (0, 0)), "pics lies elsewhere now"
    assert (abs(centre) > 0.2) == odd, "nufft reads k-space elsewhere now"
    assert (abs(step) > np.pi / n / 2) == odd, "nufft -s has its middle elsewhere now"
PY
venv/bin/python show.py
