#!/usr/bin/env bash
# ITK's readers that are asked for real pixels give of a complex image the product of its real and imaginary parts: the second part is taken
# for the opacity of the first. So SimpleITK 2.5.7 with `ReadImage(path, sitkFloat32)`, the way to read for registration, itk
# 5.4.7 with `imread(path, itk.F)`, and `plastimatch convert` (Debian 12, ITK 5.2), which is not asked for anything: from complex NIfTI and
# NRRD, real numbers with the right places that are neither magnitude, phase nor either part, twice the frequency of the phase in
# them, and not a word. Without a type, as complex or as a vector, SimpleITK gives both parts.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "plastimatch=1.9.4+dfsg.2-0+deb12u1" libaec0 libatlas3-base libbrotli1 libcharls2 \
    libcom-err2 libcurl3-gnutls libcurl4 libdcmtk17 libdlib19.1 libexpat1 libffi8 libfftw3-double3 libgdcm3.0 libgfortran5 libgmp10 \
    libgnutls30 libgomp1 libgssapi-krb5-2 libhdf5-103-1 libhdf5-cpp-103-1 libhdf5-hl-100 libhogweed6 libicu72 libidn2-0 \
    libinsighttoolkit5.2 libjpeg62-turbo libjson-c5 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 liblzma5 \
    libminc2-5.3.0 libnetcdf19 libnettle8 libnghttp2-14 libopenjp2-7 libp11-kit0 libpng16-16 libpsl5 libquadmath0 librtmp1 libsasl2-2 \
    libssh2-1 libssl3 libsz2 libtasn1-6 libunistring2 libuuid1 libxml2 libzstd1 zlib1g > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "simpleitk==2.5.7" "itk-core==5.4.7" "itk-io==5.4.7" "numpy==2.2.6" "nibabel==5.4.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import SimpleITK as sitk

folders = ("usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/atlas", "lib/x86_64-linux-gnu")
environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(str(Path("root").resolve() / folder) for folder in folders)}


def plastimatch(path):
    said = subprocess.run(
        ["root/usr/bin/plastimatch", "convert", "--input", path, "--output-img", "out.nii"],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert not said.stderr and "omplex" not in said.stdout, "it says something now"
    return np.asanyarray(nib.load("out.nii", mmap=False).dataobj).T


print("SimpleITK", version("simpleitk"), "itk", itk.Version.GetITKVersion(), "plastimatch 1.9.4+dfsg.2-0+deb12u1")
phase = np.linspace(0, 3, 7 * 6 * 5, dtype=np.float32).reshape(5, 6, 7)
image = 2 * np.exp(1j * phase).astype(np.complex64)
nib.save(nib.Nifti1Image(image.T, np.diag([2, 3, 4, 1])), "image.nii")
sitk.WriteImage(sitk.ReadImage("image.nii"), "image.nrrd")
for path in ("image.nii", "image.nrrd"):
    whole = sitk.GetArrayFromImage(sitk.ReadImage(path))
    vector = sitk.GetArrayFromImage(sitk.ReadImage(path, sitk.sitkVectorFloat32))
    assert np.array_equal(whole, image) and np.array_equal(vector, np.stack([image.real, image.imag], -1))
    for name, read in (
        ("SimpleITK, sitkFloat32", sitk.GetArrayFromImage(sitk.ReadImage(path, sitk.sitkFloat32))),
        ("SimpleITK, sitkFloat64", sitk.GetArrayFromImage(sitk.ReadImage(path, sitk.sitkFloat64))),
        ("itk, itk.F", itk.GetArrayFromImage(itk.imread(path, itk.F))),
        ("plastimatch convert", plastimatch(path)),
    ):
        candidates = {
            "magnitude": np.abs(image), "phase": phase, "real part": image.real, "imaginary part": image.imag,
            "product of the parts": image.real * image.imag,
        }  # fmt: skip
        away = {what: float(np.abs(read - truth).max()) for what, truth in candidates.items()}
        print(f"{path} by {name}: {read.dtype}, off " + ", ".join(f"{value:.2g} from the {what}" for what, value in away.items()))
        assert {what for what, value in away.items() if value < 1e-5} == {"product of the parts"}, "read otherwise now"
        assert np.allclose(read, 2 * np.sin(2 * phase), atol=1e-5)
PY
venv/bin/python show.py
