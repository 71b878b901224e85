import dataclasses

import fastmri
import numpy as np
import pytest
import sigpy
import torch
from coil_phantom import brain8ch, make_scan
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.coils.whitening import noise_covariance
from rsd_mri.errors import InputError
from rsd_mri.operators import ifft2c, sense_operator
from rsd_mri.preparation import calibrate_volume, prepare_slice
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.simulation import simulate_scan

SETTINGS = PrepSettings()


def arrays(prepared):
    return {k: v for k, v in vars(prepared).items() if isinstance(v, np.ndarray)}


def same(a, b):
    return all(np.array_equal(v, arrays(b)[k]) for k, v in arrays(a).items()) and a.scale == b.scale


def physical_rss(prepared):
    """Root sum of squares of the coil images in the scan's unit."""
    images = ifft2c(torch.from_numpy(prepared.kspace)).numpy()
    return np.sqrt((np.abs(np.tensordot(prepared.back, images, 1)) ** 2).sum(0))


def agreement(a, b):
    """Normalised root mean square difference of two images."""
    return np.linalg.norm(np.abs(a) - np.abs(b)) / np.linalg.norm(b)


def test_shapes_and_kinds():
    scan = make_scan(size=(64, 48), n_coils=10, oversampling=2, acceleration=2, acs_lines=16)
    prepared = prepare_slice(scan, 0, SETTINGS)
    assert prepared.kspace.shape == (8, 64, 48)
    assert prepared.csm.shape == (8, 64, 48)
    assert prepared.image.shape == (64, 48)
    assert prepared.back.shape == (10, 8)
    assert prepared.eigenvalues.shape == (1, 64, 48)
    assert prepared.kspace.dtype == prepared.csm.dtype == prepared.image.dtype == np.complex64
    assert prepared.acs == (64, 16)
    assert prepared.calib_width == 16
    assert prepared.image_size == (64, 48)
    assert prepared.noise_source == "scan"
    assert 0.9 < prepared.energy_kept <= 1
    assert not prepared.kspace[..., ~prepared.mask].any()
    assert prepared.sigma == pytest.approx(1 / prepared.scale)


@pytest.mark.parametrize("oversampling", [1, 2])
def test_rss_is_that_of_fastmri(oversampling):
    """The package's own `reconstruction_rss`: transform, crop to the image wanted, root sum of squares."""
    scan = make_scan(n_coils=6, oversampling=oversampling)
    prepared = prepare_slice(scan, 0, SETTINGS)
    kspace = torch.view_as_real(torch.from_numpy(scan.kspace[0]))
    images = fastmri.complex_abs(fastmri.ifft2c(kspace))
    expected = sigpy.resize(fastmri.rss(images).numpy(), (64, 48))
    np.testing.assert_allclose(physical_rss(prepared), expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_modelled_coil_images_are_the_object():
    scan = make_scan(n_coils=6, sigma=0.005)
    prepared = prepare_slice(scan, 0, SETTINGS)
    modelled = np.tensordot(prepared.back, prepared.csm * prepared.image, 1)
    truth = sigpy.ifft(scan.kspace[0], axes=(-2, -1))
    assert np.linalg.norm(modelled - truth) < 0.1 * np.linalg.norm(truth)


def test_prepared_noise_is_white_with_the_sigma_said():
    rng = np.random.default_rng(0)
    coupling = rng.standard_normal((6, 6)) + 1j * rng.standard_normal((6, 6))
    covariance = np.eye(6) + 0.3 * coupling @ coupling.conj().T
    noisy = make_scan(n_coils=6, sigma=0.05, covariance=covariance, oversampling=2)
    clean = make_scan(n_coils=6, sigma=0.0, covariance=covariance, oversampling=2)
    volume = calibrate_volume(noisy, SETTINGS)
    difference = prepare_slice(noisy, 0, SETTINGS, volume).kspace - prepare_slice(clean, 0, SETTINGS, volume).kspace
    found = noise_covariance(difference) / volume.sigma**2
    np.testing.assert_allclose(found, np.eye(6), atol=0.1)


def test_scale_is_the_99th_percentile_of_the_calibration_image():
    scan = make_scan(n_slices=3)
    slices = [prepare_slice(scan, i, SETTINGS) for i in range(3)]
    images = []
    for prepared in slices:
        low = sigpy.resize(sigpy.resize(prepared.kspace, (8, 24, 24)), prepared.kspace.shape)
        images.append(np.sqrt((np.abs(sigpy.ifft(low, axes=(-2, -1))) ** 2).sum(0)))
    assert np.quantile(images, 0.99) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("wrap", [False, True])
def test_how_it_is_called_does_not_matter(wrap):
    scan = make_scan(n_slices=3, wrap=wrap, acceleration=2, acs_lines=20)
    volume = calibrate_volume(scan, SETTINGS)
    forwards = [prepare_slice(scan, i, SETTINGS, volume) for i in (0, 1, 2)]
    backwards = [prepare_slice(scan, i, SETTINGS) for i in (2, 1, 0)][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))


def test_slices_in_another_order_give_the_same_slices():
    scan = make_scan(n_slices=3)
    turned = dataclasses.replace(scan, kspace=scan.kspace[[2, 0, 1]])
    for here, there in ((0, 1), (1, 2), (2, 0)):
        a, b = prepare_slice(scan, here, SETTINGS), prepare_slice(turned, there, SETTINGS)
        np.testing.assert_allclose(a.image, b.image, atol=1e-3)


def test_nothing_outside_the_mask_is_read():
    scan = make_scan(acceleration=3, acs_lines=12)
    spoilt = np.where(scan.mask, scan.kspace, np.complex64(1e4))
    for noise in (scan.noise, None):
        clean = dataclasses.replace(scan, noise=noise)
        assert same(
            prepare_slice(clean, 0, SETTINGS), prepare_slice(dataclasses.replace(clean, kspace=spoilt), 0, SETTINGS)
        )


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("with_noise", [True, False])
def test_the_unit_of_kspace_does_not_matter(factor, with_noise):
    scan = make_scan(acceleration=2, acs_lines=16)
    noise = scan.noise if with_noise else None
    scaled = dataclasses.replace(
        scan,
        kspace=(scan.kspace * factor).astype(np.complex64),
        noise=None if noise is None else (noise * factor).astype(np.complex64),
    )
    a, b = prepare_slice(dataclasses.replace(scan, noise=noise), 0, SETTINGS), prepare_slice(scaled, 0, SETTINGS)
    assert a.sigma == pytest.approx(b.sigma, rel=1e-4)
    np.testing.assert_allclose(a.image, b.image, atol=1e-3)
    assert agreement(physical_rss(b) / factor, physical_rss(a)) < 1e-3


@pytest.mark.parametrize("with_noise", [True, False])
def test_unitary_mixing_of_the_coils_does_not_matter(with_noise):
    scan = make_scan(size=(49, 45), n_coils=7, n_slices=2)
    rng = np.random.default_rng(3)
    mixing = np.linalg.qr(rng.standard_normal((7, 7)) + 1j * rng.standard_normal((7, 7)))[0]
    noise = scan.noise if with_noise else None
    mixed = dataclasses.replace(
        scan,
        kspace=np.einsum("ab,sbyx->sayx", mixing, scan.kspace).astype(np.complex64),
        noise=None if noise is None else (mixing @ noise).astype(np.complex64),
    )
    a, b = (prepare_slice(s, 1, SETTINGS) for s in (dataclasses.replace(scan, noise=noise), mixed))
    assert a.scale == pytest.approx(b.scale, rel=1e-4)
    assert np.linalg.norm(a.image - b.image) < 0.01 * np.linalg.norm(a.image)
    np.testing.assert_allclose(
        np.abs(a.back @ a.csm.reshape(7, -1)).sum(),
        np.abs(mixing.conj().T @ b.back @ b.csm.reshape(7, -1)).sum(),
        rtol=0.01,
    )


@pytest.mark.parametrize(
    ("n_coils", "size"), [(1, (48, 47)), (4, (51, 40)), (15, (48, 48)), (16, (45, 49)), (20, (48, 48))]
)
def test_any_number_of_coils_and_odd_sizes(n_coils, size):
    scan = make_scan(size=size, n_coils=n_coils, sigma=0.01)
    prepared = prepare_slice(scan, 0, SETTINGS)
    assert len(prepared.kspace) == min(n_coils, 8)
    assert prepared.kspace.shape[1:] == size
    truth = np.sqrt((np.abs(sigpy.ifft(scan.kspace[0], axes=(-2, -1))) ** 2).sum(0))
    modelled = np.tensordot(prepared.back, prepared.csm * prepared.image, 1)
    assert agreement(np.sqrt((np.abs(modelled) ** 2).sum(0)), truth) < 0.15


@settings(max_examples=12, deadline=None)
@given(
    n_coils=st.sampled_from([1, 4, 15, 16, 20]),
    size=st.tuples(st.integers(33, 58), st.integers(33, 58)),
    acceleration=st.sampled_from([1.0, 2.0]),
    seed=st.integers(0, 1000),
)
def test_any_scan_is_prepared_to_unit_maps_and_the_samples_it_had(n_coils, size, acceleration, seed):
    scan = make_scan(size=size, n_coils=n_coils, acceleration=acceleration, acs_lines=12, sigma=0.01, seed=seed)
    prepared = prepare_slice(scan, 0, PrepSettings(calib_width=12, sets="1"))
    assert prepared.csm.shape == (min(n_coils, 8), *size)
    norm = np.linalg.norm(prepared.csm, axis=0)
    np.testing.assert_allclose(norm[norm > 0], 1, rtol=1e-4)
    assert (norm > 0).mean() > 0.2
    assert not prepared.kspace[..., ~scan.mask].any()
    assert all(np.isfinite(a).all() for a in arrays(prepared).values())
    # Whitening, compression and scale can be undone: exactly where no coil was left out.
    undone = np.tensordot(prepared.back, prepared.kspace, 1)
    error = np.linalg.norm(undone - scan.kspace[0]) / np.linalg.norm(scan.kspace)
    assert error < (1e-4 if n_coils <= 8 else 0.2)


def test_a_wrapped_head_takes_two_sets_and_an_ordinary_one_does_not(wrapped_scan, full_scan):
    wrapped = prepare_slice(wrapped_scan[0], 0, SETTINGS)
    assert wrapped.n_sets == 2
    assert wrapped.csm.shape == (2, 8, 64, 48)
    assert wrapped.image.shape == (2, 64, 48)
    assert "second eigenvalue" in wrapped.sets_reason
    ordinary = prepare_slice(full_scan[0], 0, SETTINGS)
    assert ordinary.n_sets == 1
    assert "second eigenvalue" in ordinary.sets_reason
    forced = prepare_slice(full_scan[0], 0, PrepSettings(sets="2"))
    assert forced.n_sets == 2
    assert prepare_slice(wrapped_scan[0], 0, PrepSettings(sets="1")).n_sets == 1


def test_heavy_noise_is_not_taken_for_a_second_set():
    assert prepare_slice(make_scan(sigma=0.3), 0, SETTINGS).n_sets == 1


def test_paper_mode_simulates_kspace_from_the_image():
    scan = make_scan()
    prepared = prepare_slice(scan, 0, PrepSettings(mode="paper"))
    operator = sense_operator(torch.from_numpy(prepared.csm)[None], torch.from_numpy(prepared.mask))
    np.testing.assert_allclose(operator(torch.from_numpy(prepared.image)[None])[0].numpy(), prepared.kspace, atol=1e-4)
    assert np.linalg.norm(prepared.kspace - prepare_slice(scan, 0, SETTINGS).kspace) > 0
    with pytest.raises(InputError, match=r"phantom\.h5: mask: .*fully sampled"):
        prepare_slice(make_scan(acceleration=2), 0, PrepSettings(mode="paper"))


def test_an_empty_slice_stays_finite():
    scan = make_scan(n_slices=2)
    kspace = scan.kspace.copy()
    kspace[1] = 0
    prepared = prepare_slice(dataclasses.replace(scan, kspace=kspace), 1, SETTINGS)
    assert all(np.isfinite(a).all() for a in arrays(prepared).values())
    assert not prepared.csm.any()


@pytest.mark.parametrize("fill", [0, np.nan])
def test_unusable_data_are_refused(fill):
    scan = make_scan()
    with pytest.raises(InputError, match=r"phantom\.h5: kspace"):
        prepare_slice(dataclasses.replace(scan, kspace=np.full_like(scan.kspace, fill)), 0, SETTINGS)


def test_a_slice_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no slice 5"):
        prepare_slice(make_scan(), 5, SETTINGS)


def test_a_real_scan_with_a_pattern_in_two_directions():
    scan = brain8ch()
    prepared = prepare_slice(scan, 0, SETTINGS)
    assert prepared.acs == (24, 24)
    assert prepared.n_sets == 1
    assert prepared.noise_source == "kspace"
    assert 0.005 < prepared.sigma < 0.1
    # The maps' model holds nearly all the signal of the fully sampled centre.
    low = sigpy.resize(sigpy.resize(prepared.kspace, (8, 24, 24)), prepared.kspace.shape)
    images = sigpy.ifft(low, axes=(-2, -1))
    left = images - prepared.csm * (prepared.csm.conj() * images).sum(0)
    assert np.sum(np.abs(left) ** 2) < 0.01 * np.sum(np.abs(images) ** 2)


def test_a_filter_is_said_and_taken_from_prepared_data():
    scan, _ = simulate_scan(DataSettings(slices=1, coils=4, noise=0.01), 3, "filter", size=(128, 96))
    weights = np.cos(np.pi / 2 * (np.arange(96) - 48) / 48) ** 2
    filtered = dataclasses.replace(scan, kspace=(scan.kspace * weights).astype(np.complex64), noise=None)
    volume = calibrate_volume(filtered, SETTINGS)
    # From coils of the scan to prepared ones the true noise goes with the data.
    truth = volume.forward @ noise_covariance(scan.noise) @ volume.forward.conj().T
    level = np.sqrt(np.trace(truth).real / len(truth))
    assert volume.level == pytest.approx(level, rel=0.15) and volume.sigma == pytest.approx(level / 1.5, rel=0.15)
    assert any("Noise" in note and "weighed by 0.67 of its own" in note for note in volume.notes)
    one = prepare_slice(filtered, 0, SETTINGS, volume)
    assert (one.level, one.sigma) == (volume.level, volume.sigma) and one.taper is volume.taper
    white = calibrate_volume(dataclasses.replace(scan, noise=None), SETTINGS)
    assert white.level == white.sigma and not any("Noise" in note for note in white.notes)
