"""Several frames and stacks of one scan in every form of file, and what the header says of times and names."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pydicom
import pytest

from rsd_mri.errors import InputError
from rsd_mri.results.delivery import Delivery, deliver_all
from rsd_mri.results.files import write_reconstruction
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.results.reconstruction import PosteriorPart
from rsd_mri.scan.facts import Facts
from rsd_mri.scan.scan import Geometry

FACTS = Facts(
    echo_times=(4.5, 9.5), repetition_times=(500.0,), flip_angles=(15.0,), field_strength=2.89, patient_position="HFS",
    sequence="gre_secret", protocol="Knee of J. Doe", series_date="2020-03-04", series_time="12:13:14",
)  # fmt: skip
GEOMETRY = Geometry(
    (1.5, 1.0, 4.0), 1.0, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0),
    ((0.0, 0.0, 0.0), (0.0, 0.0, 5.0), (0.0, 0.0, 10.0)),
)  # fmt: skip


@pytest.fixture
def frames(a_reconstruction):
    def one(contrast, stack, geometry):
        rec = a_reconstruction()
        factor = 1 - 0.5 * contrast
        return replace(
            rec, magnitude=factor * rec.magnitude, image=factor * rec.image,
            posterior=PosteriorPart(factor * rec.samples, rec.std),
            csm=rec.csm[:, : 2 - contrast], frame={"contrast": contrast}, stack=stack, geometry=geometry,
            facts=FACTS.of_contrast(contrast), source=Path("scan.h5"),
        )  # fmt: skip

    turned = replace(GEOMETRY, read_direction=(0.0, 0.0, -1.0), slice_direction=(0.0, 1.0, 0.0))
    turned = replace(turned, positions=((0.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 10.0, 0.0)))
    return [one(contrast, stack, place) for stack, place in enumerate((GEOMETRY, turned)) for contrast in range(2)]


def test_hdf5_has_a_frame_axis(tmp_path, frames):
    first, second = frames[:2]
    path = write_reconstruction(tmp_path / "a.h5", [first, second])
    with h5py.File(path) as file:
        assert file["reconstruction"].shape == (2, *first.magnitude.shape)
        assert file["samples"].shape == (2, *first.samples.shape)
        assert file["mask"].shape == first.mask.shape
        assert file.attrs["residual"].shape == (2, first.n_slices)
    for index, frame in enumerate((first, second)):
        back = read_reconstruction(path, index)
        np.testing.assert_array_equal(back.magnitude, frame.magnitude)
        np.testing.assert_array_equal(back.csm[:, : frame.csm.shape[1]], frame.csm)
        assert not back.csm[:, frame.csm.shape[1] :].any()
        assert (back.frame, back.mask.shape) == (frame.frame, frame.mask.shape)
        np.testing.assert_array_equal(back.residual, frame.residual)
    with pytest.raises(InputError, match="no frame 2"):
        read_reconstruction(path, 2)


def test_masks_that_change_over_the_frames(tmp_path, frames):
    first, second = frames[0], replace(frames[1], mask=~frames[1].mask)
    path = write_reconstruction(tmp_path / "a.h5", [first, second])
    np.testing.assert_array_equal(read_reconstruction(path, 0).mask, first.mask)
    np.testing.assert_array_equal(read_reconstruction(path, 1).mask, second.mask)


def test_one_frame_has_no_axis_of_frames(tmp_path, frames):
    path = write_reconstruction(tmp_path / "a.h5", frames[0])
    with h5py.File(path) as file:
        assert file["reconstruction"].shape == frames[0].magnitude.shape
        assert "frames" not in file.attrs


def delivered(folder, frames, **options):
    return deliver_all(frames, [], Delivery(folder, ("h5", "nifti", "dicom", "png"), **options))


def test_each_stack_has_its_files_and_each_frame_its_place_in_them(tmp_path, frames):
    files = delivered(tmp_path, frames)
    names = {path.name for path in files}
    for stack in (1, 2):
        assert f"scan_recon_stack{stack}.h5" in names
        assert {f"scan_recon_stack{stack}_frame{n:03d}.png" for n in (1, 2)} <= names
        image = nibabel.load(tmp_path / f"scan_recon_stack{stack}_magnitude.nii.gz")
        assert image.shape == (32, 40, 3, 2)
        for index in range(2):
            one = frames[2 * (stack - 1) + index]
            np.testing.assert_allclose(np.moveaxis(image.get_fdata()[..., index], (0, 1, 2), (2, 1, 0)), one.magnitude)
        samples = nibabel.load(tmp_path / f"scan_recon_stack{stack}_samples.nii.gz")
        assert samples.shape == (32, 40, 3, 2, 4)


def test_dicom_frames_are_temporal_positions_on_one_scale(tmp_path, frames):
    sets = [pydicom.dcmread(path) for path in delivered(tmp_path, frames) if path.suffix == ".dcm"]
    assert len({d.StudyInstanceUID for d in sets}) == len({d.FrameOfReferenceUID for d in sets}) == 1
    images = [d for d in sets if "MAGNITUDE" in d.ImageType]
    series = {d.SeriesInstanceUID for d in images}
    assert len(series) == 2 and len(images) == 12
    for uid in series:
        some = sorted((d for d in images if d.SeriesInstanceUID == uid), key=lambda d: d.InstanceNumber)
        assert [d.InstanceNumber for d in some] == [1, 2, 3, 4, 5, 6]
        assert [d.TemporalPositionIdentifier for d in some] == [1, 1, 1, 2, 2, 2]
        assert [(float(d.EchoTime), d.EchoNumbers) for d in some[::3]] == [(4.5, 1), (9.5, 2)]
        assert len({d.RescaleSlope for d in some}) == 1
        bright = [float((d.pixel_array * float(d.RescaleSlope)).max()) for d in (some[0], some[3])]
        assert bright[1] == pytest.approx(bright[0] / 2, rel=1e-3)
    first = images[0]
    assert (float(first.RepetitionTime), float(first.FlipAngle), float(first.MagneticFieldStrength)) == (500, 15, 2.89)
    assert first.PatientPosition == "HFS"
    # Each stack has its own orientation.
    assert len({tuple(d.ImageOrientationPatient) for d in images}) == 2
    assert len({d.SeriesNumber for d in sets}) == len({d.SeriesInstanceUID for d in sets})


def test_names_and_times_are_written_only_where_asked_for(tmp_path, frames):
    secrets = (b"gre_secret", b"J. Doe", b"20200304", b"2020-03-04", b"12:13:14", b"121314")
    for path in delivered(tmp_path / "a", frames):
        assert not any(secret in path.read_bytes() for secret in secrets), path.name
    kept = delivered(tmp_path / "b", frames, keep_protocol=True)
    one = pydicom.dcmread(next(path for path in kept if path.suffix == ".dcm"))
    assert (one.ProtocolName, one.SequenceName) == ("Knee of J. Doe", "gre_secret")
    assert (one.AcquisitionDate, one.AcquisitionTime) == ("20200304", "121314")
    assert read_reconstruction(next(path for path in kept if path.suffix == ".h5")).facts == FACTS.of_contrast(0)


def movie(frames, moments, triggered=False):
    counter = "phase" if triggered else "repetition"
    return [
        replace(
            frames[0],
            frame={counter: n},
            facts=replace(FACTS, moment=moment, triggered=triggered),
            magnitude=frames[0].magnitude * (1 + n),
        )  # fmt: skip
        for n, moment in enumerate(moments)
    ]


def header_of_nifti(folder, frames):
    (path,) = [f for f in deliver_all(frames, [], Delivery(folder, ("nifti",))) if "magnitude" in f.name]
    return nibabel.load(path).header


def test_nifti_says_the_step_of_time_where_it_is_even(tmp_path, frames):
    even = header_of_nifti(tmp_path / "a", movie(frames, [40.0, 100.0, 157.5, 220.0], triggered=True))
    assert even.get_zooms()[3] == pytest.approx(0.06) and even.get_xyzt_units() == ("mm", "sec")
    assert float(even["toffset"]) == pytest.approx(0.04)
    for name, moments in {"uneven": [0, 60, 150, 180], "unknown": [0, None, 120, 180], "still": [0, 0, 0, 0]}.items():
        other = header_of_nifti(tmp_path / name, movie(frames, moments))
        assert other.get_xyzt_units() == ("mm", "unknown") and other.get_zooms()[3] == 1, name


@pytest.mark.parametrize("triggered", [False, True])
def test_dicom_says_when_a_frame_was(tmp_path, frames, triggered):
    sets = [pydicom.dcmread(f) for f in delivered(tmp_path, movie(frames, [0.0, 60.0, 120.0], triggered))
            if f.suffix == ".dcm" and f.parent.name == "magnitude"]  # fmt: skip
    sets.sort(key=lambda d: (d.TemporalPositionIdentifier, d.InstanceNumber))
    assert [d.InstanceNumber for d in sets] == list(range(1, 10))
    assert {float(d.TemporalResolution) for d in sets} == {60.0}
    assert {int(d.NumberOfTemporalPositions) for d in sets} == {3}
    said = [None if "TriggerTime" not in d else float(d.TriggerTime) for d in sets]
    assert said == ([0.0] * 3 + [60.0] * 3 + [120.0] * 3 if triggered else [None] * 9)
    assert "120 ms after the " + ("trigger" if triggered else "first frame") in sets[-1].ImageComments


@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="no dcm2niix")
def test_another_program_gathers_the_frames_of_a_series(tmp_path, frames):
    some = movie(frames, [0.0, 60.0, 120.0], triggered=True)
    delivered(tmp_path, some)
    (tmp_path / "nii").mkdir()
    series = next(tmp_path.glob("*_dicom")) / "magnitude"
    subprocess.run(["dcm2niix", "-o", tmp_path / "nii", "-f", "x", series], check=True, capture_output=True)
    theirs = nibabel.load(next((tmp_path / "nii").glob("*.nii*")))
    ours = nibabel.load(next(tmp_path.glob("*_magnitude.nii.gz")))
    assert theirs.shape == ours.shape == (32, 40, 3, 3)
    one, other = (nibabel.as_closest_canonical(image).get_fdata() for image in (theirs, ours))
    np.testing.assert_allclose(one / one.max(), other / other.max(), atol=1 / 4000)


def test_hdf5_keeps_the_facts_of_each_frame(tmp_path, frames):
    path = write_reconstruction(tmp_path / "a.h5", movie(frames, [0.0, 60.0]))
    assert [read_reconstruction(path, n).facts.moment for n in range(2)] == [0.0, 60.0]
    echoes = write_reconstruction(tmp_path / "b.h5", frames[:2])
    assert [read_reconstruction(echoes, n).facts.echo_times for n in range(2)] == [(4.5,), (9.5,)]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="no dciodvfy of dicom3tools")
def test_a_checker_of_dicom_finds_no_error(tmp_path, frames):
    files = delivered(tmp_path, movie(frames, [0.0, 60.0, 120.0], triggered=True))
    for path in [f for f in files if f.name.endswith("_0005.dcm")]:
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        assert "MRImage" in said.stderr and "Error" not in said.stderr, said.stderr
