#!/usr/bin/env bash
# antspyx 0.6.3: `ants.dicom_read` lays the slices of a folder behind each other in the order in which the file system lists the files,
# whatever their positions and numbers are: of files named by chance, as archives name them, the volume is shuffled. (Reported in 2020,
# issue 183.) Even in the right order the place is wrong: the third axis follows the normal of the slices where they run
# against it, which mirrors the volume, and without "spacing between slices", which is optional, they are 1 mm apart, whatever their
# positions and thickness. The place is that of whichever file is listed first. None of it is said; the axes in the plane are right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "antspyx==0.6.3" "numpy==2.2.6" "pydicom==3.0.2"
export OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1
cat > show.py <<'PY'
import os
import uuid
from importlib.metadata import version
from pathlib import Path

import ants
import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SLICES, DISTANCE, THICKNESS = 9, 7.0, 5.0


def series(folder, step):
    """Slices of the values 100, 200, ...; numbered in the order of their positions, 40 + step * slice along z."""
    Path(folder).mkdir()
    study, number, place = generate_uid(), generate_uid(), generate_uid()
    for index in range(SLICES):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, number, place
        image.PatientName, image.PatientID, image.Modality, image.Manufacturer = "phantom", "1", "MR", "phantom"
        image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber, image.PatientPosition = 1, 1, index + 1, "HFS"
        image.SliceThickness, image.PixelSpacing = THICKNESS, [2, 2]
        image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40 + step * index], [1, 0, 0, 0, 1, 0]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = 10, 12, 16, 16, 15
        image.PixelRepresentation = 0
        image.PixelData = np.full((10, 12), 100 * (index + 1), "<u2").tobytes()
        image.save_as(f"{folder}/{uuid.UUID(int=int(rng.integers(2**62)))}.dcm", enforce_file_format=True)


rng = np.random.default_rng(0)
print("antspyx", version("antspyx"))
for folder, step in (("along", DISTANCE), ("against", -DISTANCE)):
    series(folder, step)
    listed = [dcmread(f"{folder}/{name}") for name in os.listdir(folder)]
    read = ants.dicom_read(folder)
    values = read.numpy()[5, 5]
    print(f"slices at 40, {40 + step:.0f}, ... mm: values {values.astype(int).tolist()} along the third axis")
    assert np.array_equal(values, [100 * one.InstanceNumber for one in listed]), "slices are sorted now"
    assert not np.array_equal(values, np.sort(values)), "this file system lists the files in order: try again"
    third = read.direction[:, 2] * read.spacing[2]
    print(f"    third axis {third.round(3).tolist()} mm a slice, from z = {read.origin[2]:.0f} mm, where the first listed lies")
    assert np.allclose(third, (0, 0, 1)) and np.isclose(read.origin[2], listed[0].ImagePositionPatient[2]), "places are read now"
PY
venv/bin/python show.py
