"""NIfTI and DICOM: an asymmetric object comes back where it was, with its values."""

import dataclasses
import json
import shutil
import subprocess

import nibabel
import numpy as np
import pydicom
import pytest

from rsd_mri.reconstruction.result import Reconstruction
from rsd_mri.report.dicom import write_dicom
from rsd_mri.report.nifti import write_nifti
from rsd_mri.report.planes import edge_letters
from rsd_mri.scan.scan import Geometry

POINT = (2, 9, 3)
"""(slice, readout, phase encode) of the one bright pixel."""


@pytest.fixture
def oblique() -> Geometry:
    """Readout along the patient's long axis, tilted; all three voxel sizes differ."""
    tilt = np.deg2rad(20)
    read = (0.0, float(-np.sin(tilt)), float(-np.cos(tilt)))
    phase = (-1.0, 0.0, 0.0)
    across = np.cross(phase, read)
    centres = tuple(tuple(float(v) for v in np.array([5.0, -7.0, 11.0]) + 6.0 * i * across) for i in range(3))
    return Geometry((1.5, 0.8, 5.0), 1.0, read, phase, tuple(across), centres)


@pytest.fixture
def rec(a_reconstruction, oblique) -> Reconstruction:
    magnitude = 1e-5 * np.random.default_rng(0).random((3, 14, 8)).astype(np.float32)
    magnitude[POINT] = 3e-5
    return dataclasses.replace(a_reconstruction(3, 14, 8), magnitude=magnitude, geometry=oblique)


def where_it_is(geometry: Geometry) -> np.ndarray:
    """Position of the bright pixel in LPS, from the definition of the geometry alone."""
    s, r, p = POINT
    return (
        np.array(geometry.positions[s])
        + (r - 14 // 2) * geometry.voxel_size[0] * np.array(geometry.read_direction)
        + (p - 8 // 2) * geometry.voxel_size[1] * np.array(geometry.phase_direction)
    )


def test_nifti_puts_the_point_where_it_was(tmp_path, rec, oblique):
    paths = write_nifti(tmp_path, rec)
    assert [p.name for p in paths] == ["scan_magnitude.nii.gz", "scan_phase.nii.gz", "scan_std.nii.gz"]
    image = nibabel.load(paths[0])
    index = np.unravel_index(np.argmax(image.get_fdata()), image.shape)
    lps = nibabel.affines.apply_affine(image.affine, index) * [-1, -1, 1]
    np.testing.assert_allclose(lps, where_it_is(oblique), atol=1e-4)
    assert image.header.get_zooms() == pytest.approx((0.8, 1.5, 6.0))
    assert image.header["sform_code"] == 1 and image.header["qform_code"] == 1
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), rec.magnitude.transpose(2, 1, 0))
    phase = nibabel.load(paths[1]).get_fdata()
    np.testing.assert_allclose(phase, np.angle(rec.image).transpose(2, 1, 0), atol=1e-6)
    assert b"not for diagnostic use" in bytes(image.header["descrip"])


def test_dicom_puts_the_point_where_it_was(tmp_path, rec, oblique):
    paths = write_dicom(tmp_path, rec)
    assert len(paths) == 3 * (1 + 1 + 1 + 4)
    files = [pydicom.dcmread(p) for p in paths if p.parent.name == "magnitude"]
    values = np.stack([f.pixel_array * float(f.RescaleSlope) + float(f.RescaleIntercept) for f in files])
    np.testing.assert_allclose(values, rec.magnitude, atol=0.51 * float(files[0].RescaleSlope))
    s, r, p = np.unravel_index(np.argmax(values), values.shape)
    file = files[s]
    along_row, down = np.array(file.ImageOrientationPatient[:3]), np.array(file.ImageOrientationPatient[3:])
    between_rows, between_columns = file.PixelSpacing
    lps = np.array(file.ImagePositionPatient) + p * between_columns * along_row + r * between_rows * down
    np.testing.assert_allclose(lps, where_it_is(oblique), atol=1e-3)
    assert file.SpacingBetweenSlices == pytest.approx(6.0) and file.SliceThickness == 5.0


def test_dicom_phase_comes_back(tmp_path, rec):
    files = [pydicom.dcmread(p) for p in write_dicom(tmp_path, rec) if p.parent.name == "phase"]
    values = np.stack([f.pixel_array * float(f.RescaleSlope) + float(f.RescaleIntercept) for f in files])
    np.testing.assert_allclose(values, np.angle(rec.image), atol=0.51 * 2 * np.pi / 4095)


def test_nifti_and_dicom_agree_where_every_voxel_is(tmp_path, rec):
    """An oblique stack: the NIfTI affine and the DICOM planes give the same place to all corners of all slices."""
    affine = nibabel.load(write_nifti(tmp_path, rec)[0]).affine
    for index, path in enumerate(p for p in write_dicom(tmp_path, rec) if p.parent.name == "magnitude"):
        file = pydicom.dcmread(path)
        along_row, down = np.array(file.ImageOrientationPatient[:3]), np.array(file.ImageOrientationPatient[3:])
        for row, column in ((0, 0), (0, 7), (13, 0), (13, 7)):
            lps = np.array(file.ImagePositionPatient) + column * file.PixelSpacing[1] * along_row
            lps = lps + row * file.PixelSpacing[0] * down
            ras = nibabel.affines.apply_affine(affine, (column, row, index))
            np.testing.assert_allclose(ras * [-1, -1, 1], lps, atol=1e-3)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="no dicom3tools")
@pytest.mark.parametrize("known", [True, False])
def test_dicom3tools_find_no_error(tmp_path, rec, known):
    one = rec if known else dataclasses.replace(rec, geometry=Geometry(voxel_size=(1.5, 0.8, 5.0)))
    paths = write_dicom(tmp_path, one)
    for path in paths[::3]:
        said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60)
        assert ("MRImage" if known else "SCImage") in said.stderr
        assert "Error" not in said.stderr
    if known:
        # The stack belongs together: one study, one frame of reference, series that differ.
        said = subprocess.run(["dcentvfy", *map(str, paths)], capture_output=True, text=True, timeout=60)
        assert "Error" not in said.stderr + said.stdout


@pytest.mark.skipif(shutil.which("dcm2json") is None, reason="no dcmtk")
def test_dcmtk_reads_the_same_values(tmp_path, rec):
    path = write_dicom(tmp_path, rec)[0]
    said = subprocess.run(["dcm2json", "+m", str(path)], capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(said.stdout)
    assert found["0008103E"]["Value"][0].startswith("RSD-MRI RESEARCH")
    assert found["00189004"]["Value"] == ["RESEARCH"]
    assert float(found["00281053"]["Value"][0]) == pytest.approx(float(pydicom.dcmread(path).RescaleSlope))


def test_dicom_says_research_and_nothing_of_a_patient(tmp_path, rec):
    paths = write_dicom(tmp_path, rec)
    files = [pydicom.dcmread(p) for p in paths]
    assert len({f.SOPInstanceUID for f in files}) == len(files)
    assert len({f.SeriesInstanceUID for f in files}) == 7 and len({f.StudyInstanceUID for f in files}) == 1
    for file in files:
        assert file.SOPClassUID == pydicom.uid.MRImageStorage
        assert file.ImageType[0] == "DERIVED" and file.ContentQualification == "RESEARCH"
        assert file.SeriesDescription.startswith("RSD-MRI RESEARCH")
        assert "Not for diagnostic use" in file.ImageComments
        assert not file.PatientName and not file.PatientID and file.PatientIdentityRemoved == "YES"
    again = [pydicom.dcmread(p).SOPInstanceUID for p in write_dicom(tmp_path / "again", rec)]
    assert not {f.SOPInstanceUID for f in files} & set(again)


def test_samples_and_image_share_a_scale_and_the_std_has_its_own(tmp_path, rec):
    slopes = {p.parent.name: float(pydicom.dcmread(p).RescaleSlope) for p in write_dicom(tmp_path, rec)}
    assert slopes["magnitude"] == slopes["sample-001"] == slopes["sample-004"]
    assert slopes["std"] == pytest.approx(float(rec.std.max()) / 4095, rel=1e-6)


def test_unknown_geometry_is_said_and_never_made_up(tmp_path, rec):
    unknown = dataclasses.replace(rec, geometry=Geometry(voxel_size=(1.5, 0.8, 5.0)))
    file = pydicom.dcmread(write_dicom(tmp_path, unknown)[0])
    assert file.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
    assert "ImageOrientationPatient" not in file and "ImagePositionPatient" not in file
    assert list(file.PixelSpacing) == [1.5, 0.8]
    assert "unknown" in file.ImageComments
    image = nibabel.load(write_nifti(tmp_path, unknown)[0])
    assert image.header["sform_code"] == 0 and image.header["qform_code"] == 0
    assert b"orientation unknown" in bytes(image.header["descrip"])
    assert image.header.get_zooms() == pytest.approx((0.8, 1.5, 5.0))
    nothing = dataclasses.replace(rec, geometry=Geometry())
    file = pydicom.dcmread(write_dicom(tmp_path / "nothing", nothing)[0])
    assert "PixelSpacing" not in file and "size of the pixels is unknown" in file.ImageComments


def test_edges_carry_the_patients_sides(oblique):
    assert edge_letters(oblique) == ("L", "R", "H", "F")
    assert edge_letters(Geometry()) is None
    axial = Geometry(read_direction=(0.0, 1.0, 0.0), phase_direction=(1.0, 0.0, 0.0))
    assert edge_letters(axial) == ("R", "L", "A", "P")
