"""SimpleITK makes of our DICOM what we write as NIfTI, and readers that know no signed pixels may read it."""

from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest

from rsd_mri.results.dicom import write_dicom
from rsd_mri.results.nifti import write_nifti
from rsd_mri.scan.scan import Geometry


def placed(sign: int) -> Geometry:
    """Three slices of oblong pixels, tilted about one axis, in the order of their normal or against it."""
    read, phase = (0.0, np.cos(0.3), np.sin(0.3)), (-1.0, 0.0, 0.0)
    across = sign * np.cross(phase, read)
    centres = tuple(tuple(map(float, np.array([5.0, -40.0, 11.0]) + 6.1 * i * across)) for i in range(3))
    return Geometry((1.5, 1.25, 5.1), 1.0, *(tuple(map(float, v)) for v in (read, phase, across)), centres)


@pytest.fixture(params=[1, -1])
def written(request, tmp_path, a_reconstruction):
    rec = replace(a_reconstruction(), geometry=placed(request.param))
    write_dicom(tmp_path / "dicom", [rec])
    write_nifti(tmp_path, [rec])
    return tmp_path


@pytest.mark.parametrize("kind", ["magnitude", "phase", "std"])
def test_simpleitk_reads_the_values_and_places_of_our_nifti(written, kind):
    itk = pytest.importorskip("SimpleITK")
    read = itk.ReadImage(itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(written / "dicom" / kind)))
    ours = nibabel.load(written / f"scan_{kind}.nii.gz")
    wanted = ours.get_fdata()
    rng = np.random.default_rng(0)
    found, expected = [], []
    for index in rng.integers(0, wanted.shape, (200, 3)):
        place = nibabel.affines.apply_affine(ours.affine, index) * (
            -1,
            -1,
            1,
        )  # NIfTI's right and front are DICOM's left and back
        exact = read.TransformPhysicalPointToContinuousIndex(place.tolist())
        np.testing.assert_allclose(exact, np.round(exact), atol=0.01)
        found.append(read[tuple(int(i) for i in np.round(exact))])
        expected.append(wanted[tuple(index)])
    power = np.round(np.log10(np.abs(found).max() / np.abs(expected).max()))
    step = (2 * np.pi if kind == "phase" else wanted.max()) / 4095
    np.testing.assert_allclose(np.array(found) / 10**power, expected, atol=0.6 * step)


@pytest.mark.parametrize("kind", ["magnitude", "phase", "std"])
def test_stored_values_are_unsigned(written, kind):
    """MRtrix3 3.0.3 takes all for unsigned: a phase below zero would come out 65536 steps too high."""
    for path in (written / "dicom" / kind).iterdir():
        image = pydicom.dcmread(path)
        assert image.PixelRepresentation == 0
        assert image.pixel_array.min() >= 0
    if kind == "phase":
        assert float(image.RescaleIntercept) < 0
