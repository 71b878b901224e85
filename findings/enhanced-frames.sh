#!/usr/bin/env bash
# What an Enhanced MR file (DICOM, one file of all frames) means changes with the name of its manufacturer in dcm2niix 1.0.20260724.
# Three repetitions of six slices, whose places and dimension indices are all given: under "SIEMENS" and "GE MEDICAL SYSTEMS" a volume holds
# two slices of all three repetitions, under "Philips Medical Systems", "Bruker" or a name it does not know the file is right, in
# either order of the dimensions. Where frames have slopes of their own, the two names get the last one's for all (the author takes
# such slopes for Philips's alone: issue 853). SimpleITK 2.5.7 takes the first frame's for all, whatever the name. Neither says
# anything of it. highdicom 0.28.2 has the values as they were written.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "pydicom==3.0.2" "simpleitk==2.5.7" "dcm2niix==1.0.20260724" \
    "highdicom==0.28.2"
cat > show.py <<'PY'
import subprocess
from importlib.metadata import version
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

ROWS, COLUMNS, SLICES = 10, 12, 6
STACK, POSITION, TIME = 0x00209056, 0x00209057, 0x00209128
FRAME_CONTENT = 0x00209111


def item(**values):
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def enhanced(folder, manufacturer, repetitions, slope, time_first):
    """Frames of one value each, in millimetres from foot to head; returns what [repetition, slice] is worth."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = EnhancedMRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = EnhancedMRImageStorage, meta.MediaStorageSOPInstanceUID
    file.StudyInstanceUID, file.SeriesInstanceUID, file.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
    file.PatientName, file.PatientID, file.StudyID, file.SeriesNumber, file.InstanceNumber = "phantom", "1", "1", 1, 1
    file.PatientBirthDate = file.PatientSex = file.AccessionNumber = file.ReferringPhysicianName = ""
    file.StudyDate = file.SeriesDate = file.ContentDate = "20260101"
    file.StudyTime = file.SeriesTime = file.ContentTime = "101010"
    file.Modality, file.Manufacturer, file.ManufacturerModelName = "MR", manufacturer, "phantom"
    file.DeviceSerialNumber, file.SoftwareVersions, file.PatientPosition = "1", "1", "HFS"
    kind = {
        "PixelPresentation": "MONOCHROME", "VolumetricProperties": "VOLUME", "VolumeBasedCalculationTechnique": "NONE",
        "ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "T1",
    }  # fmt: skip
    for name, value in kind.items():
        setattr(file, name, value)
    file.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    file.AcquisitionDateTime, file.AcquisitionDuration, file.AcquisitionNumber = "20260101101010", 1.0, 1
    file.MRAcquisitionType, file.MagneticFieldStrength, file.ResonantNucleus, file.KSpaceFiltering = "2D", 3.0, "1H", "NONE"
    file.ContentQualification, file.BurnedInAnnotation, file.LossyImageCompression = "RESEARCH", "NO", "00"
    file.PresentationLUTShape = "IDENTITY"
    organisation = generate_uid()
    file.DimensionOrganizationSequence = [item(DimensionOrganizationUID=organisation)]
    inner = [POSITION] if repetitions == 1 else [TIME, POSITION] if time_first else [POSITION, TIME]
    file.DimensionIndexSequence = [
        item(DimensionOrganizationUID=organisation, DimensionIndexPointer=pointer, FunctionalGroupPointer=FRAME_CONTENT)
        for pointer in (STACK, *inner)
    ]
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[2, 2], SliceThickness=5, SpacingBetweenSlices=5)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        MRTimingAndRelatedParametersSequence=[item(RepetitionTime=2000.0, FlipAngle=90.0, EchoTrainLength=1)],
        MREchoSequence=[item(EffectiveEchoTime=30.0)],
    )
    file.SharedFunctionalGroupsSequence = [shared]
    frames, pixels, worth = [], [], np.zeros((repetitions, SLICES))
    for repetition in range(repetitions):
        for number in range(SLICES):
            index = {POSITION: number + 1, TIME: repetition + 1}
            at = f"202601011010{10 + 2 * repetition}"
            content = item(
                StackID="1", InStackPositionNumber=number + 1, TemporalPositionIndex=repetition + 1, FrameAcquisitionNumber=repetition + 1,
                DimensionIndexValues=[1, *(index[pointer] for pointer in inner)],
                FrameAcquisitionDateTime=at, FrameReferenceDateTime=at, FrameAcquisitionDuration=1.0,
            )  # fmt: skip
            scale = 1.0 + 0.25 * number if slope else 1.0
            frames.append(
                item(
                    FrameContentSequence=[content],
                    PlanePositionSequence=[item(ImagePositionPatient=[-20, -30, 40 + 5 * number])],
                    PixelValueTransformationSequence=[item(RescaleIntercept=0, RescaleSlope=scale, RescaleType="US")],
                    MRImageFrameTypeSequence=[item(FrameType=file.ImageType, **kind)],
                )
            )
            pixels.append(np.full((ROWS, COLUMNS), 100 * (repetition + 1) + 10 * (number + 1), "<u2"))
            worth[repetition, number] = pixels[-1][0, 0] * scale
    file.PerFrameFunctionalGroupsSequence, file.NumberOfFrames = frames, len(frames)
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 0
    file.Rows, file.Columns, file.BitsAllocated, file.BitsStored, file.HighBit = ROWS, COLUMNS, 16, 16, 15
    file.PixelData = np.stack(pixels).tobytes()
    Path(folder).mkdir()
    file.save_as(f"{folder}/frames.dcm", enforce_file_format=True)
    return worth


def niix(folder):
    """Values of each volume's slices, foot to head."""
    command = ["venv/bin/dcm2niix", "-b", "n", "-f", "image", "-o", folder, folder]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = Path(folder).glob("*.nii")
    image = np.asanyarray(nib.load(made).dataobj).astype(float)
    return image.reshape(*image.shape[:3], -1)[0, 0].T


print("dcm2niix", version("dcm2niix"), "SimpleITK", version("simpleitk"), "highdicom", version("highdicom"))
print("repetitions: 100 times the repetition plus 10 times the slice")
number = 0
for time_first in (True, False):
    for manufacturer in ("SIEMENS", "GE MEDICAL SYSTEMS", "Philips Medical Systems", "Bruker", "phantom"):
        number += 1
        wanted = enhanced(str(number), manufacturer, 3, False, time_first)
        found = niix(str(number))
        right = np.array_equal(found, wanted)
        order = "time, position" if time_first else "position, time"
        print(f"  {manufacturer} ({order}): {'right' if right else 'volume 1 is ' + str(found[0].astype(int).tolist())}")
        expected = wanted if manufacturer[0] in "PBp" else wanted.T.reshape(3, SLICES)
        assert np.array_equal(found, expected), "another order now"
print("slopes of their own:")
for manufacturer in ("SIEMENS", "GE MEDICAL SYSTEMS", "Philips Medical Systems", "Bruker", "phantom"):
    number += 1
    wanted = enhanced(str(number), manufacturer, 1, True, True)[0]
    stored = wanted / (1 + 0.25 * np.arange(SLICES))
    found = niix(str(number))[0]
    itk = sitk.GetArrayFromImage(sitk.ReadImage(f"{number}/frames.dcm")).astype(float)[:, 0, 0]
    other = highdicom.imread(f"{number}/frames.dcm").get_volume()
    print(f"  {manufacturer}: dcm2niix {found.tolist()}, SimpleITK {itk.tolist()}, written {wanted.tolist()}")
    last = manufacturer[0] in "SG"
    assert np.allclose(np.sort(other.array[:, 0, 0]), wanted) and np.allclose(itk, stored)
    assert np.allclose(found, stored * (1 + 0.25 * (SLICES - 1)) if last else wanted), "other slopes now"
PY
venv/bin/python show.py
