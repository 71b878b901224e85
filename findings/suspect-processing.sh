#!/usr/bin/env bash
# suspect 0.6.2 (MR spectroscopy), four steps that say nothing and are not what they are called. Its Gaussian apodisation has a window of 1 at the first point,
# as said, and of twice the Gaussian from the second on (the basis function that it is made of halves the first point of an FID): a window that broadens by
# nothing gives twice the spectrum, less the first point everywhere: the sum over all frequencies stays, every peak is twice as large.
# `adjust_phase(fixed_frequency=f)` leaves the phase at minus f as it is, and turns what it was to keep. Of the automatic phases, `mag_real` and `acme` do not
# look at `range_ppm`: with any range they give what they give of the whole spectrum, where the same range in Hz gives another. And `ImageBase.resample`,
# "linear" where nothing else is said, cuts the places that it interpolates at down to whole voxels: moved by half a voxel the image is as before, moved by nine
# tenths too.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "suspect==0.6.2" "numpy==1.26.4" "scipy==1.15.3" "lmfit==1.3.4" "pydicom==3.0.2" "nibabel==5.4.2" "pywavelets==1.8.0" "parsley==1.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import suspect
from scipy.ndimage import map_coordinates
from suspect.processing import apodize, gaussian_window
from suspect.processing.phase import acme, mag_real

print("suspect", version("suspect"))
step, points = 1e-3, 1024
time = np.arange(points) * step


def signal(values):
    return suspect.MRSData(values, step, 123.0)


decay = np.exp(2j * np.pi * 50 * time - 20 * time)
plain = np.fft.fftshift(np.fft.fft(decay))
for broadening in (0.0, 5.0):
    window = np.exp(-((np.pi * broadening * time) ** 2) / (4 * np.log(2)))  # full width at half maximum in Hz
    found, true = np.asarray(apodize(signal(decay), gaussian_window, {"line_broadening": broadening})), decay * window
    spectra = [np.fft.fftshift(np.fft.fft(one)) for one in (found, true)]
    print(
        f"apodised by {broadening:g} Hz: points {np.abs(found / true)[:4].round(3)} of a Gaussian window's; peak {np.abs(spectra[0]).max():.1f}, true "
        f"{np.abs(spectra[1]).max():.1f}; far from it {spectra[0].real[:50].mean():.2f}, true {spectra[1].real[:50].mean():.2f}"
    )
    assert np.allclose(spectra[0], 2 * spectra[1] - decay[0]), "the window is a Gaussian now"

frequencies = np.fft.fftshift(np.fft.fftfreq(points, step))
turned = np.angle(np.asarray(signal(decay).spectrum().adjust_phase(0.0, 0.01, fixed_frequency=50.0)) / plain)
at = {place: np.interp(place, frequencies, turned) for place in (-50, 0, 50)}
print("first order phase 0.01 rad/Hz about 50 Hz: " + ", ".join(f"{phase:.2f} rad at {place} Hz" for place, phase in at.items()))
assert "first order phase shift is zero" in suspect.MRSData.adjust_phase.__doc__
assert np.isclose(at[50], 1) and np.isclose(at[-50], 0, atol=1e-9), "the fixed frequency is fixed now"

near, far = np.exp(2j * np.pi * 50 * time - 20 * time + 0.7j), 3 * np.exp(-2j * np.pi * 200 * time - 30 * time - 2j)
both = signal(near + far)
low, high = both.hertz_to_ppm(0.0), both.hertz_to_ppm(100.0)
for method in (mag_real, acme):
    of_all, in_ppm, in_hertz = method(both), method(both, range_ppm=(low, high)), method(both, range_hz=(0.0, 100.0))
    print(f"{method.__name__}: whole {np.round(of_all, 4)}; {high:.2f} to {low:.2f} ppm {np.round(in_ppm, 4)}; the same range in Hz {np.round(in_hertz, 4)}")
    assert np.array_equal(of_all, in_ppm) and not np.allclose(of_all, in_hertz, atol=0.1), "the range in ppm counts now"
    assert np.array_equal(of_all, method(both, range_ppm=(low + 1, high + 1))) and "range_ppm" in method.__doc__

z, y, x = np.mgrid[0:10, 0:10, 0:10].astype(float)
values = np.exp(-((x - 5) ** 2 + (y - 4) ** 2 + (z - 5) ** 2) / 8)
image = suspect.base.ImageBase(values, transform=suspect.transformation_matrix([1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]))
for moved in (0.0, 0.5, 0.9):
    centre = (4 + moved, 4, 5)
    found = np.asarray(image.resample([1, 0, 0], [0, 1, 0], (1, 1, 5), centre=centre))
    true = map_coordinates(values, [[5] * 5, [4] * 5, np.arange(2, 7) + moved], order=1)
    print(f"a line moved by {moved}: {found.round(3)}, by scipy {true.round(3)}")
    assert np.allclose(found, values[5, 4, 2:7]) and np.allclose(found, true) == (moved == 0), "places between voxels are interpolated at now"
PY
venv/bin/python -W ignore show.py
