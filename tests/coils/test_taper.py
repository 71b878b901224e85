"""A filter of k-space: found from the noise, taken away, put back."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import sigpy
import sigpy.mri
import torch

from rsd_mri.coils.noise import BELOW, ScanNoise, scan_noise
from rsd_mri.coils.taper import LEAST, taper_of, tapered, tapered_std, untapered
from rsd_mri.coils.whitening import noise_covariance
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.operators import sense_operator
from rsd_mri.preparation.prepare import calibrate_volume, prepare_slice
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.reconstruction.classical.methods import cg_sense
from rsd_mri.reconstruction.full_scans import full_image
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.simulation import simulate_scan


def hamming(n):
    return 0.54 + 0.46 * np.cos(np.pi * (np.arange(n) - n // 2) / (n / 2))


def fermi(n):
    return 1 / (1 + np.exp((np.abs(np.arange(n) - n // 2) / (n / 2) - 0.8) / 0.06))


def one_sided(n):
    return np.linspace(0.15, 1, n)


def sloping(n):
    """What low-field scans show: a bell, and more left at one end than at the other."""
    place = (np.arange(n) - n // 2) / (n / 2)
    return np.exp(-1.2 * place**2 - 0.7 * place)


WINDOWS = [hamming, fermi, one_sided, sloping]


@cache
def a_head(n_coils, noise):
    data = DataSettings(slices=1, coils=n_coils, noise=noise)
    return simulate_scan(data, 3, "taper", size=(160, 128), noise_correlation=0.0)[0]


def lines(n, acceleration):
    return (np.abs(np.arange(n) - n // 2) < 10) | (np.arange(n) % acceleration == 0)


def filtered(scan, window, mask):
    return dataclasses.replace(scan, kspace=(scan.kspace * window * mask).astype(np.complex64), mask=mask, noise=None)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("acceleration", [1, 3])
@pytest.mark.parametrize("n_coils", [1, 8])
def test_the_filter_is_found_from_the_noise(window, acceleration, n_coils):
    scan = a_head(n_coils, 0.01)
    mask, true = lines(128, acceleration), window(128) / window(128)[64]
    found = scan_noise(filtered(scan, window(128), mask))
    assert found.source == "lines" and found.mean == BELOW
    # One coil has sixteen samples a line.
    off = np.log(found.taper / true)[true > 0.1]
    assert np.sqrt(np.mean((off - off.mean()) ** 2)) < (0.06 if n_coils > 1 else 0.15) and np.abs(off).max() < 0.3
    assert found.unevenness == pytest.approx(min(true[mask].max() / true[mask].min(), 1 / LEAST), rel=0.35)
    # And the noise of the centre with it.
    truth = np.trace(noise_covariance(scan.noise)).real * window(128)[64] ** 2
    assert BELOW * np.sqrt(np.trace(found.covariance).real / truth) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("noise", [0.003, 0.03])
@pytest.mark.parametrize("acceleration", [1, 3])
def test_white_noise_has_no_filter(noise, acceleration):
    scan = filtered(a_head(8, noise), np.ones(128), lines(128, acceleration))
    assert scan_noise(scan).taper is None
    images = torch.ones(2, 3, 4, dtype=torch.complex64)
    assert (
        untapered(scan, None) is scan and tapered(images, None) is images and tapered_std(images.real, None).eq(1).all()
    )


def test_few_lines_draw_no_curve_and_nothing_is_amplified_without_bound():
    place = np.linspace(-1, 1, 33)
    assert taper_of(place[::6], np.ones(6), 100.0, 64) is None
    found = taper_of(place, 10.0 ** (-6 * place**2), 1000.0, 64)
    assert found.min() == pytest.approx(LEAST * found.max()) and found[32] == 1


def test_putting_the_filter_on_is_self_adjoint_and_undone_by_its_inverse():
    taper = sloping(15)
    x, y = (torch.randn(2, 6, 15, dtype=torch.complex128, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    torch.testing.assert_close((tapered(x, taper).conj() * y).sum(), (x.conj() * tapered(y, taper)).sum())
    torch.testing.assert_close(tapered(tapered(x, taper), 1 / taper), x)
    by_sigpy = sigpy.ifft(sigpy.fft(x.numpy(), axes=(-1,)) * taper, axes=(-1,))
    np.testing.assert_allclose(tapered(x, taper).numpy(), by_sigpy, atol=1e-12)


def test_standard_deviation_goes_with_the_filter():
    rng = torch.Generator().manual_seed(3)
    taper = sloping(24).astype(np.float32)
    std = torch.rand(3, 24, generator=rng) + 0.1
    errors = std * torch.randn(20000, 3, 24, dtype=torch.complex64, generator=rng)
    measured = tapered(errors, taper).abs().square().mean(0).sqrt()
    torch.testing.assert_close(tapered_std(std, taper), measured, rtol=0.03, atol=0)
    flat = tapered_std(torch.ones(3, 24), taper)
    torch.testing.assert_close(flat, torch.full((3, 24), float(np.sqrt(np.mean(taper**2)))))


def test_least_squares_without_the_filter_is_generalised_least_squares_with_it():
    """y = F (A x + n): the mean of x ~ CN(0, v) given y, by dense algebra on sigpy's operator, noise coloured."""
    rng = np.random.default_rng(0)
    size, n_coils, sigma, power = (6, 8), 3, 0.2, 1.3
    csm = rng.standard_normal((n_coils, *size)) + 1j * rng.standard_normal((n_coils, *size))
    mask, taper = np.array([1, 0, 1, 1, 1, 1, 0, 1], bool), sloping(8)
    model = sigpy.linop.Multiply((n_coils, *size), taper * mask) * sigpy.mri.linop.Sense(csm)
    a = np.stack([model(one.reshape(size)).ravel() for one in np.eye(48)], 1)
    y = rng.standard_normal((n_coils, *size)) + 1j * rng.standard_normal((n_coils, *size))
    acquired = np.broadcast_to(mask, y.shape).ravel()
    precision = np.diag(1 / (sigma * np.broadcast_to(taper, y.shape).ravel()[acquired]) ** 2)
    a, seen = a[acquired], y.ravel()[acquired]
    wanted = np.linalg.solve(a.conj().T @ precision @ a + np.eye(48) / power, a.conj().T @ precision @ seen)
    operator = sense_operator(torch.from_numpy(csm)[None], torch.from_numpy(mask))
    white = torch.from_numpy(y / taper * mask)[None]
    found = cg_sense(operator, white, regularisation=sigma**2 / power, iterations=200, tolerance=1e-12)
    np.testing.assert_allclose(found[0].numpy().ravel(), wanted, rtol=1e-6, atol=1e-9)


def test_prepared_noise_is_white_and_the_image_is_that_of_the_data():
    """One coil, every line: what is given is the image that the filtered k-space has."""
    scan = filtered(a_head(1, 0.01), hamming(128), np.ones(128, bool))
    volume = calibrate_volume(scan, PrepSettings())
    noise = a_head(1, 0.01).noise
    assert volume.level == pytest.approx(
        abs(volume.forward[0, 0]) * np.sqrt(noise_covariance(noise)[0, 0].real), rel=0.1
    )
    one = prepare_slice(scan, 0, PrepSettings(), volume)
    np.testing.assert_allclose(one.kspace, volume.forward[0, 0] * scan.kspace[0] / volume.taper, rtol=1e-5)
    assert any("every line is weighed by 0.67 of its own" in note for note in volume.notes)
    given = reconstruct_scan(PreparedScan.of(scan), method_of("zero-filled")).magnitude
    seen = (np.abs(one.csm) > 0).any(0)
    whole = full_image(scan)
    assert np.abs(given - whole)[0][seen].max() < 0.02 * whole.max()


def test_lines_of_little_noise_say_what_lines_of_much_do_not():
    """At twice the sampling distance, by total variation: against all lines taken for as quiet as the quietest."""
    head = a_head(8, 0.04)
    clean, _ = simulate_scan(DataSettings(slices=1, coils=8, noise=0.0), 3, "taper", size=(160, 128))
    mask = lines(128, 2)
    scan, truth = filtered(head, hamming(128), mask), full_image(filtered(clean, hamming(128), np.ones(128, bool)))
    found, settings, method = scan_noise(scan), PrepSettings(), method_of("tv")
    quiet = ScanNoise(found.covariance * (BELOW * found.taper.min()) ** 2, "lines")
    before = PreparedScan(scan, settings, calibrate_volume(scan, settings, quiet))
    gain = [psnr(truth, reconstruct_scan(one, method).magnitude) for one in (before, PreparedScan.of(scan))]
    assert gain[1] > gain[0] + 1
