#!/usr/bin/env bash
# SimpleITK 2.5.7 and complex images. `InverseFFT` of k-space gives the real part of the image alone, without a word, and no other filter
# gives a complex one: the phase is lost, and the magnitude with it, wherever k-space is not that of a real image; no measured one
# is. (It refuses sizes with a prime factor above 5, in words that say so.) Files lose the type: of MetaImage, HDF5, VTK, MINC and
# TIFF a complex image comes back as a vector of two, an array with one axis more. NIfTI and NRRD keep it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "simpleitk==2.5.7" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import SimpleITK as sitk

warnings.simplefilter("error")
print("SimpleITK", version("simpleitk"))
rng = np.random.default_rng(0)
for what, phase in (("real", 0.0), ("complex", 2.0)):
    image = rng.uniform(1, 2, (12, 20)) * np.exp(1j * phase * np.linspace(-1, 1, 20))
    back = sitk.GetArrayFromImage(sitk.InverseFFT(sitk.GetImageFromArray(np.fft.fft2(image))))
    print(
        f"InverseFFT of the k-space of a {what} image: {back.dtype}, {np.abs(np.abs(back) - np.abs(image)).max():.2g} from its magnitude, "
        f"{np.abs(back - image.real).max():.2g} from its real part"
    )
    assert back.dtype == np.float64 and np.allclose(back, image.real) and np.allclose(np.abs(back), np.abs(image)) == (what == "real")

image = (rng.standard_normal((3, 4, 5)) + 1j * rng.standard_normal((3, 4, 5))).astype(np.complex64)
written = sitk.GetImageFromArray(image)
written.SetSpacing((1, 2, 3))
written.SetOrigin((4, 5, 6))
kept = set()
for ending in ("nii", "nrrd", "mha", "h5", "vtk", "mnc", "tif"):
    sitk.WriteImage(written, f"image.{ending}")
    read = sitk.ReadImage(f"image.{ending}")
    array = sitk.GetArrayFromImage(read)
    same = array.shape == image.shape and np.allclose(array, image)
    parts = array.shape[-1] == 2 and np.allclose(array, np.stack([image.real, image.imag], -1))
    print(f"{ending}: written as {written.GetPixelIDTypeAsString()}, read as {read.GetPixelIDTypeAsString()} {array.shape}")
    assert same or parts
    kept |= {ending} if same else set()
assert kept == {"nii", "nrrd"}, "other formats keep the type now"
PY
venv/bin/python show.py
