#!/usr/bin/env bash
# MINC tools 2.3.00 (Debian 12) and images with several values a voxel (NIfTI's fifth axis: components, or samples). In NIfTI the volumes
# lie one after the other, in MINC the values of a voxel beside each other. `nii2mnc` and `mnc2nii` name the axes rightly and leave the
# numbers as they lie: the three values of one voxel are then those of three neighbours along x, of NIfTI every voxel but the first and the last,
# and nothing is said. Forth and back the values are together again, and the image is mirrored along an axis that runs backwards: the
# affine is turned about, the numbers are not. Three and four axes are right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "minc-tools=2.3.00+dfsg-10" libaec0 libbrotli1 libcom-err2 libcurl3-gnutls libcurl4 libffi8 \
    libgmp10 libgnutls30 libgssapi-krb5-2 libhdf5-103-1 libhdf5-hl-100 libhogweed6 libicu72 libidn2-0 libk5crypto3 libkeyutils1 libkrb5-3 \
    libkrb5support0 libldap-2.5-0 liblzma5 libminc2-5.3.0 libnetcdf19 libnettle8 libnghttp2-14 libniftiio2 libp11-kit0 libpsl5 librtmp1 \
    libsasl2-2 libssh2-1 libssl3 libsz2 libtasn1-6 libunistring2 libxml2 libznz3 libzstd1 zlib1g > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "h5py==3.13.0" "simpleitk==2.5.7"
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

root = Path("root").resolve()
folders = [root / part for part in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")]
environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}


def run(program, *arguments):
    """Its output, but for what it always prints: the header that it read."""
    said = subprocess.run([f"root/usr/bin/{program}", *arguments], check=True, capture_output=True, text=True, env=environment)
    assert "rror" not in said.stderr and "annot" not in said.stderr
    return said.stdout


def minc(source, name):
    """The image that `nii2mnc` makes, as nibabel has it: [x, y, z, ...]."""
    run("nii2mnc", "-float", source, f"{name}-1.mnc")
    run("mincconvert", "-2", f"{name}-1.mnc", f"{name}.mnc")
    return np.asanyarray(nib.load(f"{name}.mnc").dataobj)


print("MINC tools 2.3.00+dfsg-10")
affine = np.diag([-2, 3, 4, 1])
affine[:3, 3] = 10, 20, 30
one = np.arange(1, 121, dtype=np.float32).reshape(6, 5, 4, order="F")
for what, image in (("three axes", one), ("four", np.stack([one, one + 1000, one + 2000], -1))):
    nib.save(nib.Nifti1Image(image, affine), f"{what}.nii")
    made = minc(f"{what}.nii", what)
    right = np.array_equal(np.moveaxis(made, -1 - np.arange(3), range(3)), image)
    print(f"{what}: in MINC {'right' if right else 'wrong'}")
    assert right
several = np.stack([one, one + 1000, one + 2000], -1)
nib.save(nib.Nifti1Image(several[:, :, :, None], affine), "five.nii")
made = minc("five.nii", "five").transpose(2, 1, 0, 3)
print("five: of the second voxel along x, the values are", several[1, 0, 0].tolist(), "and in MINC", made[1, 0, 0].tolist())
assert np.array_equal(made.transpose(2, 1, 0, 3).ravel(), several.ravel(order="F")), "the numbers lie in another order now"
same = int((made == several).sum())
print(f"  {same} of {several.size} numbers are where they were")
assert same == 2
run("mnc2nii", "-float", "five.mnc", "back.nii")
back = nib.load("back.nii")
values = np.asanyarray(back.dataobj)[:, :, :, 0]
print(f"  back in NIfTI: the numbers {'as they were' if np.array_equal(values, several) else 'otherwise'}, with x to the {nib.aff2axcodes(back.affine)[0]} "
      f"where it was to the {nib.aff2axcodes(affine)[0]}")  # fmt: skip
assert np.array_equal(values, several) and np.allclose(back.affine, affine @ [[-1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
vector = sitk.GetImageFromArray(np.ascontiguousarray(several.transpose(2, 1, 0, 3)), isVector=True)
sitk.WriteImage(vector, "vector.mnc")
assert np.array_equal(np.asanyarray(nib.load("vector.mnc").dataobj).transpose(2, 1, 0, 3), several)
run("mnc2nii", "-float", "vector.mnc", "vector.nii")
there = np.asanyarray(nib.load("vector.nii").dataobj)[:, :, :, 0]
print("a vector image of SimpleITK: of that voxel, in NIfTI", there[1, 0, 0].tolist())
assert np.array_equal(there.ravel(order="F"), several.transpose(2, 1, 0, 3).ravel()), "the numbers lie in another order now"
PY
venv/bin/python show.py
