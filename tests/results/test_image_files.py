"""NIfTI and DICOM: an asymmetric object comes back where it was, with its values, and other tools take it."""

import dataclasses
import json
import re
import shutil
import subprocess

import nibabel
import numpy as np
import pydicom
import pytest
from mrd_files import write_mrd
from PIL import Image

from rsd_mri.errors import InputError
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.dicom import write_dicom
from rsd_mri.results.nifti import write_nifti
from rsd_mri.results.planes import edge_letters
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.results.window import upper_window
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.scan import Geometry

POINT = (2, 9, 3)
"""(slice, readout, phase encode) of the one bright pixel."""


@pytest.fixture
def oblique() -> Geometry:
    """Readout about along the patient's long axis, tilted about all axes; no number is short as a decimal."""
    turn, tilt = np.deg2rad((20, 11))
    read = np.array([np.sin(tilt), -np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt)])
    phase = np.array([-np.cos(tilt), -np.sin(turn) * np.sin(tilt), -np.cos(turn) * np.sin(tilt)])
    across = np.cross(phase, read)
    centres = tuple(tuple(map(float, np.array([5.0, -700 / 3, 11.0]) + 6.1 * i * across)) for i in range(3))
    size = (240 / 161, 180 / 223, 5.1)
    return Geometry(size, 1.0, *(tuple(map(float, v)) for v in (read, phase, across)), centres)


@pytest.fixture
def rec(a_reconstruction, oblique) -> Reconstruction:
    rng = np.random.default_rng(0)
    magnitude = 1e-5 * rng.random((3, 14, 8)).astype(np.float32)
    magnitude[POINT] = 3e-5
    width = 1e-6 * rng.random((3, 14, 8)).astype(np.float32)
    made = a_reconstruction(3, 14, 8)
    posterior = dataclasses.replace(made.posterior, half_width=width)
    return dataclasses.replace(made, magnitude=magnitude, posterior=posterior, geometry=oblique)


def where_it_is(geometry: Geometry) -> np.ndarray:
    """Position of the bright pixel in LPS, from the definition of the geometry alone."""
    s, r, p = POINT
    return (
        np.array(geometry.positions[s])
        + (r - 14 // 2) * geometry.voxel_size[0] * np.array(geometry.read_direction)
        + (p - 8 // 2) * geometry.voxel_size[1] * np.array(geometry.phase_direction)
    )


def real_values(file: pydicom.Dataset) -> np.ndarray:
    """Values in the unit of the scan."""
    mapping = file.RealWorldValueMappingSequence[0]
    return file.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept


def test_nifti_puts_the_point_where_it_was(tmp_path, rec, oblique):
    paths = write_nifti(tmp_path, rec)
    assert [p.name for p in paths] == [
        f"scan_{kind}.nii.gz" for kind in ("magnitude", "phase", "std", "half_width", "samples")
    ]
    image = nibabel.load(paths[0])
    index = np.unravel_index(np.argmax(image.get_fdata()), image.shape)
    lps = nibabel.affines.apply_affine(image.affine, index) * [-1, -1, 1]
    np.testing.assert_allclose(lps, where_it_is(oblique), atol=1e-4)
    assert image.header.get_zooms() == pytest.approx((180 / 223, 240 / 161, 6.1))
    assert image.header["sform_code"] == 1 and image.header["qform_code"] == 1
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), rec.magnitude.transpose(2, 1, 0))
    phase = nibabel.load(paths[1]).get_fdata()
    np.testing.assert_allclose(phase, np.angle(rec.image).transpose(2, 1, 0), atol=1e-6)
    assert b"not for diagnostic use" in bytes(image.header["descrip"])
    samples = nibabel.load(paths[-1])
    np.testing.assert_array_equal(samples.affine, image.affine)
    np.testing.assert_array_equal(samples.get_fdata(dtype=np.float32)[..., 3], rec.samples[3].transpose(2, 1, 0))


def test_dicom_puts_the_point_where_it_was(tmp_path, rec, oblique):
    paths = write_dicom(tmp_path, rec)
    assert len(paths) == 3 * (1 + 1 + 1 + 1 + 4)
    files = [pydicom.dcmread(p) for p in paths if p.parent.name == "magnitude"]
    values = np.stack([real_values(f) for f in files])
    np.testing.assert_allclose(values, rec.magnitude, atol=0.51 * values.max() / 4095)
    # What viewers show is the same, a power of ten larger.
    shown = np.stack([f.pixel_array * float(f.RescaleSlope) + float(f.RescaleIntercept) for f in files])
    np.testing.assert_allclose(shown, 1e9 * values, rtol=1e-9)
    assert 3000 < shown.max() < 30_000 and "1e-9 of the scan's unit" in files[0].DerivationDescription
    s, r, p = np.unravel_index(np.argmax(values), values.shape)
    file = files[s]
    along_row, down = np.array(file.ImageOrientationPatient[:3]), np.array(file.ImageOrientationPatient[3:])
    between_rows, between_columns = file.PixelSpacing
    lps = np.array(file.ImagePositionPatient) + p * between_columns * along_row + r * between_rows * down
    np.testing.assert_allclose(lps, where_it_is(oblique), atol=1e-3)
    assert file.SpacingBetweenSlices == pytest.approx(6.1) and file.SliceThickness == 5.1


def test_dicom_phase_comes_back(tmp_path, rec):
    files = [pydicom.dcmread(p) for p in write_dicom(tmp_path, rec) if p.parent.name == "phase"]
    values = np.stack([real_values(f) for f in files])
    np.testing.assert_allclose(values, np.angle(rec.image), atol=0.51 * 2 * np.pi / 4095)
    shown = np.stack([f.pixel_array * float(f.RescaleSlope) + float(f.RescaleIntercept) for f in files])
    np.testing.assert_allclose(shown, 1000 * values, atol=1e-6)


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


EXPECTED = (
    # Whether what was scanned is one of a pair is not known: the standard then asks for an empty value.
    r"Laterality\(0020,0060\)> - is only permitted to be empty when actually unknown",
    # The stored slope and intercept: values would lose their unit without them.
    r"Rescale(Slope|Intercept|Type)\(0028,105[234]\)> - Attribute is not present in standard DICOM IOD",
    r"Rescale(Slope|Intercept)\(0028,105[23]\)\[1\]> - Non-identity Modality LUT Module",
)
"""Warnings of `dciodvfy` that are as intended."""


def says(*command) -> str:
    """What a validator writes, on both streams."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    return done.stderr + done.stdout


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="no dicom3tools")
@pytest.mark.parametrize("where", ["known", "size only", "unknown"])
def test_dicom3tools_find_no_error(tmp_path, rec, where):
    size = Geometry(rec.geometry.voxel_size if where == "size only" else None)
    paths = write_dicom(tmp_path, rec if where == "known" else dataclasses.replace(rec, geometry=size))
    for path in paths[::3]:
        kind, *lines = says("dciodvfy", "-new", path).splitlines()
        assert kind == ("MRImage" if where == "known" else "SCImage")
        assert [line for line in lines if not any(re.search(known, line) for known in EXPECTED)] == []
    # The series belong together: one patient, one study, one frame of reference.
    assert says("dcentvfy", *paths) == ""


@pytest.mark.skipif(shutil.which("dcmmkdir") is None, reason="no dcmtk")
@pytest.mark.parametrize("known", [True, False])
def test_dcmtk_makes_a_directory_of_the_files(tmp_path, rec, known):
    """What a PACS or a disc needs of every file is there; `dcmmkdir` reads all of it."""
    disc = tmp_path / "disc"
    disc.mkdir()
    paths = write_dicom(tmp_path / "made", rec if known else dataclasses.replace(rec, geometry=Geometry()))
    for number, path in enumerate(paths):
        assert says("dcmftest", path).startswith("yes")
        assert says("dcmdump", "-q", "+P", "0018,9004", path).count("[RESEARCH]") == 1
        shutil.copy(path, disc / f"F{number:07d}")
    said = says("dcmmkdir", "+D", disc / "DICOMDIR", "+id", disc, "--general-purpose", "+r")
    found = pydicom.dcmread(disc / "DICOMDIR")
    kinds = [record.DirectoryRecordType for record in found.DirectoryRecordSequence]
    assert "E:" not in said and kinds.count("IMAGE") == len(paths)
    assert (kinds.count("PATIENT"), kinds.count("STUDY"), kinds.count("SERIES")) == (1, 1, 8)


@pytest.mark.skipif(shutil.which("dcm2pnm") is None, reason="no dcmtk")
@pytest.mark.parametrize("kind", ["magnitude", "phase", "std"])
def test_dcmtk_draws_the_image_in_its_own_window(tmp_path, a_reconstruction, oblique, kind):
    """Values near 1e-5, as raw data have them, are not black where a viewer rounds them to integers."""
    rec = dataclasses.replace(a_reconstruction(3), geometry=oblique)
    path = next(p for p in write_dicom(tmp_path, rec) if p.parent.name == kind)
    assert "E:" not in says("dcm2pnm", "+on", "+Wi", "1", path, tmp_path / "a.png")
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("L"), float)
    wanted = {"magnitude": rec.magnitude, "phase": np.angle(rec.image), "std": rec.std}[kind][0]
    white = {"magnitude": upper_window(rec.magnitude), "phase": np.pi, "std": upper_window(rec.std)}[kind]
    dark = -np.pi if kind == "phase" else 0.0
    np.testing.assert_allclose(drawn, 255 * np.clip((wanted - dark) / (white - dark), 0, 1), atol=3)


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
    assert len({f.SeriesInstanceUID for f in files}) == 8 and len({f.StudyInstanceUID for f in files}) == 1
    for file in files:
        assert file.SOPClassUID == pydicom.uid.MRImageStorage
        assert file.ImageType[0] == "DERIVED" and file.ContentQualification == "RESEARCH"
        assert file.SeriesDescription.startswith("RSD-MRI RESEARCH")
        assert "Not for diagnostic use" in file.ImageComments
        assert not file.PatientName and not file.PatientBirthDate and file.PatientIdentityRemoved == "YES"
        assert b"scan" not in file.PatientID.encode() and file.PatientID == files[0].PatientID
    again = [pydicom.dcmread(p) for p in write_dicom(tmp_path / "again", rec)]
    assert not {f.SOPInstanceUID for f in files} & {f.SOPInstanceUID for f in again}
    assert again[0].PatientID != files[0].PatientID


def test_a_patient_identifier_is_written_on_purpose_only(tmp_path, rec):
    file = pydicom.dcmread(write_dicom(tmp_path, rec, patient_id="Müller-7")[0])
    assert file.PatientID == "Müller-7" and file.PatientIdentityRemoved == "NO"
    for bad in ("", "a\\b", "x" * 65, "two\nlines"):
        with pytest.raises(InputError, match="1 to 64 printable"):
            write_dicom(tmp_path, rec, patient_id=bad)


def test_samples_and_image_share_a_scale_and_the_std_has_its_own(tmp_path, rec):
    slopes = {p.parent.name: float(pydicom.dcmread(p).RescaleSlope) for p in write_dicom(tmp_path, rec)}
    assert slopes["magnitude"] == slopes["sample-001"] == slopes["sample-004"]
    assert slopes["std"] == pytest.approx(1e9 * float(rec.std.max()) / 4095, rel=1e-6)


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


def test_uneven_slices_keep_their_places_in_dicom_and_have_none_in_nifti(tmp_path, rec, oblique):
    """Slices stored as they were acquired, every other one first: no affine fits them."""
    mixed = dataclasses.replace(oblique, positions=tuple(oblique.positions[i] for i in (0, 2, 1)))
    one = dataclasses.replace(rec, geometry=mixed)
    image = nibabel.load(write_nifti(tmp_path, one)[0])
    assert image.header["sform_code"] == 0 and b"unevenly spaced" in bytes(image.header["descrip"])
    places = [np.array(pydicom.dcmread(p).ImagePositionPatient, float) for p in write_dicom(tmp_path, one)[:3]]
    np.testing.assert_allclose(places[1] - places[0], 2 * (places[2] - places[0]), atol=1e-3)
    stacked = dataclasses.replace(oblique, positions=(oblique.positions[0],) * 3)
    file = pydicom.dcmread(write_dicom(tmp_path / "same", dataclasses.replace(rec, geometry=stacked))[0])
    assert "ImagePositionPatient" not in file and "position are unknown" in file.ImageComments


def test_an_oblique_scan_keeps_its_place_from_raw_data_to_files(tmp_path, full_scan, oblique):
    """Write raw data with the header of every line, read, reconstruct; the head lies where the header said."""
    scan, truth = full_scan
    where = dataclasses.replace(oblique, positions=oblique.positions[:2])
    write_mrd(tmp_path / "scan.h5", dataclasses.replace(scan, geometry=where))
    rec = reconstruct_scan(read_scan(tmp_path / "scan.h5"), CLASSICAL["cg-sense"])
    weights = abs(truth) ** 2
    read, phase = (np.arange(n) for n in truth.shape[1:])
    size = np.array(oblique.voxel_size)
    offsets = [
        ((weights.sum((0, 2)) @ (read - 64 // 2)) * size[0], oblique.read_direction),
        ((weights.sum((0, 1)) @ (phase - 56 // 2)) * size[1], oblique.phase_direction),
    ]
    expected = sum(d * np.array(v) for d, v in offsets) + weights.sum((1, 2)) @ np.array(where.positions)
    expected = expected / weights.sum()
    image = nibabel.load(write_nifti(tmp_path, rec)[0])
    power = image.get_fdata() ** 2
    index = [power.sum(tuple({0, 1, 2} - {axis})) @ np.arange(n) / power.sum() for axis, n in enumerate(power.shape)]
    lps = nibabel.affines.apply_affine(image.affine, index) * [-1, -1, 1]
    np.testing.assert_allclose(lps, expected, atol=0.5)
    file = pydicom.dcmread(write_dicom(tmp_path, rec)[0])
    np.testing.assert_allclose(file.ImageOrientationPatient[:3], oblique.phase_direction, atol=1e-6)
