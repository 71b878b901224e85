#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `phantom -G`, the phantom of squares and ellipses, has another object in k-space (-k, and along a trajectory, -t) than as an image. With -g 1,
# the default, and -g 3 the large square is 0.5 and 1 in the image, and negative in k-space; every other square has in k-space 0.785, pi / 4, of the strength
# that ellipses have there beside the image. So the k-space of the default is that of an object whose brightest part is not its
# brightest, and whose mean is below zero. Against the transforms in closed form k-space of the disc (-c) is 1.016 times as large, a matter of scale that
# all ellipses share, and that of the square of -g 3 is -0.798 of it. What is reconstructed from the one and compared with the other is wrong by
# the difference, whatever the method. Nothing is said. Shepp-Logan's phantom, tubes (-T), NIST's and the logo (-B) agree.
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
from scipy.ndimage import binary_erosion, label
from scipy.special import j1

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
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout + done.stderr


def centred(k):
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k)))


def phantom(*options, n=256):
    """The image, and the image of its k-space in the same unit."""
    bart("phantom", *options, "-x", n, "image")
    bart("phantom", *options, "-x", n, "-k", "kspace")
    return get("image").real, centred(get("kspace")) * n * n, get("kspace")


print(bart("version").strip())
n = 256
at = np.arange(n) - n // 2
kx, ky = np.meshgrid(at, at, indexing="ij")
# Of a square of half, and a disc of all of the field of view.
square = np.sinc(kx / 2) * np.sinc(ky / 2) / 4
radius = np.hypot(kx, ky)
disc = np.where(radius == 0, np.pi / 4, j1(np.pi * radius) / np.where(radius == 0, 1, 2 * radius))
for name, options, exact, right in (("square", ("-G", "-g", 3), square, -np.sqrt(2 / np.pi)), ("disc", ("-c",), disc, 4 / np.pi * np.sqrt(2 / np.pi))):
    image, _, kspace = phantom(*options)
    ratio = np.vdot(exact, kspace).real / np.vdot(exact, exact)
    print(f"{name}: image {np.unique(image.round(3))}, k-space {ratio:.3f} of the closed form")
    assert abs(np.linalg.norm(kspace / ratio - exact) / np.linalg.norm(exact)) < 1e-3 and np.isclose(ratio, right, rtol=1e-3), "another k-space now"
scale = 4 / np.pi * np.sqrt(2 / np.pi)
for geometry in (1, 2, 3):
    image, found, _ = phantom("-G", "-g", geometry)
    found = found.real / scale
    labels, count = label(image != 0)
    strengths = []
    for number in range(1, count + 1):
        whole = labels == number
        # Away from edges, whose ringing the mean of a small part would have.
        inside = binary_erosion(whole, iterations=3)
        is_square = number in {1: (1, 2), 2: (1, 3, 4, 5, 6, 7, 8), 3: (1,)}[geometry]
        strengths.append((image[inside].mean(), found[inside].mean(), is_square))
    print(f"-g {geometry}: " + ", ".join(f"{'square' if sq else 'ellipse'} {a:.1f} in the image, {b:.2f} from k-space" for a, b, sq in strengths))
    print(f"  sum {image.sum() / n**2:.3f} in the image, {found.sum() / n**2:.3f} from k-space")
    for a, b, sq in strengths:
        assert np.isclose(abs(b), a * (np.pi / 4 if sq else 1), rtol=0.05), "strengths agree now"
    negative = [b < 0 for _, b, _ in strengths]
    assert negative == {1: [False, True, False, False, False], 2: [False] * 8, 3: [True]}[geometry], "another sign now"
for options in ((), ("-T",), ("-B",), ("--NIST",)):
    bart("phantom", *options, "-x", 1024, "fine")
    bart("phantom", *options, "-x", 128, "-k", "kspace")
    fine = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(get("fine"))))[448:576, 448:576]
    kspace = get("kspace")
    kspace = kspace * np.vdot(kspace, fine) / np.vdot(kspace, kspace)
    error = np.linalg.norm(kspace - fine) / np.linalg.norm(fine)
    print(f"phantom {' '.join(options) or 'without options'}: k-space beside that of its fine image, error {error:.3f}")
    assert error < 0.03
PY
venv/bin/python show.py
