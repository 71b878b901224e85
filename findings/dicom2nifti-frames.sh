#!/usr/bin/env bash
# dicom2nifti 2.6.2 and series in time of a vendor for which it has no code of its own (it has for Siemens, GE, Philips and Hitachi). Whether
# it converts one depends on the order of the files: where the first and the last are images of the same slice it refuses the series
# with the word GANTRY_TILT (it divides the distance of the two, zero, by itself). `dicom_series_to_nifti` takes the order of the
# file system. A single slice, a cine, it refuses in any order. Images whose stored pixels are those of an earlier frame count as duplicates
# and are left out, other slopes or not: where a slice is zero in all frames, beyond a masked head, files are said to be missing, and a
# frame that differs by its slope alone goes missing. What it converts has places and values right, and the repetition time for the step.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "dicom2nifti==2.6.2" "numpy==2.2.6" "pydicom==3.0.2" "nibabel==5.4.2" "scipy==1.15.3"
cat > show.py <<'PY'
import io
import logging
import warnings
from copy import deepcopy
from importlib.metadata import version

import dicom2nifti
import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
SLICES, FRAMES = 5, 3


def series(slices, frames, empty=None, slopes=None):
    """Frame after frame, each slice of its own value; slices that are zero in all frames; slopes of frames of equal pixels."""
    study, number, place = generate_uid(), generate_uid(), generate_uid()
    made = []
    for frame in range(frames):
        for index in range(slices):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
            image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
            image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, number, place
            image.PatientName, image.PatientID, image.Modality, image.Manufacturer = "phantom", "1", "MR", "phantom"
            image.ImageType, image.RepetitionTime, image.EchoTime = ["ORIGINAL", "PRIMARY", "M"], 100, 5
            image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = 1, frame + 1, len(made) + 1
            image.TemporalPositionIdentifier, image.NumberOfTemporalPositions = frame + 1, frames
            image.SliceThickness, image.PixelSpacing, image.PatientPosition = 5, [2, 2], "HFS"
            image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40 + 5 * index], [1, 0, 0, 0, 1, 0]
            image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
            image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = 10, 12, 16, 16, 15
            image.PixelRepresentation, image.RescaleIntercept = 0, 0
            image.RescaleSlope = slopes[frame] if slopes else 1
            value = 0 if index == empty else 100 * (index + 1) + (0 if slopes else frame)
            image.PixelData = np.full((10, 12), value, "<u2").tobytes()
            stored = io.BytesIO()
            image.save_as(stored, enforce_file_format=True)
            stored.seek(0)
            made.append(dcmread(stored))
    return made


def converted(images):
    """The shape and steps, or the error."""
    try:
        made = dicom2nifti.convert_dicom.dicom_array_to_nifti(deepcopy(images), None, reorient_nifti=False)["NII"]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"{made.shape}, step of time {made.header.get_zooms()[3]:.1f} s" if made.ndim == 4 else f"{made.shape}"


print("dicom2nifti", version("dicom2nifti"))
images = series(SLICES, FRAMES)
other = [*images[:SLICES], *images[SLICES + 1 :], images[SLICES]]
cases = {
    "five slices, three frames, in order": (images, "(12, 10, 5, 3)"),
    "the same, an image of the first slice at the end": (other, "ConversionValidationError"),
    "one slice, twelve frames": (series(1, 12), "ConversionValidationError"),
    "five slices, three frames, the last slice zero": (series(SLICES, FRAMES, empty=SLICES - 1), "ConversionError: MISSING_DICOM_FILES"),
    "three frames of the same pixels, slopes 1, 2 and 3": (series(SLICES, FRAMES, slopes=(1, 2, 3)), "(12, 10, 5)"),
}
for what, (given, wanted) in cases.items():
    found = converted(given)
    print(f"{what}: {found}")
    assert found.startswith(wanted), "such series are read otherwise now"
PY
venv/bin/python show.py
