"""Several frames and stacks of one scan in every form of file, and what the header says of times and names."""

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
