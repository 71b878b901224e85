#!/usr/bin/env bash
# Where three converters of Debian 12 put the voxels of a DICOM series. The first of PixelSpacing is the distance between rows; CMTK
# 3.3.1p2 (`dcm2image`), MINC tools 2.3.00 (`dcm2mnc`) and ODIN 2.0.5 (`miconv`) take it for that between columns, so that an image whose
# pixels are not square is stretched along one axis and squeezed along the other. (Of `dcm2mnc` it was reported in 2012.) And `miconv` moves
# the whole stack along its normal by half the difference of slice distance and thickness: 2.5 mm for slices of 5 mm every 10 mm, the
# other way where they overlap. None says anything of it; dcm2niix 1.0.20260724 has every voxel where it was written.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "cmtk=3.3.1p2+dfsg-2+b1" "minc-tools=2.3.00+dfsg-10" "mitools=2.0.5-3+b1" libaec0 \
    libatlas3-base libbrotli1 libbz2-1.0 libcom-err2 libcurl3-gnutls libcurl4 libdcmtk17 libdouble-conversion3 libffi8 libfftw3-double3 \
    libgfortran5 libgmp10 libgnutls30 libgomp1 libgsl27 libgslcblas0 libgssapi-krb5-2 libhdf5-103-1 libhdf5-hl-100 libhogweed6 libicu72 \
    libidn2-0 libismrmrd1.8 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 liblz4-1 liblzma5 libminc2-5.3.0 libnetcdf19 \
    libnettle8 libnghttp2-14 libniftiio2 libp11-kit0 libpng16-16 libpsl5 libpugixml1v5 libquadmath0 librtmp1 libsasl2-2 libsqlite3-0 \
    libssh2-1 libssl3 libsz2 libtasn1-6 libtbb12 libunistring2 libvtk9.1 libxml2 libznz3 libzstd1 zlib1g > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "pydicom==3.0.2" "dcm2niix==1.0.20260724"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

ROWS, COLUMNS, SLICES = 10, 12, 4
root = Path("root").resolve()
folders = [root / part for part in ("lib/x86_64-linux-gnu", "usr/lib/cmtk", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/odin",
                                    "usr/lib/x86_64-linux-gnu/atlas")]  # fmt: skip
environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders)), "DCMDICTPATH": str(root / "usr/share/libdcmtk17/dicom.dic")}


def series(folder, spacing, distance):
    """Slices of 5 mm, every voxel with a value of its own; where they are, in the order of the values (right, front, head)."""
    Path(folder).mkdir()
    study, number, frame = generate_uid(), generate_uid(), generate_uid()
    values = np.arange(1, SLICES * ROWS * COLUMNS + 1, dtype="<u2").reshape(SLICES, ROWS, COLUMNS)
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
        image.SliceThickness, image.SpacingBetweenSlices, image.PixelSpacing = 5, distance, spacing
        image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40 + distance * index], [1, 0, 0, 0, 1, 0]
        image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
        image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = ROWS, COLUMNS, 16, 16, 15
        image.PixelData = pixels.tobytes()
        image.save_as(f"{folder}/{index}.dcm", enforce_file_format=True)
    slices, rows, columns = np.indices(values.shape)
    return np.stack([20 - columns * spacing[1], 30 - rows * spacing[0], 40 + distance * slices], -1).reshape(-1, 3)


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True, env=environment)


def niix(source, out):
    subprocess.run(["venv/bin/dcm2niix", "-b", "n", "-f", "image", "-o", str(out), source], check=True, capture_output=True)


def cmtk(source, out):
    run(root / "usr/lib/cmtk/bin/dcm2image", "-O", out / "image_%n.nii", source)


def minc(source, out):
    run(root / "usr/bin/dcm2mnc", *sorted(Path(source).iterdir()), out)
    (made,) = out.rglob("*.mnc")
    run(root / "usr/bin/mnc2nii", made, out / "image.nii")


def odin(source, out):
    # Whole numbers are stretched over the range of their type, as it says in its help.
    run(root / "usr/bin/miconv", "-rf", "dcm", "-type", "float", source, out / "image.nii")


def moved(program, source, truth):
    """How far each voxel is from where it was written [mm]."""
    out = Path(f"{source}-{program.__name__}")
    out.mkdir()
    program(source, out)
    (path,) = [*out.rglob("*.nii"), *out.rglob("*.nii.gz")]
    image = nib.load(path)
    values = np.asanyarray(image.dataobj).astype(float)
    assert np.allclose(np.sort(values.ravel()), np.arange(1, values.size + 1), atol=0.01)
    places = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(values.shape), 0, -1)).reshape(-1, 3)
    return places[np.argsort(values.ravel())] - truth


print("CMTK 3.3.1p2, MINC tools 2.3.00, ODIN 2.0.5, dcm2niix 1.0.20260724")
rows, columns = np.indices((SLICES, ROWS, COLUMNS))[1:].reshape(2, -1)
swapped = np.stack([0.5 * columns, -0.5 * rows, 0 * rows], -1)
for source, spacing, distance in (("square", (2, 2), 5), ("oblong", (1.5, 2), 5), ("apart", (2, 2), 10), ("overlapping", (2, 2), 2.5)):
    truth = series(source, list(spacing), distance)
    print(f"{source}: rows {spacing[0]} mm and columns {spacing[1]} mm apart, slices of 5 mm every {distance} mm")
    for program in (niix, cmtk, minc, odin):
        found = moved(program, source, truth)
        expected = np.zeros_like(found)
        if source == "oblong" and program is not niix:
            expected = expected + swapped
        if program is odin:
            expected = expected + [0, 0, (distance - 5) / 2]
        mean = (found.mean(0).round(2) + 0).tolist()
        print(f"  {program.__name__}: up to {np.linalg.norm(found, axis=1).max():.2f} mm away, on average {mean}")
        assert np.allclose(found, expected, atol=1e-3), "read otherwise now"
PY
venv/bin/python show.py
