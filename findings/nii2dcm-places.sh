#!/usr/bin/env bash
# nii2dcm 0.1.6 (NIfTI to DICOM) puts images elsewhere in the patient. NIfTI's axes point to the right and the front, DICOM's to the left
# and the back: both horizontal coordinates change sign. The positions it writes are those of NIfTI as they are, one slice too low
# besides, and the directions change sign in all three coordinates, which turns tilted slices. DICOM's own formula and SimpleITK
# 2.5.7 agree on where the voxels are then. Values are cut to whole numbers from 0 to 65535: an image between 0 and 1, as models give
# it, is all zero, and nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==1.26.4" "nibabel==5.0.0" "pydicom==2.3.0" "simpleitk==2.5.7"
venv/bin/pip install -q --no-compile --no-deps "nii2dcm==0.1.6"
cat > show.py <<'PY'
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from nii2dcm.run import run_nii2dcm

print("nii2dcm", version("nii2dcm"))
TO_DICOM = np.diag([-1, -1, 1])
marked = np.array([5, 3, 2])
values = np.arange(12 * 10 * 6, dtype=np.float32).reshape(12, 10, 6)


def affine(tilt):
    turned = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    whole = np.eye(4)
    whole[:3, :3] = turned @ np.diag([2.0, 2.0, 5.0])
    whole[:3, 3] = [-30.0, 20.0, -40.0]
    return whole


def written(name, data, place):
    nib.save(nib.Nifti1Image(data, place), f"{name}.nii.gz")
    Path(name).mkdir()
    run_nii2dcm(f"{name}.nii.gz", name, dicom_type="MR")
    return sorted(Path(name).glob("*.dcm"))


for name, tilt in (("straight", 0.0), ("tilted", np.deg2rad(30))):
    place = affine(tilt)
    files = written(name, values, place)
    wanted = TO_DICOM @ (place @ [*marked, 1])[:3]
    for file in files:
        slice_ = pydicom.dcmread(file)
        hits = np.argwhere(slice_.pixel_array == values[tuple(marked)])
        if len(hits):
            row, column = hits[0]
            along = np.array(slice_.ImageOrientationPatient, float).reshape(2, 3)
            spacing = np.array(slice_.PixelSpacing, float)
            found = np.array(slice_.ImagePositionPatient, float) + along[0] * spacing[1] * column + along[1] * spacing[0] * row
    read = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(name))
    index = np.argwhere(sitk.GetArrayFromImage(read) == values[tuple(marked)])[0][::-1]
    seen = np.array(read.TransformIndexToPhysicalPoint([int(i) for i in index]))
    print(
        f"{name}: the voxel is at {np.round(wanted, 1)} mm (left, back, up); in the DICOM files it is at {np.round(found, 1)}, read by "
        f"SimpleITK at {np.round(seen, 1)}: {np.linalg.norm(found - wanted):.1f} mm away"
    )
    assert np.allclose(found, seen, atol=0.1)
    assert np.linalg.norm(found - wanted) > 10, "other places now"
    first = np.array(pydicom.dcmread(files[0]).ImagePositionPatient, float)
    assert np.allclose(first, (place @ [0, 0, -1, 1])[:3], atol=0.01), "other positions now"

small = values / values.max()
pixels = np.stack([pydicom.dcmread(file).pixel_array for file in written("small", small, affine(0.0))])
print(f"values from 0 to 1: {np.count_nonzero(pixels)} of {pixels.size} pixels are not zero, slope", pydicom.dcmread("small/IM_0001.dcm").RescaleSlope)
assert np.count_nonzero(pixels) == 1, "values are kept now"
PY
venv/bin/python show.py
