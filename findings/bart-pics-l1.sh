#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `pics` with a sparsity term and its default solver, FISTA (`-l1`, `-R W`, `-R I`; IST, -I, too), ends with a step towards the
# data, not with the threshold: what it returns is the minimiser plus 0.95 (the step, -s) of what the data differ from it, brought back by the adjoint. Of
# fully sampled data that is the threshold of a twentieth of the weight that was asked for, of a quarter for -s 0.75 and of none for -s 1, however many
# iterations; of undersampled data the noise of the measured samples is put back. ADMM (-m), the same command otherwise, has the minimiser: the soft
# threshold in closed form, of Haar wavelets by PyWavelets. Nothing is said, nor in the help.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "bart=0.8.00-3" libblas3 liblapack3 liblapacke libtmglib3 libfftw3-single3 \
    libpng16-16 libgomp1 libgfortran5 libquadmath0 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "PyWavelets==1.8.0" > pip.log
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import numpy as np
import pywt

libraries = "root/usr/lib/x86_64-linux-gnu"
environment = {
    **os.environ,
    "LD_LIBRARY_PATH": ":".join(f"{Path(libraries, part).resolve()}" for part in ("", "blas", "lapack")),
}


def put(name, array):
    sizes = [*array.shape, *[1] * (16 - array.ndim)]
    Path(f"{name}.hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
    array.astype(np.complex64).ravel("F").tofile(f"{name}.cfl")


def bart(*arguments):
    command = ["root/usr/bin/bart", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def pics(*options):
    bart("pics", "-w", 1, "-n", *options, "kspace", "maps", "image")
    return np.fromfile("image.cfl", np.complex64).reshape((n, n), order="F")


def fourier(image):
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, (0, 1)), axes=(0, 1), norm="ortho"), (0, 1))


def inverse(kspace):
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, (0, 1)), axes=(0, 1), norm="ortho"), (0, 1))


def soft(values, threshold):
    return values * np.maximum(1 - threshold / np.maximum(abs(values), 1e-30), 0)


def soft_haar(image, threshold):
    values, places = pywt.coeffs_to_array(pywt.wavedec2(image, "haar", mode="periodization", level=3))
    return pywt.waverec2(pywt.array_to_coeffs(soft(values, threshold), places, output_format="wavedec2"), "haar", mode="periodization")


def away(image, from_):
    return np.linalg.norm(image - from_) / np.linalg.norm(from_)


n, weight = 64, 0.5
rng = np.random.default_rng(0)
image = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
maps = np.stack([np.full((n, n), 0.6), np.full((n, n), 0.8j)], -1)
put("maps", maps[:, :, None])
full = fourier(image[..., None] * maps)
put("kspace", full[:, :, None])
minimum, haar = soft(image, weight), soft_haar(image, weight)
wavelets = ("--wavelet", "haar", "-l1", "-r", weight)
print("BART", bart("version").strip())
print("all of k-space, two coils, weight 0.5, distance from the minimiser in closed form")
admm, admm_haar = away(pics("-i", 100, "-m", "-R", f"I:0:{weight}"), minimum), away(pics("-i", 200, "-m", *wavelets), haar)
print(f"ADMM: {admm:.1e}, Haar {admm_haar:.1e}")
assert admm < 1e-5 and admm_haar < 1e-5, "ADMM ends elsewhere now"
for step, options in ((0.25, ("-s", 0.25)), (0.75, ("-s", 0.75)), (0.95, ()), (1, ("-s", 1)), (0.95, ("-I",))):
    found, found_haar = pics("-i", 100, *options, "-R", f"I:0:{weight}"), pics("-i", 100, *options, *wavelets)
    taken = np.median((abs(image) - abs(found))[abs(minimum) > 0])
    name = "IST" if "-I" in options else "FISTA"
    print(f"{name}, step {step}: {away(found, minimum):.2f}, Haar {away(found_haar, haar):.2f}; magnitudes are lowered by {round(taken, 3) + 0:.3f}")
    assert away(found, minimum + step * (image - minimum)) < 1e-4, "it ends elsewhere now"
    assert away(found_haar, haar + step * (image - haar)) < 1e-4, "it ends elsewhere now with wavelets"
    assert abs(taken - (1 - step) * weight) < 1e-3
more = pics("-i", 1000, "-R", f"I:0:{weight}")
print(f"FISTA, 1000 iterations: {away(more, minimum):.2f}")
assert away(more, minimum + 0.95 * (image - minimum)) < 1e-4

y, x = np.mgrid[:n, :n] - n / 2
clean = ((x / 20) ** 2 + (y / 26) ** 2 < 1) * 1.0 + ((x / 8) ** 2 + ((y - 6) / 8) ** 2 < 1) * 0.5
phase = np.exp(1j * np.pi * x / n)
maps = np.stack([phase * (1 + x / n), phase.conj() * (1 - x / n)], -1)
maps = maps / np.sqrt((abs(maps) ** 2).sum(-1, keepdims=True))
put("maps", maps[:, :, None])
mask = (np.arange(n) % 2 == 0) | (abs(np.arange(n) - n // 2) < 8)
noise = rng.standard_normal((n, n, 2)) + 1j * rng.standard_normal((n, n, 2))
data = (fourier(clean[..., None] * maps) + 0.1 * noise) * mask[:, None]
put("kspace", data[:, :, None])


def back(kspace):
    return (inverse(kspace * mask[:, None]) * maps.conj()).sum(-1)


def objective(found):
    values = pywt.coeffs_to_array(pywt.wavedec2(found, "haar", mode="periodization", level=3))[0]
    return 0.5 * np.linalg.norm(data - fourier(found[..., None] * maps) * mask[:, None]) ** 2 + 0.15 * abs(values).sum()


options = ("--wavelet", "haar", "-l1", "-r", 0.15, "-i", 200)
best = pics("-m", *options).astype(complex)
found = pics(*options).astype(complex)
put_back = best + 0.95 * back(data - fourier(best[..., None] * maps))
corner = np.zeros((n, n), bool)
corner[:10, :10] = True
print(f"38 of 64 lines with noise: what is to be least is {objective(best):.1f} by -m, {objective(found):.1f} by FISTA")
print(f"  FISTA is {away(found, put_back):.1e} away from the minimiser with 0.95 of the difference of the data put back")
print(f"  errors {away(best, clean):.3f} and {away(found, clean):.3f}; noise beside the object {best[corner].std():.4f} and {found[corner].std():.4f}")
assert away(found, put_back) < 0.01 and objective(found) > 1.2 * objective(best) and found[corner].std() > 2 * best[corner].std()
PY
venv/bin/python show.py
