#!/usr/bin/env bash
# dipy 1.12.1: `gibbs_removal` gives a magnitude whatever it is given, and says nothing. A real image with negative values, such as one
# whose phase was taken out so that its noise has no bias, or of an inversion recovery, comes back without its signs; a complex one
# without its phase, in an array of complex numbers whose imaginary part is zero. Where a sign changes the result is wrong in size, too:
# magnitudes are taken of single pixels within the search already. The same image lifted by a constant, which is taken off
# again after, keeps its signs. Its documentation asks for images, and names no magnitudes. By default the caller's array is overwritten.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "dipy==1.12.1" "numpy==2.2.6" "scipy==1.15.3" "nibabel==5.4.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from dipy.denoise.gibbs import gibbs_removal

warnings.simplefilter("error")
print("dipy", version("dipy"))
fine, coarse = 192, 64
row, column = (np.indices((fine, fine)) - fine // 2) / fine
body = (row / 0.36) ** 2 + (column / 0.4) ** 2 < 1
inner = ((row - 0.05) / 0.14) ** 2 + ((column + 0.04) / 0.16) ** 2 < 1
object_ = 1.0 * body - 1.6 * inner
"""A body of 1 with a region of -0.6, as shortly after an inversion."""

spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(object_)))
middle = slice(fine // 2 - coarse // 2, fine // 2 + coarse // 2)
ringing = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum[middle, middle]))).real * (coarse / fine) ** 2


def removed(image):
    return gibbs_removal(image.copy(), inplace=False)


signed, lifted = removed(ringing), removed(ringing + 2) - 2
print(f"real image from {ringing.min():.2f} to {ringing.max():.2f}: it comes back from {signed.min():.2f} to {signed.max():.2f}")
print(f"    with 2 added before and taken off after from {lifted.min():.2f}; its magnitude lies up to {np.abs(np.abs(lifted) - signed).max():.2f} beside the former")
assert ringing.min() < -0.5 and signed.min() >= 0 and lifted.min() < -0.5, "signs are kept now"

phase = np.exp(1j * (0.4 + 5 * np.linspace(-0.5, 0.5, coarse)))
complex_ = removed((ringing + 2) * phase)
print(f"complex image: {complex_.dtype}, the largest imaginary part {np.abs(complex_.imag).max():.1g}, of the input {np.abs(((ringing + 2) * phase).imag).max():.1f}")
assert np.iscomplexobj(complex_) and np.abs(complex_.imag).max() == 0, "the phase is kept now"
PY
venv/bin/python show.py
