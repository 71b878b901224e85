#!/usr/bin/env bash
# MRtrix3 3.0.3 (Debian 12) reads two things of DICOM that are not so, and says nothing. The first of PixelSpacing is the distance
# between rows; `mrconvert` takes it for that between columns, so that voxels that are not square are stretched along one axis and
# squeezed along the other. And it takes all pixels for unsigned: signed ones (PixelRepresentation 1: phase, real and imaginary
# images of several scanners) come out 65536 too high where they are below zero, times the slope. SimpleITK 2.5.7 and dcm2niix
# 1.0.20260724, on the same files, have every voxel where and as it was written.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "mrtrix3=3.0.3-3+b1" libfftw3-double3 libtiff6 libpng16-16 libgomp1 libdeflate0 libjbig0 \
    libjpeg62-turbo liblerc4 libwebp7 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "pydicom==3.0.2" "simpleitk==2.5.7" "dcm2niix==1.0.20260724"
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

ROWS, COLUMNS, SLICES = 10, 12, 4
environment = {**os.environ, "LD_LIBRARY_PATH": str(Path("root/usr/lib/x86_64-linux-gnu").resolve())}


def series(folder, spacing, signed, slope):
    """Slices 5 mm apart; what every voxel is, and where (millimetres to the right, front and head)."""
    Path(folder).mkdir()
    study, number, frame = generate_uid(), generate_uid(), generate_uid()
    values = np.arange(1, SLICES * ROWS * COLUMNS + 1).reshape(SLICES, ROWS, COLUMNS)
    if signed:
        values = values * (-1) ** np.arange(COLUMNS)
    for index, pixels in enumerate(values):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, number, frame
        image.PatientName, image.PatientID, image.StudyDate, image.StudyTime = "phantom", "1", "20260101", "101010"
        image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = ""
        image.StudyID, image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = "1", 1, 1, index + 1
        image.Modality, image.Manufacturer, image.ImageType = "MR", "phantom", ["ORIGINAL", "PRIMARY", "OTHER"]
        image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "GR", "NONE", "", "2D"
        image.RepetitionTime, image.EchoTime, image.EchoTrainLength, image.PatientPosition = 100, 5, 1, "HFS"
        image.SliceThickness, image.PixelSpacing = 5, spacing
        image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40 + 5 * index], [1, 0, 0, 0, 1, 0]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = ROWS, COLUMNS, 16, 16, 15
        image.PixelRepresentation, image.RescaleSlope, image.RescaleIntercept, image.RescaleType = int(signed), slope, 0, "US"
        image.PixelData = pixels.astype("<i2").tobytes()
        image.save_as(f"{folder}/{index}.dcm", enforce_file_format=True)
    slices, rows, columns = np.indices(values.shape)
    places = np.stack([20 - columns * spacing[1], 30 - rows * spacing[0], 40 + 5 * slices], -1)
    return values * slope, places


def compared(path, values, places):
    """The largest distance in millimetres of a voxel from where it was written, and the largest difference of values."""
    image = nib.load(path)
    read = np.asanyarray(image.dataobj).astype(float)
    # In each slice the voxels come in the order of their places, whatever the distances between them.
    at = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(read.shape), 0, -1))
    sort = np.lexsort(np.round(at.reshape(-1, 3), 3).T)
    true = np.lexsort(places.reshape(-1, 3).T)
    distance = np.linalg.norm(at.reshape(-1, 3)[sort] - places.reshape(-1, 3)[true], axis=1).max()
    return float(round(distance, 2)), float(np.abs(read.ravel()[sort] - values.ravel()[true]).max())


def mrtrix(folder):
    command = ["root/usr/bin/mrconvert", "-quiet", folder, f"{folder}-mrtrix.nii"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    print(f"  mrconvert said: {said.stderr.strip() or 'nothing'}")
    return f"{folder}-mrtrix.nii"


def niix(folder):
    Path(f"{folder}-niix").mkdir()
    subprocess.run(["venv/bin/dcm2niix", "-b", "n", "-f", "image", "-o", f"{folder}-niix", folder], check=True, capture_output=True)
    return f"{folder}-niix/image.nii"


def itk(folder):
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
    sitk.WriteImage(image, f"{folder}-itk.nii")
    return f"{folder}-itk.nii"


version = subprocess.run(["root/usr/bin/mrconvert", "-version"], capture_output=True, text=True, env=environment).stdout
print(version.splitlines()[0])
for name, spacing, signed, slope in (
    ("square", [2.0, 2.0], False, 1), ("oblong", [1.5, 2.0], False, 1), ("signed", [2.0, 2.0], True, 1), ("phase", [2.0, 2.0], True, 0.0005)
):
    truth = series(name, spacing, signed, slope)
    print(f"{name}: {spacing} mm, {'signed' if signed else 'unsigned'}, slope {slope}")
    found = {program.__name__: compared(program(name), *truth) for program in (mrtrix, niix, itk)}
    for program, (distance, difference) in found.items():
        print(f"  {program}: voxels up to {distance} mm away, values up to {difference:.6g} off")
    assert max(found["niix"] + found["itk"]) < 1e-3
    expected = (np.hypot(0.5 * (COLUMNS - 1), 0.5 * (ROWS - 1)) if name == "oblong" else 0, 65536 * slope if signed else 0)
    assert np.allclose(found["mrtrix"], expected, atol=0.01), "read otherwise now"
PY
venv/bin/python show.py
