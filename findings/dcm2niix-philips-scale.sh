#!/usr/bin/env bash
# dcm2niix 1.0.20260724: what its values of Philips images mean changes where the scale differs between slices. Philips stores pixel
# values PV and two scales: the displayed value is DV = PV * RS + RI, that of the signal FP = DV / (RS * SS). With one scale for all slices
# dcm2niix gives FP (`-p y`, its default), as it says. Where a single slice has other scales, the others, whose numbers and scales are
# the same as before, come out as DV from PAR/REC (181 times smaller in nibabel's sample), where `-p` then makes no difference, and as
# DV / SS, which is neither, from DICOM (RS times too large). It says that it saves 32-bit floats, nothing of the unit. nibabel
# 5.4.2 gives either unit of both PAR/REC files.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "pydicom==3.0.2" "dcm2niix==1.0.20260724"
cat > show.py <<'PY'
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

NAME = "phantom_EPI_asc_CLEAR_2_1"
SLICE, SLOPE, SCALE = 0, 12, 13
"""Columns of the table of images: number of the slice, rescale slope RS, scale slope SS."""
SLICES, RS, SS = 6, 1.25, 0.005
FACTOR = 1.25
sample = Path(nib.__file__).parent / "tests" / "data"


def par_rec(name, factor):
    """nibabel's sample; the scales of slice 5 changed, in all its three volumes."""
    shutil.copy(sample / f"{NAME}.REC", f"{name}.REC")
    lines = (sample / f"{NAME}.PAR").read_text().splitlines()
    for number, line in enumerate(lines):
        parts = line.split()
        if parts and parts[SLICE] == "5" and not line.startswith(("#", ".")):
            parts[SLOPE], parts[SCALE] = f"{float(parts[SLOPE]) * factor:.5f}", f"{float(parts[SCALE]) / factor:.6e}"
            lines[number] = " " + " ".join(parts)
    Path(f"{name}.PAR").write_text("\n".join(lines) + "\n")


def dicom(folder, factor):
    """Slices of one value, 100; the scales of the fifth changed."""
    Path(folder).mkdir()
    study, number, frame = generate_uid(), generate_uid(), generate_uid()
    for index in range(SLICES):
        change = factor if index == 4 else 1
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, number, frame
        image.PatientName, image.PatientID, image.StudyDate, image.StudyTime = "phantom", "1", "20260101", "101010"
        image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = ""
        image.StudyID, image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = "1", 1, 1, index + 1
        image.Modality, image.Manufacturer = "MR", "Philips Medical Systems"
        image.ImageType = ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"]
        image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "GR", "NONE", "", "2D"
        image.RepetitionTime, image.EchoTime, image.EchoTrainLength, image.PatientPosition = 100, 5, 1, "HFS"
        image.SliceThickness, image.PixelSpacing = 5, [2, 2]
        image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40 + 5 * index], [1, 0, 0, 0, 1, 0]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = 10, 12, 16, 16, 15
        image.PixelRepresentation, image.RescaleIntercept, image.RescaleSlope = 0, 0, RS * change
        scales = image.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        scales.add_new(0x0D, "FL", 0.0)
        scales.add_new(0x0E, "FL", SS / change)
        image.RescaleType = "normalized"
        image.PixelData = np.full((10, 12), 100, "<u2").tobytes()
        image.save_as(f"{folder}/{index}.dcm", enforce_file_format=True)


def niix(source, precise):
    """The mean of the first three slices."""
    folder = Path(f"{Path(source).stem}-{precise}")
    folder.mkdir()
    command = ["venv/bin/dcm2niix", "-b", "n", "-p", precise, "-f", "image", "-o", str(folder), source]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.nii")
    return float(np.asanyarray(nib.load(path).dataobj)[:, :, :3].mean())


def nibabel(source, scaling):
    return float(np.asanyarray(nib.load(source, scaling=scaling).dataobj)[:, :, :3].mean())


print("dcm2niix", version("dcm2niix"), "nibabel", version("nibabel"))
found = {}
for name, factor in (("one", 1.0), ("other", FACTOR)):
    par_rec(name, factor)
    dicom(f"{name}-dicom", factor)
    found[name] = {
        "PAR/REC, DV": nibabel(f"{name}.PAR", "dv"),
        "PAR/REC, FP": nibabel(f"{name}.PAR", "fp"),
        "PAR/REC, dcm2niix -p y": niix(f"{name}.PAR", "y"),
        "PAR/REC, dcm2niix -p n": niix(f"{name}.PAR", "n"),
        "DICOM, DV": 100 * RS,
        "DICOM, FP": 100 / SS,
        "DICOM, dcm2niix -p y": niix(f"{name}-dicom", "y"),
        "DICOM, dcm2niix -p n": niix(f"{name}-dicom", "n"),
    }
    print("mean of slices 1 to 3;", "all slices have the same scales:" if name == "one" else "slice 5 has other scales:")
    for what, value in found[name].items():
        print(f"  {what}: {value:.1f}")
for kind in ("PAR/REC", "DICOM"):
    dv, fp = (found["one"][f"{kind}, {unit}"] for unit in ("DV", "FP"))
    assert np.allclose((dv, fp), [found["other"][f"{kind}, {unit}"] for unit in ("DV", "FP")], rtol=1e-5)
    precise, displayed = ([found[name][f"{kind}, dcm2niix -p {option}"] for name in ("one", "other")] for option in "yn")
    assert np.allclose(precise, (fp, dv if kind == "PAR/REC" else dv / SS), rtol=1e-4), "another unit now"
    assert np.allclose(displayed, dv, rtol=1e-4)
PY
venv/bin/python show.py
