#!/usr/bin/env bash
# DICOM pixels that are signed and fill 12 of their 16 bits: of the four bits above nothing is said (PS3.5 8.1.1), the sign is the
# highest of the twelve. With those bits zero, plastimatch 1.9.4, CMTK 3.3.1p2, MINC tools 2.3.00 and (X)MedCon 0.23.0 of Debian 12 and
# daikon 1.2.46 (npm) give values 4096 too high wherever they are negative, times the slope, and say nothing: a phase of -3 rad comes out as
# 3.28. With the sign repeated in those bits all but (X)MedCon are right. Of either kind pydicom, SimpleITK and dcm2niix are.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "plastimatch=1.9.4+dfsg.2-0+deb12u1" "cmtk=3.3.1p2+dfsg-2+b1" "minc-tools=2.3.00+dfsg-10" \
    "medcon=0.23.0-gtk3+dfsg-1+deb12u2" libaec0 libatlas3-base libbrotli1 libbz2-1.0 libcharls2 libcom-err2 libcurl3-gnutls libcurl4 \
    libdcmtk17 libdlib19.1 libexpat1 libffi8 libfftw3-double3 libgdcm3.0 libgfortran5 libglib2.0-0 libgmp10 libgnutls30 libgomp1 \
    libgssapi-krb5-2 libhdf5-103-1 libhdf5-cpp-103-1 libhdf5-hl-100 libhogweed6 libicu72 libidn2-0 libinsighttoolkit5.2 libjpeg62-turbo \
    libjson-c5 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 liblzma5 libmdc3 libminc2-5.3.0 libnetcdf19 libnettle8 \
    libnghttp2-14 libniftiio2 libopenjp2-7 libp11-kit0 libpcre2-8-0 libpng16-16 libpsl5 libquadmath0 librtmp1 libsasl2-2 libsqlite3-0 \
    libssh2-1 libssl3 libsz2 libtasn1-6 libunistring2 libuuid1 libxml2 libznz3 libzstd1 zlib1g > apt.log
for package in *.deb; do dpkg -x "$package" root; done
npm install --silent --no-audit --no-fund --ignore-scripts "daikon@1.2.46"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2" "pydicom==3.0.2" "simpleitk==2.5.7" "dcm2niix==1.0.20260724"
export OMP_NUM_THREADS=1
cat > read.cjs <<'JS'
// Values of a series, in its order of slices.
const daikon = require('daikon')
const fs = require('fs')
const series = new daikon.Series()
for (const name of fs.readdirSync(process.argv[2]).sort()) {
  const file = fs.readFileSync(`${process.argv[2]}/${name}`)
  series.addImage(daikon.Series.parseImage(new DataView(file.buffer.slice(file.byteOffset, file.byteOffset + file.length))))
}
series.buildSeries()
console.log(JSON.stringify(series.images.flatMap((image) => Array.from(image.getInterpretedData()))))
JS
cat > show.py <<'PY'
import json
import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SHAPE = (4, 10, 12)
SLOPE = np.pi / 2048
root = Path("root").resolve()
folders = [root / part for part in ("lib/x86_64-linux-gnu", "usr/lib", "usr/lib/cmtk", "usr/lib/x86_64-linux-gnu",
                                    "usr/lib/x86_64-linux-gnu/atlas")]  # fmt: skip
environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders)), "DCMDICTPATH": str(root / "usr/share/libdcmtk17/dicom.dic")}


def series(folder, stored, unused):
    """Write phases; the four bits above the twelve that hold the value are zero, or its sign again."""
    Path(folder).mkdir()
    study, number, frame = generate_uid(), generate_uid(), generate_uid()
    for index, pixels in enumerate(stored):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, number, frame
        image.PatientName, image.PatientID, image.StudyDate, image.StudyTime = "phantom", "1", "20260101", "101010"
        image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = ""
        image.StudyID, image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = "1", 1, 1, index + 1
        image.Modality, image.Manufacturer, image.ImageType = "MR", "phantom", ["ORIGINAL", "PRIMARY", "P"]
        image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "GR", "NONE", "", "2D"
        image.RepetitionTime, image.EchoTime, image.EchoTrainLength, image.PatientPosition = 100, 5, 1, "HFS"
        image.SliceThickness, image.SpacingBetweenSlices, image.PixelSpacing = 5, 5, [2, 2]
        image.ImagePositionPatient, image.ImageOrientationPatient = [-20, -30, 40 + 5 * index], [1, 0, 0, 0, 1, 0]
        image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 1
        image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = *pixels.shape, 16, 12, 11
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = f"{SLOPE:.12g}", 0, "US"
        image.PixelData = (pixels & 0xFFF if unused == "zero" else pixels & 0xFFFF).astype("<u2").tobytes()
        image.save_as(f"{folder}/{index}.dcm", enforce_file_format=True)


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, env=environment).stdout


def of_nifti(out):
    (path,) = [*out.rglob("*.nii"), *out.rglob("*.nii.gz")]
    return np.asanyarray(nib.load(path).dataobj).astype(float)


def plastimatch(source, out):
    run(root / "usr/bin/plastimatch", "convert", "--input", source, "--output-img", out / "image.nii")
    return of_nifti(out)


def cmtk(source, out):
    run(root / "usr/lib/cmtk/bin/dcm2image", "-O", out / "image_%n.nii", source)
    return of_nifti(out)


def minc(source, out):
    run(root / "usr/bin/dcm2mnc", *sorted(Path(source).iterdir()), out)
    (made,) = out.rglob("*.mnc")
    run(root / "usr/bin/mnc2nii", made, out / "image.nii")
    return of_nifti(out)


def medcon(source, out):
    # `-n` keeps negative values, `-qs` takes the slope.
    run(root / "usr/bin/medcon", "-f", *sorted(Path(source).iterdir()), "-c", "nifti", "-stack3d", "-n", "-qs", "-noprefix", "-o", out / "image")
    return of_nifti(out)


def daikon(source, out):
    return np.array(json.loads(subprocess.run(["node", "read.cjs", source], check=True, capture_output=True, text=True).stdout))


def niix(source, out):
    subprocess.run(["venv/bin/dcm2niix", "-b", "n", "-f", "image", "-o", str(out), source], check=True, capture_output=True)
    return of_nifti(out)


def simpleitk(source, out):
    return sitk.GetArrayFromImage(sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(source)))


def by_pydicom(source, out):
    return np.stack([pydicom.dcmread(path).pixel_array * SLOPE for path in sorted(Path(source).iterdir())])


print("plastimatch 1.9.4, CMTK 3.3.1p2, MINC tools 2.3.00, (X)MedCon 0.23.0, daikon 1.2.46")
# From -3 to 3 rad; each value once.
stored = np.round(np.linspace(-3, 3, np.prod(SHAPE)) / SLOPE).astype(int).reshape(SHAPE)
true = np.sort(stored.ravel()) * SLOPE
high = np.sort(np.where(stored < 0, stored + 4096, stored).ravel()) * SLOPE
for unused in ("the sign", "zero"):
    series(unused, stored, unused)
    print(f"phases from {true[0]:.2f} to {true[-1]:.2f} rad, the unused bits are {unused}:")
    for program in (plastimatch, cmtk, minc, medcon, daikon, niix, simpleitk, by_pydicom):
        out = Path(f"{unused} {program.__name__}")
        out.mkdir()
        found = np.sort(program(unused, out).ravel())
        shutil.rmtree(out)
        right = np.allclose(found, true, atol=2e-3)
        print(f"  {program.__name__}: from {found[0]:.2f} to {found[-1]:.2f} rad, {'right' if right else 'wrong'}")
        wrong = program is medcon or (unused == "zero" and program in (plastimatch, cmtk, minc, daikon))
        assert np.allclose(found, high if wrong else true, atol=2e-3), "read otherwise now"
PY
venv/bin/python show.py
