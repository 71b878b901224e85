"""The same ISMRMRD files read by mrpro: sizes, geometry and images."""

import warnings

import numpy as np
import pytest
from spots import CENTRE, NORMAL, acquire, images, write, xml

from rsd_mri.scan import read_scan, read_scans

mrpro = pytest.importorskip("mrpro")


def theirs(path):
    """mrpro's k-space, and its root-sum-of-squares images [other, readout, phase_encode] on the image wanted."""
    from mrpro.data.traj_calculators import KTrajectoryCartesian
    from mrpro.operators import FourierOp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kdata = mrpro.data.KData.from_file(path, KTrajectoryCartesian())
        (coils,) = FourierOp.from_kdata(kdata).adjoint(kdata.data)
    return kdata, coils.abs().square().sum(-4).sqrt()[:, 0].transpose(-1, -2).numpy()


def triple(one, index=0):
    parts = [part.reshape(-1) for part in (one.x, one.y, one.z)]
    return [float(part[index if len(part) > 1 else 0]) for part in parts]


@pytest.mark.parametrize(("vendor", "sign"), [("Other", -1), ("SIEMENS", +1)])
def test_images_and_places_of_slices(tmp_path, vendor, sign):
    acqs = [
        one
        for counter in range(3)
        for one in acquire((14.0 - 9 * counter, -9.0), (64, 48), (256, 96), slice=counter, sign=sign,
                           position=CENTRE + 6 * counter * NORMAL)
    ]  # fmt: skip
    header = xml((64, 48, 1), (32, 48, 1), (256, 96, 5), (128, 96, 5), slices=3, vendor=vendor)
    path = write(tmp_path / "a.h5", acqs, header)
    kdata, expected = theirs(path)
    scan = read_scan(path)
    found = images(scan)
    assert found.shape == expected.shape == (3, 32, 48)
    np.testing.assert_allclose(found / found.max(), expected / expected.max(), atol=2e-6)
    fov, matrix = kdata.header.recon_fov, kdata.header.recon_matrix
    voxel = [1e3 * fov.x / matrix.x, 1e3 * fov.y / matrix.y, 1e3 * fov.z]
    np.testing.assert_allclose(scan.geometry.voxel_size, voxel, rtol=1e-5)
    for index in range(3):
        place = triple(kdata.header.acq_info.position, index)
        np.testing.assert_allclose(scan.geometry.positions[index], 1e3 * np.array(place), atol=1e-3)
    normal, phase, read = kdata.header.acq_info.orientation.as_directions()
    for ours, one in (("slice_direction", normal), ("phase_direction", phase), ("read_direction", read)):
        np.testing.assert_allclose(getattr(scan.geometry, ours), triple(one), atol=1e-5)


def test_partial_fourier_and_repetitions(tmp_path):
    acqs = [
        one
        for repetition in range(2)
        for one in acquire((9.0 * repetition, 7.0), (32, 48), (64, 96), which=range(12, 48), first=12,
                           repetition=repetition)
    ]  # fmt: skip
    header = xml((32, 48, 1), (32, 48, 1), (64, 96, 5), (64, 96, 5), lines=(0, 35, 12), vendor="Other")
    path = write(tmp_path / "a.h5", acqs, header)
    _, expected = theirs(path)
    found = np.concatenate([images(scan) for scan in read_scans(path)])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found / found.max(), expected / expected.max(), atol=2e-6)
