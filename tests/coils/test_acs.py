import dataclasses

import numpy as np
import pytest
import sigpy
from coil_phantom import line_mask, make_scan
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.coils.acs import calibration_data, centre, without_oversampling
from rsd_mri.coils.compression import compression_matrix
from rsd_mri.errors import InputError
from rsd_mri.scan.sampling import fully_sampled_centre


@settings(max_examples=50, deadline=None)
@given(n=st.integers(8, 200), width=st.integers(1, 30), seed=st.integers(0, 1000))
def test_centre_of_lines(n, width, seed):
    width = min(width, n)
    mask = line_mask(n, 3, width, seed)
    readout, found = fully_sampled_centre(mask, (17, n))
    assert readout == 17
    start = n // 2 - found // 2
    assert mask[start : start + found].all()
    assert found == width


@settings(max_examples=30, deadline=None)
@given(size=st.tuples(st.integers(20, 60), st.integers(20, 60)), box=st.tuples(st.integers(2, 18), st.integers(2, 18)))
def test_centre_of_a_pattern(size, box):
    mask = np.zeros(size, dtype=bool)
    centre(mask, box)[...] = True
    assert fully_sampled_centre(mask, size) == box


def test_a_centre_that_was_not_acquired():
    mask = np.ones(32, dtype=bool)
    mask[16] = False
    assert fully_sampled_centre(mask, (32, 32)) == (0, 0)


@pytest.mark.parametrize(("wide", "narrow"), [(64, 32), (65, 32), (64, 33), (49, 49)])
def test_oversampling_removal_keeps_the_pixels(wide, narrow):
    rng = np.random.default_rng(0)
    kspace = (rng.standard_normal((3, wide, 10)) + 1j * rng.standard_normal((3, wide, 10))).astype(np.complex64)
    image = sigpy.ifft(kspace, axes=(-2, -1))
    cropped = sigpy.ifft(without_oversampling(kspace, narrow), axes=(-2, -1))
    np.testing.assert_allclose(cropped, sigpy.resize(image, (3, narrow, 10)), atol=1e-5)


def test_calibration_data_are_the_centre_of_the_cropped_kspace():
    scan = make_scan(oversampling=2, acceleration=2, acs_lines=16)
    data, acs, width = calibration_data(scan, 24)
    assert acs == (64, 16)
    assert width == 16
    np.testing.assert_allclose(data, sigpy.resize(without_oversampling(scan.kspace, 64), (1, 8, 24, 16)), atol=1e-6)


def test_a_separate_calibration_scan_is_used():
    full = make_scan()
    low = sigpy.resize(full.kspace, (1, 8, 32, 20)).astype(np.complex64)
    kspace = full.kspace * (np.arange(48) % 4 == 0)
    scan = dataclasses.replace(full, kspace=kspace, mask=np.arange(48) % 4 == 0, calibration=low)
    data, acs, width = calibration_data(scan, 24)
    assert acs == (32, 20)
    np.testing.assert_array_equal(data, sigpy.resize(low, (1, 8, 24, 20)))


def test_too_narrow_a_centre_is_refused():
    scan = make_scan(acceleration=4, acs_lines=6)
    mask = line_mask(48, 1e9, 6)
    scan = dataclasses.replace(scan, mask=mask, kspace=(scan.kspace * mask).astype(np.complex64))
    with pytest.raises(InputError, match=r"phantom\.h5: mask: .* at least 8 .* but 6 are there"):
        calibration_data(scan, 24)


def test_compression_keeps_the_energy_it_says():
    data = make_scan(n_coils=15).kspace[..., 20:44, 12:36]
    matrix, kept = compression_matrix(data, 6)
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(6), atol=1e-10)
    virtual = np.einsum("vc,scyx->svyx", matrix, data)
    share = np.sum(np.abs(virtual) ** 2, axis=(0, 2, 3)) / np.sum(np.abs(data) ** 2)
    assert kept == pytest.approx(share.sum(), rel=1e-5)
    assert (np.diff(share) <= 0).all()
    # No other six combinations hold more.
    singular = np.linalg.svd(np.moveaxis(data, 1, 0).reshape(15, -1), compute_uv=False)
    assert kept == pytest.approx((singular[:6] ** 2).sum() / (singular**2).sum(), rel=1e-5)


def test_compression_makes_no_coils_of_nothing():
    data = make_scan(n_coils=4).kspace
    data = np.stack([data[:, 0], 0 * data[:, 0], data[:, 1], data[:, 0], data[:, 2], data[:, 3]], axis=1)
    assert len(compression_matrix(data, 8)[0]) == 4


def test_compression_stops_at_the_energy_asked_for():
    data = make_scan(n_coils=15).kspace[..., 20:44, 12:36]
    matrix, kept = compression_matrix(data, 15, 0.95)
    assert kept >= 0.95
    assert compression_matrix(data, len(matrix) - 1)[1] < 0.95
    assert len(compression_matrix(data, 15, 1.0)[0]) == 15
