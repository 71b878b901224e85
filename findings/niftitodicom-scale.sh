#!/usr/bin/env bash
# vtk-dicom 0.8.14 (Debian 12): `niftitodicom` loses the unit of the values. It multiplies floating-point images by 1000, 100 or 10 where their largest
# value is below 2.05, 20.5 or 205, and by something below 1 where it is above 32 767, cuts what remains to whole numbers, and writes the
# factor nowhere: no rescale slope, no real-world value mapping. (Its help speaks of 1000 and of scaling down, not of 100 and 10. The authors
# know that the factor is not kept, since 2015.) Two images of the same scan, whose largest values are 20 and 21, come out with a tenfold difference, and
# a map of 0.00001 to 0.0009, as of rates in 1/ms or of a susceptibility, is zero. Of whole numbers the scale of the NIfTI file, slope
# and intercept, is left out (issue 239), and those of 32 bits that do not fit 16 wrap around. Places are right. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "vtk-dicom-tools=0.8.14-3.1" libvtkdicom0.8 libvtk9.1 libtbb12 libgdcm3.0 libcharls2 \
    libopenjp2-7 libssl3 libuuid1 libjson-c5 libexpat1 libdouble-conversion3 liblz4-1 liblzma5 libtiff6 libpng16-16 libdeflate0 libjbig0 \
    libjpeg62-turbo liblerc4 libwebp7 libzstd1 zlib1g > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "pydicom==3.0.2"
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom

root = Path("root").resolve()
environment = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
affine = np.diag([-2.0, 3, 4, 1])
affine[:3, 3] = 10, 20, 30
ramp = np.arange(1, 121).reshape(6, 5, 4)


def through(array, scale=None):
    """The values that the DICOM series has where the voxels of the NIfTI image are, and whether it has any scale of them."""
    image = nib.Nifti1Image(array, affine, dtype=array.dtype)
    image.set_qform(affine, 1)
    nib.save(image, "image.nii")
    if scale is not None:
        data = bytearray(Path("image.nii").read_bytes())
        data[112:120] = np.array(scale, "<f4").tobytes()
        Path("image.nii").write_bytes(data)
    out = Path("out")
    out.mkdir()
    command = [root / "usr/bin/niftitodicom", "-o", out, "image.nii"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert not done.stdout + done.stderr, done
    found = np.full(array.shape, np.nan)
    for path in [path for path in out.rglob("*") if path.is_file()]:
        slice_ = pydicom.dcmread(path)
        scales = [element.keyword for element in slice_.iterall() if "Rescale" in element.keyword or "RealWorld" in element.keyword]
        assert not scales, "the scale is written now"
        along, down = np.split(np.array(slice_.ImageOrientationPatient, float), 2)
        rows, columns = np.mgrid[: slice_.Rows, : slice_.Columns]
        places = np.array(slice_.ImagePositionPatient, float) + along * columns[..., None] * slice_.PixelSpacing[1]
        places = (places + down * rows[..., None] * slice_.PixelSpacing[0]) * [-1, -1, 1]
        index = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), places)).astype(int)
        found[tuple(np.moveaxis(index, -1, 0))] = slice_.pixel_array
        path.unlink()
    for folder in sorted(out.rglob("*"), reverse=True):
        folder.rmdir()
    out.rmdir()
    assert np.isfinite(found).all(), "voxels lie elsewhere now"
    return found


print(subprocess.run([root / "usr/bin/niftitodicom", "--version"], capture_output=True, text=True, env=environment).stdout.split("\n")[0])
print("floating point, from 1/120 of the largest value to it:")
factors = {1: 1000, 2: 1000, 2.1: 100, 20: 100, 21: 10, 200: 10, 210: 1, 30000: 1, 65534: 0.5, 327670: 0.1}
for largest, factor in factors.items():
    image = (ramp / 120 * largest).astype(np.float32)
    found = through(image)
    print(f"  largest {largest:>6}: in DICOM {found.max():.0f}, factor {found.sum() / image.sum():.4g}, {len(np.unique(found))} values")
    assert np.allclose(found, image * factor, rtol=1e-3, atol=1.01), "another factor now"
found = through((ramp * 7.5e-6).astype(np.float32))
print(f"  0.0000075 to 0.0009, {ramp.size} values: in DICOM {np.unique(found)}")
assert not found.any(), "small values are kept now"
found = through(ramp.astype(np.int16), (0.25, -3))
print(f"16 bits with slope 0.25 and intercept -3, {ramp.min() / 4 - 3} to {ramp.max() / 4 - 3}: in DICOM {found.min():.0f} to {found.max():.0f}")
assert (found == ramp).all(), "the slope counts now"
large = (ramp * 600).astype(np.int32)
found = through(large)
print(f"32 bits, {large.min()} to {large.max()}: in DICOM {found.min():.0f} to {found.max():.0f}, {(found != large).mean():.0%} otherwise")
assert (found == large.astype(np.int16)).all() and (found != large).mean() > 0.5, "32 bits do not wrap now"
assert (through(ramp.astype(np.int16)) == ramp).all()
print("16 bits without a scale: all as they were")
PY
venv/bin/python show.py
