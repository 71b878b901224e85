#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `wavelet -a` is called the adjoint and is the inverse. Of Haar wavelets at sizes that halve evenly the two are one; of
# Daubechies's (-D, the default) and CDF44 (-C) they are not: the transform has more coefficients than pixels, and weighs images by 1 to 3.85 and by 0.72 to
# 3.82 (its singular values). The matrix of -a is half, and three quarters, of its size beside that of
# the adjoint. Gradient steps and penalties that are built from the two commands have another answer. `pics -l1`, whose default is Daubechies's, takes
# the transform for a unitary one: solved by ADMM (-m, -n: without random shifts), of all of k-space, it ends 2 % above the least of its
# own objective, found here by primal-dual steps with a bound from below. With Haar it is at the least. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "bart=0.8.00-3" libblas3 liblapack3 liblapacke libtmglib3 libfftw3-single3 \
    libpng16-16 libgomp1 libgfortran5 libquadmath0 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" > pip.log
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
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


def away(array, from_):
    return np.linalg.norm(array - from_) / np.linalg.norm(from_)


def transform_and_a(flag):
    """Both as matrices, from what they make of unit images and unit coefficients."""
    put("images", np.eye(n * n).reshape(n, n, n * n, order="F"))
    bart("wavelet", flag, 3, "images", "coefficients")
    transform = get("coefficients").real
    put("coefficients", np.eye(len(transform)).reshape(len(transform), 1, -1))
    bart("wavelet", "-a", flag, 3, n, n, "coefficients", "images")
    return transform.astype(float), get("images").real.reshape(n * n, -1, order="F").astype(float)


def objective(image, data, transform, weight):
    return 0.5 * np.linalg.norm(image - data) ** 2 + weight * abs(transform @ image).sum()


def least(data, transform, weight, largest, steps=200):
    """Least value by accelerated primal-dual steps (Chambolle and Pock 2011), and a bound from below by its dual."""
    image = extra = data.copy()
    dual = np.zeros(len(transform), complex)
    tau = sigma = 1 / largest
    for _ in range(steps):
        dual = dual + sigma * (transform @ extra)
        dual /= np.maximum(1, abs(dual) / weight)
        before, image = image, (image - tau * (transform.T @ dual) + tau * data) / (1 + tau)
        theta = 1 / np.sqrt(1 + 2 * tau)
        tau, sigma = tau * theta, sigma / theta
        extra = image + theta * (image - before)
    pushed = transform.T @ dual
    return objective(image, data, transform, weight), float(np.vdot(pushed, data).real - 0.5 * np.linalg.norm(pushed) ** 2)


n, weight = 32, 0.2
rng = np.random.default_rng(0)
y, x = np.mgrid[:n, :n] - n / 2
clean = ((x / 11) ** 2 + (y / 13) ** 2 < 1) * 1.0 + ((x / 5) ** 2 + ((y - 4) / 5) ** 2 < 1) * 0.5
noisy = (clean + 0.1 * (rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)))).astype(np.complex64)
put("noisy", noisy)
bart("fft", "-u", 3, "noisy", "kspace")
put("maps", np.ones((n, n)))
data = noisy.ravel("F").astype(complex)
print("BART", bart("version").strip())
for flag, name, beside, above in (("-H", "haar", 0, 0), ("-D", "dau2", 0.47, 0.015), ("-C", "cdf44", 0.74, None)):
    transform, matrix = transform_and_a(flag)
    values = np.linalg.svd(transform, compute_uv=False)
    from_adjoint, from_inverse = away(matrix, transform.T), away(matrix @ transform, np.eye(n * n))
    print(f"{name}: {len(transform)} coefficients of {n * n} pixels, singular values {values.min():.2f} to {values.max():.2f}")
    print(f"  -a is {from_adjoint:.2f} away from the adjoint and, after the transform, {from_inverse:.0e} from the identity")
    assert abs(from_adjoint - beside) < 0.01 and from_inverse < 1e-5, "-a is the adjoint now"
    if above is None:
        continue
    bart("pics", "-w", 1, "-m", "-n", "-i", 100, "--wavelet", name, "-l1", "-r", weight, "kspace", "maps", "image")
    found = objective(get("image").ravel("F").astype(complex), data, transform, weight)
    best, bound = least(data, transform, weight, values.max())
    print(f"  pics ends at {found:.3f}, the least is {best:.3f} and not below {bound:.3f}: {abs(100 * (found / best - 1)):.1f} % above")
    assert bound > 0.999 * best and (found / best - 1 > above if above else abs(found / best - 1) < 0.002), "it ends at another value now"
PY
venv/bin/python show.py
