#!/usr/bin/env bash
# phantominator 0.7.0: `kspace_shepp_logan` is said to take coordinates in the units of BART's `traj`, cycles per field of view. It
# does so with `ncoil=`. Without, an ellipse comes out twice as far from the middle and twice as large as the same ellipse of
# `shepp_logan`: half the coordinates give it. And x and y mean something else in each: where the first coordinate runs along the
# rows, the ellipse is at (x, y) without coils and at (-y, x) with them, while `shepp_logan` draws it at (y, x).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-deps "phantominator==0.7.0" "numpy==2.2.6" "scipy==1.15.3" "ssfp==1.2.0"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import contextlib
import io
from importlib.metadata import version

import numpy as np
from phantominator import shepp_logan
from phantominator.kspace import kspace_shepp_logan

N = 48
X, Y = 0.3, 0.1
ELLIPSE = np.array([[1.0, 0.1, 0.1, X, Y, 0.0]])
"""Grey value, semiaxes, centre (x, y) in halves of the field of view, angle."""
axis = np.arange(N) - N // 2
first, second = (a.ravel().astype(float) for a in np.meshgrid(axis, axis, indexing="ij"))
smooth = np.hanning(N + 2)[1:-1, None] * np.hanning(N + 2)[1:-1]


def centre(image):
    """(row, column) of the middle of what is bright, and its radius, in halves of the field of view."""
    bright = np.abs(image) * (np.abs(image) > np.abs(image).max() / 2)
    at = [float((bright.sum(1 - i) * axis).sum() / bright.sum() * 2 / N) for i in (0, 1)]
    return at, float(np.sqrt((bright > 0).sum() / np.pi) * 2 / N)


def found(unit, coils):
    with contextlib.redirect_stdout(io.StringIO()):
        kspace = kspace_shepp_logan(unit * first, unit * second, E=ELLIPSE, ncoil=coils).reshape(N, N)
    return centre(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace * smooth))))


print("phantominator", version("phantominator"), f"an ellipse at x {X}, y {Y}, radius 0.1 (halves of the field of view)")
drawn = centre(shepp_logan(N, E=ELLIPSE))
print(f"shepp_logan: row {drawn[0][0]:.2f}, column {drawn[0][1]:.2f}, radius {drawn[1]:.2f}")
places = {}
for coils in (None, 1):
    for unit in (1.0, 0.5):
        places[coils, unit] = at, radius = found(unit, coils)
        print(f"kspace_shepp_logan, ncoil={coils}, coordinates times {unit:g}: row {at[0]:.2f}, column {at[1]:.2f}, radius {radius:.2f}")


def near(place, wanted):
    return bool(np.allclose(place[0], wanted, atol=0.06))


assert near(drawn, (Y, X)), "shepp_logan draws elsewhere now"
assert near(places[None, 1.0], (2 * X, 2 * Y)) and near(places[None, 0.5], (X, Y)), "without coils it lies elsewhere now"
assert near(places[1, 1.0], (-Y, X)), "with a coil it lies elsewhere now"
PY
venv/bin/python show.py
