#!/usr/bin/env bash
# DCMTK 3.6.7 (Debian 12), `dcmscale`: places of scaled and clipped images. A clipped region (+C left top width height) of pixels that keep their size
# comes out with the PixelSpacing multiplied by the size of the whole over that of the region, as if the whole had been scaled down to it: half the
# rows and columns have pixels twice as large in each direction. ImagePositionPatient, the place of the first pixel, stays that of the whole:
# the first pixel of the region, 8 and 16 mm aside here, is said to lie there. Of a region that is not of the shape of the whole the spacing differs between
# rows and columns. Images that are only scaled (+Sxf, +Sxv) keep the place of the first pixel's middle, which moves by (1/f - 1)/2 of
# a pixel: made a quarter of the size it is 1.5 of the old pixels beside. Their spacing is right. Nothing is said, nor in the manual.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "dcmtk=3.6.7-9~deb12u4" "libdcmtk17=3.6.7-9~deb12u4" libtiff6 libpng16-16 libxml2 libwebp7 libzstd1 \
    liblzma5 liblerc4 libjbig0 libjpeg62-turbo libdeflate0 libicu72 zlib1g > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "pydicom==3.0.2"
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

root = Path("root").resolve()
environment = {
    **os.environ,
    "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu"),
    "DCMDICTPATH": str(root / "usr/share/libdcmtk17/dicom.dic"),
}


def write(name, pixels, spacing):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
    image.PatientName, image.PatientID, image.StudyDate, image.StudyTime = "phantom", "1", "20260101", "101010"
    image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = image.PositionReferenceIndicator = ""
    image.StudyID, image.SeriesNumber, image.InstanceNumber = "1", 1, 1
    image.Modality, image.Manufacturer, image.ImageType = "MR", "phantom", ["ORIGINAL", "PRIMARY", "OTHER"]
    image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "GR", "NONE", "", "2D"
    image.RepetitionTime, image.EchoTime, image.EchoTrainLength, image.PatientPosition = 100, 5, 1, "HFS"
    image.SliceThickness, image.PixelSpacing = 5, list(spacing)
    image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40], [1, 0, 0, 0, 1, 0]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelData = pixels.astype("<u2").tobytes()
    image.save_as(name, enforce_file_format=True)


def dcmscale(*options):
    done = subprocess.run([root / "usr/bin/dcmscale", *map(str, options), "in.dcm", "out.dcm"], check=True, capture_output=True,
                          text=True, env=environment)  # fmt: skip
    assert not done.stdout + done.stderr, done
    return pydicom.dcmread("out.dcm")


def places(image):
    """Where its pixels are [mm], (rows, columns, 2)."""
    rows, columns = np.mgrid[: image.Rows, : image.Columns]
    x, y = map(float, image.ImagePositionPatient[:2])
    return np.stack([x + columns * float(image.PixelSpacing[1]), y + rows * float(image.PixelSpacing[0])], -1)


print(subprocess.run([root / "usr/bin/dcmscale", "--version"], capture_output=True, text=True, env=environment).stdout.split("\n")[0])
rows, columns = 48, 64
pixels = np.arange(rows * columns).reshape(rows, columns)
write("in.dcm", pixels, (2, 2))
truth = places(pydicom.dcmread("in.dcm"))
for left, top, width, height in ((4, 8, 32, 24), (4, 8, 32, 40), (0, 0, 16, 48)):
    image = dcmscale("+C", left, top, width, height)
    region = slice(top, top + height), slice(left, left + width)
    assert (image.pixel_array == pixels[region]).all()
    beside = np.linalg.norm(places(image) - truth[region], axis=-1)
    spacing = [float(part) for part in image.PixelSpacing]
    print(f"pixels of 2 mm, {width} x {height} of {columns} x {rows} from {left}, {top}: rows {spacing[0]:g} mm and columns {spacing[1]:g} mm apart,"
          f" first pixel at {[float(part) for part in image.ImagePositionPatient]}; {beside[0, 0]:.1f} to {beside.max():.1f} mm beside")  # fmt: skip
    assert np.allclose(spacing, [2 * rows / height, 2 * columns / width]), "another spacing now"
    assert image.ImagePositionPatient == [-20, -30, 40], "the place moves now"
# A smooth blob shows where the scaled pixels are, whatever is read off the pixel data to make them.
x, y = np.moveaxis(truth, -1, 0)
centre = np.array([38.0, 22.0])
write("in.dcm", np.round(30000 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 12**2))), (2, 2))
for factor in (1, 2, 0.5, 0.25):
    image = dcmscale("+Sxf", factor)
    weights = image.pixel_array[..., None] / image.pixel_array.sum()
    found = (places(image) * weights).sum((0, 1)) - centre
    print(f"scaled by {factor}: {image.Columns} x {image.Rows}, {float(image.PixelSpacing[0]):g} mm, blob {found.round(2).tolist()} mm beside")
    assert image.PixelSpacing == [2 / factor] * 2 and image.ImagePositionPatient == [-20, -30, 40]
    assert np.allclose(found, -(1 / factor - 1) / 2 * 2, atol=0.1), "placed otherwise now"
PY
venv/bin/python show.py
