#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `rof` denoises by total variation, and stops after 50 steps wherever it is; no option has it go on, and nothing says that it
# is not there. Of a step between two plateaus of 32 samples, whose minimum is known in closed form (its differences go around, so that
# both plateaus move by lambda/16, and stay flat), with lambda 1 neither is flat: their middles have not moved at all, their ends by four times as much as
# they should, and the sum that is to be least is larger than for the image that was put in. Of an image with noise it is 2 to 20 % above its
# minimum, found here by primal-dual steps with a bound from below, and a larger lambda is worse. BART 1.0.00, in bartorch 0.0.17, gives the same within 2 %.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "bart=0.8.00-3" libblas3 liblapack3 liblapacke libtmglib3 libfftw3-single3 \
    libpng16-16 libgomp1 libgfortran5 libquadmath0 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6"
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


def bart(*words):
    done = subprocess.run(["root/usr/bin/bart", *words], check=True, capture_output=True, text=True, env=environment)
    return (done.stdout + done.stderr).strip()


def rof(image, weight):
    sizes = image.shape + (1,) * (16 - image.ndim)
    Path("in.hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
    image.astype(np.complex64).ravel(order="F").tofile("in.cfl")
    said = bart("rof", str(weight), str(2**image.ndim - 1), "in", "out")
    return np.fromfile("out.cfl", np.complex64).reshape(image.shape, order="F").real.astype(float), said


def gradient(image):
    return np.stack([np.roll(image, -1, axis) - image for axis in range(image.ndim)])


def adjoint(field):
    return sum(np.roll(part, 1, axis) - part for axis, part in enumerate(field))


def objective(image, noisy, weight):
    return 0.5 * ((image - noisy) ** 2).sum() + weight * np.sqrt((gradient(image) ** 2).sum(0)).sum()


def minimum(noisy, weight, steps=4000):
    """Accelerated primal-dual steps (Chambolle and Pock 2011) and the value of the dual problem, which no image can be below."""
    image = ahead = noisy
    field = np.zeros((noisy.ndim, *noisy.shape))
    tau = sigma = 1 / np.sqrt(4 * noisy.ndim)
    for _ in range(steps):
        field = field + sigma * gradient(ahead)
        field /= np.maximum(1, np.sqrt((field**2).sum(0)) / weight)
        before, image = image, (image - tau * adjoint(field) + tau * noisy) / (1 + tau)
        theta = 1 / np.sqrt(1 + 2 * tau)
        tau, sigma, ahead = tau * theta, sigma / theta, image + theta * (image - before)
    bound = (noisy * adjoint(field)).sum() - 0.5 * (adjoint(field) ** 2).sum()
    return image, bound


print("BART", bart("version"))
step = np.r_[np.zeros(32), np.ones(32)]
for weight in (0.1, 1.0, 2.0):
    found, said = rof(step, weight)
    exact = np.where(step > 0, 1 - weight / 16, weight / 16)
    sums = [objective(one, step, weight) for one in (step, exact, found)]
    print(f"step, lambda {weight:g}: exact {exact[0]:.4f} everywhere on the lower plateau, rof {found[16]:.4f} in its middle and {found[0]:.4f} at its ends")
    print(f"    the sum to be least: {sums[0]:.3f} of the input, {sums[1]:.3f} of the exact answer, {sums[2]:.3f} of rof's; it said: {said!r}")
    assert not said
    assert found[16] < 0.1 * exact[0] and found[0] > 2.5 * exact[0] and sums[2] > sums[0] > sums[1], "rof is nearer to its minimum now"

rng = np.random.default_rng(0)
y, x = np.mgrid[-32:32, -32:32]
clean = (x**2 + y**2 < 600) * (1 + 0.5 * ((abs(x) < 6) & (abs(y) < 15)))
noisy = clean + 0.2 * rng.standard_normal(clean.shape)
for weight, above in ((0.1, 0.01), (0.3, 0.02), (1.0, 0.15)):
    best, bound = minimum(noisy, weight)
    found, _ = rof(noisy, weight)
    least, reached = objective(best, noisy, weight), objective(found, noisy, weight)
    far = np.linalg.norm(found - best) / np.linalg.norm(best - noisy)
    errors = [float(np.sqrt(((one - clean) ** 2).mean())) for one in (best, found)]
    print(f"64 x 64 pixels, noise 0.2, lambda {weight:g}: least {least:.2f} (at least {bound:.2f}), rof {reached:.2f}, {100 * (reached / least - 1):.1f} % above; "
          f"{100 * far:.0f} % of the way beside; error {errors[0]:.4f} and {errors[1]:.4f}")
    assert least - bound < 1e-3 * least and reached > (1 + above) * bound, "rof is nearer to its minimum now"
PY
venv/bin/python show.py
