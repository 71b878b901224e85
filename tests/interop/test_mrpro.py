"""Our scans as mrpro's raw data and back: the same lines, and mrpro's image of them."""

import warnings

import numpy as np
import pytest
import sigpy

import rsd_mri as rsd
from rsd_mri.errors import InputError

pytest.importorskip("mrpro")


@pytest.fixture(autouse=True)
def its_own_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def scan():
    return rsd.simulate(2, matrix=32, slices=2, coils=3, acs_lines=12)[0]


def test_mrpro_sees_the_same_image(scan):
    from mrpro.operators import FourierOp

    from rsd_mri.interop.mrpro import to_kdata

    kdata = to_kdata(scan)
    (coils,) = FourierOp.from_kdata(kdata).adjoint(kdata.data)
    theirs = coils.abs().square().sum(-4).sqrt()[:, 0].transpose(-1, -2).numpy()
    ours = np.sqrt((np.abs(sigpy.ifft(scan.kspace * scan.mask, axes=(-2, -1))) ** 2).sum(1))
    assert theirs.shape == ours.shape
    np.testing.assert_allclose(theirs / theirs.max(), ours / ours.max(), atol=2e-3)


def test_there_and_back_is_the_same_scan(scan):
    from rsd_mri.interop.mrpro import from_kdata, to_kdata

    (again,) = from_kdata(to_kdata(scan))
    np.testing.assert_array_equal(again.mask, scan.mask)
    np.testing.assert_allclose(again.kspace, scan.kspace, atol=1e-6 * np.abs(scan.kspace).max())
    assert again.image_size == scan.image_size
    assert rsd.reconstruct(again, method="zero-filled").magnitude.shape == (2, 32, 32)


def test_what_it_has_no_lines_for_is_refused(scan):
    import dataclasses

    from rsd_mri.interop.mrpro import to_kdata

    pattern = dataclasses.replace(scan, mask=np.broadcast_to(scan.mask, scan.size).copy())
    with pytest.raises(InputError, match="whole lines"):
        to_kdata(pattern)
