#!/usr/bin/env bash
# GDCM 3.0.21 (Debian 12): `gdcmtar --unenhance` makes MR images, one for each frame, of an Enhanced MR file. What is the same for all frames lies in the file's shared
# functional groups, and of those it leaves out PixelSpacing, SliceThickness and ImageOrientationPatient (flip angle and TR of the same groups it has):
# dcm2niix 1.0.20260724 then takes pixels of 1 mm and an axial slice, so that a sagittal scan of 2 x 3 mm lies elsewhere, turned, and smaller by a third and half;
# it warns of it, gdcmtar says nothing. With the same groups in each frame instead the three are there, and flip angle and TR are not. Of
# EffectiveEchoTime no EchoTime is made of either. And all images have one and the same SOPInstanceUID and InstanceNumber, where the first is to tell images apart: in what
# stores images by it, as archives do, one is left. Values, slopes and positions are right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "libgdcm-tools=3.0.21-1" "libgdcm3.0=3.0.21-1" libopenjp2-7 libcharls2 libexpat1 libpoppler126 'libsocket++1' \
    zlib1g libuuid1 libxml2 libicu72 liblzma5 libjson-c5 libssl3 libfreetype6 libfontconfig1 libjpeg62-turbo libpng16-16 libtiff6 liblcms2-2 \
    libbrotli1 libwebp7 libzstd1 liblerc4 libjbig0 libdeflate0 libnss3 libnspr4 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "pydicom==3.0.2" "nibabel==5.4.2" "dcm2niix==1.0.20260724"
cat > show.py <<'PY'
import copy
import os
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

root = Path("root").resolve()
environment = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
ROWS, COLUMNS, SLICES = 10, 12, 6
AXES = [0, 1, 0, 0, 0, -1]  # sagittal


def item(**values):
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def enhanced(name, shared):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = EnhancedMRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = EnhancedMRImageStorage, meta.MediaStorageSOPInstanceUID
    file.StudyInstanceUID, file.SeriesInstanceUID, file.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
    file.PatientName, file.PatientID, file.StudyID, file.SeriesNumber, file.InstanceNumber = "phantom", "1", "1", 1, 1
    file.PatientBirthDate = file.PatientSex = file.AccessionNumber = file.ReferringPhysicianName = file.PositionReferenceIndicator = ""
    file.StudyDate = file.SeriesDate = file.ContentDate = "20260101"
    file.StudyTime = file.SeriesTime = file.ContentTime = "101010"
    file.Modality, file.Manufacturer, file.ManufacturerModelName = "MR", "phantom", "phantom"
    file.DeviceSerialNumber, file.SoftwareVersions, file.PatientPosition = "1", "1", "HFS"
    kind = {
        "PixelPresentation": "MONOCHROME", "VolumetricProperties": "VOLUME", "VolumeBasedCalculationTechnique": "NONE",
        "ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "T1",
    }  # fmt: skip
    for key, value in kind.items():
        setattr(file, key, value)
    file.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    file.AcquisitionDateTime, file.AcquisitionDuration, file.AcquisitionNumber = "20260101101010", 1.0, 1
    file.MRAcquisitionType, file.MagneticFieldStrength, file.ResonantNucleus, file.KSpaceFiltering = "2D", 3.0, "1H", "NONE"
    file.ContentQualification, file.BurnedInAnnotation, file.LossyImageCompression = "RESEARCH", "NO", "00"
    file.PresentationLUTShape = "IDENTITY"
    organisation = generate_uid()
    file.DimensionOrganizationSequence = [item(DimensionOrganizationUID=organisation)]
    file.DimensionIndexSequence = [
        item(DimensionOrganizationUID=organisation, DimensionIndexPointer=pointer, FunctionalGroupPointer=0x00209111)
        for pointer in (0x00209056, 0x00209057)
    ]
    groups = {
        "PixelMeasuresSequence": item(PixelSpacing=[2, 3], SliceThickness=5),
        "PlaneOrientationSequence": item(ImageOrientationPatient=AXES),
        "MRTimingAndRelatedParametersSequence": item(RepetitionTime=2000.0, FlipAngle=90.0, EchoTrainLength=1),
        "MREchoSequence": item(EffectiveEchoTime=30.0),
    }
    file.SharedFunctionalGroupsSequence = [item(**{key: [value] for key, value in groups.items()}) if shared else Dataset()]
    frames = []
    for number in range(SLICES):
        content = item(StackID="1", InStackPositionNumber=number + 1, FrameAcquisitionNumber=1, DimensionIndexValues=[1, number + 1],
                       FrameAcquisitionDateTime="20260101101010", FrameReferenceDateTime="20260101101010", FrameAcquisitionDuration=1.0)  # fmt: skip
        frames.append(
            item(
                FrameContentSequence=[content],
                PlanePositionSequence=[item(ImagePositionPatient=[40 + 5 * number, -30, 20])],
                PixelValueTransformationSequence=[item(RescaleIntercept=0, RescaleSlope=1 + 0.25 * number, RescaleType="US")],
                MRImageFrameTypeSequence=[item(FrameType=file.ImageType, **kind)],
                **({} if shared else {key: [copy.deepcopy(value)] for key, value in groups.items()}),
            )
        )
    file.PerFrameFunctionalGroupsSequence, file.NumberOfFrames = frames, SLICES
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 0
    file.Rows, file.Columns, file.BitsAllocated, file.BitsStored, file.HighBit = ROWS, COLUMNS, 16, 16, 15
    file.PixelData = pixels.astype("<u2").tobytes()
    file.save_as(name, enforce_file_format=True)


def nifti(name, source):
    """Values and affine in NIfTI's axes (left and front reversed)."""
    Path(name).mkdir()
    subprocess.run(["venv/bin/dcm2niix", "-b", "n", "-f", "x", "-o", name, source], check=True, capture_output=True)
    (path,) = Path(name).glob("*.nii")
    return nibabel.load(path)


def centre(image):
    """Where the first pixel of the scan is, the only bright one, and how many mm lie between it and the other corner of its slice."""
    data = image.get_fdata()
    at = [np.argwhere(data == value)[0] for value in (9000, 9001)]
    first, last = (nibabel.affines.apply_affine(image.affine, index) for index in at)
    return first, last


random = np.random.default_rng(0)
pixels = random.integers(100, 1000, (SLICES, ROWS, COLUMNS))
pixels[0, 0, 0], pixels[0, -1, -1] = 9000, 9001
print(subprocess.run([root / "usr/bin/gdcmtar", "--version"], capture_output=True, text=True, env=environment).stdout.split("\n")[0])
for shared in (True, False):
    folder = Path("shared" if shared else "frames")
    folder.mkdir()
    whole = Path(f"{folder}-whole")
    whole.mkdir()
    enhanced(whole / "in.dcm", shared)
    done = subprocess.run([root / "usr/bin/gdcmtar", "--unenhance", "-i", whole / "in.dcm", "-o", f"{folder}/", "-p", "%03d.dcm"], check=True,
                          capture_output=True, text=True, env=environment)  # fmt: skip
    assert not done.stdout + done.stderr, "it says something now"
    images = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    assert len(images) == SLICES and {image.SOPClassUID.name for image in images} == {"MR Image Storage"}
    for number, image in enumerate(images):
        assert (image.pixel_array == pixels[number]).all() and float(image.RescaleSlope) == 1 + 0.25 * number
        assert image.ImagePositionPatient == [40 + 5 * number, -30, 20]
    names = ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "EchoTime", "FlipAngle", "RepetitionTime")
    there = [key for key in names if images[0].get(key) is not None]
    unique = len({image.SOPInstanceUID for image in images}), len({image.InstanceNumber for image in images})
    print(f"groups {'shared' if shared else 'in each frame'}: of {', '.join(names)} there are {', '.join(there)};"
          f" {SLICES} images of {unique[0]} SOPInstanceUID and {unique[1]} InstanceNumber")  # fmt: skip
    assert unique == (1, 1), "they have their own now"
    assert ("PixelSpacing" in there, "ImageOrientationPatient" in there, "SliceThickness" in there) == (not shared,) * 3, "others are left out now"
    assert "EchoTime" not in there
    if shared:
        assert images[0].FlipAngle == 90 and images[0].RepetitionTime == 2000
    for name, source in (("as one file", whole), ("of gdcmtar", folder)):
        image = nifti(f"{folder}-{name.replace(' ', '-')}", source)
        first, last = centre(image)
        print(f"  dcm2niix {name}: pixels {np.round(image.header.get_zooms()[:3], 2).tolist()} mm, first pixel at {first.round(1).tolist()},"
              f" last of its slice at {last.round(1).tolist()}")  # fmt: skip
        right = np.allclose(first, [-40, 30, 20]) and np.allclose(last, [-40, 30 - 3 * (COLUMNS - 1), 20 - 2 * (ROWS - 1)])
        assert right != (shared and name == "of gdcmtar"), "placed otherwise now"
PY
venv/bin/python show.py
