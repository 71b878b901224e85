import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from coil_phantom import make_scan
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.coils.noise import MOST_BELOW, edge_covariance, scan_noise, sound_readout
from rsd_mri.coils.null_space import kernel_width, null_space_covariance
from rsd_mri.coils.steepness import falls_steeply
from rsd_mri.coils.whitening import noise_covariance, whitening_matrix
from rsd_mri.operators.fourier import fft1c, ifft1c, ifft2c
from rsd_mri.protocol import DataSettings
from rsd_mri.scan import Scan
from rsd_mri.simulation import simulate_scan

LOW_FIELD = Path(__file__).parents[3] / "shared" / "data" / "lowfield_patients" / "two_patients.npz"


def mixed_noise(n_coils, n, seed):
    rng = np.random.default_rng(seed)
    coupling = rng.standard_normal((n_coils, n_coils)) * np.exp(2j * rng.random((n_coils, n_coils)))
    factor = np.eye(n_coils) + 0.5 * coupling
    factor = factor * rng.uniform(0.3, 3, n_coils)[:, None]
    white = (rng.standard_normal((n_coils, n)) + 1j * rng.standard_normal((n_coils, n))) / np.sqrt(2)
    return (factor @ white).astype(np.complex64), factor @ factor.conj().T


def amplitude_ratio(found, true):
    """Estimated over true noise standard deviation, mean over the whitened coils."""
    return float(np.sqrt(np.trace(np.linalg.solve(true, found)).real / len(true)))


def of(scan):
    """Covariance, mean over what was acquired, source and unevenness."""
    found = scan_noise(scan)
    mean = None if found.covariance is None else found.covariance * found.mean**2
    if found.taper is not None:
        mean = mean * np.mean(np.square(found.taper[scan.mask]))
    return mean, found.source, found.unevenness


@cache
def a_head(n_coils, noise, size, mixed=0.3, slices=1, fov=1.0):
    """A full scan with its noise scan, simulated once for all the patterns it is looked at through."""
    data = DataSettings(slices=slices, coils=n_coils, noise=noise)
    return simulate_scan(data, 3, "noise", size=size, fov=fov, noise_correlation=mixed)[0]


@settings(max_examples=20, deadline=None)
@given(n_coils=st.integers(1, 20), seed=st.integers(0, 10**6), power=st.integers(-8, 8))
def test_whitened_noise_has_variance_one(n_coils, seed, power):
    samples, _ = mixed_noise(n_coils, 4000, seed)
    samples = (samples * 10.0**power).astype(np.complex64)
    before = samples.copy()
    whiten, unwhiten = whitening_matrix(noise_covariance(samples))
    assert np.array_equal(before, samples)
    whitened = whiten @ samples
    np.testing.assert_allclose(noise_covariance(whitened), np.eye(n_coils), atol=1e-3)
    np.testing.assert_allclose(whiten @ unwhiten, np.eye(n_coils), atol=1e-5)


def test_covariance_is_that_of_the_noise():
    samples, covariance = mixed_noise(6, 200_000, 1)
    np.testing.assert_allclose(noise_covariance(samples), covariance, atol=0.02 * np.abs(covariance).max())


def test_a_dead_coil_stays_finite():
    samples, _ = mixed_noise(4, 1000, 2)
    samples[2] = 0
    whiten, unwhiten = whitening_matrix(noise_covariance(samples))
    assert np.isfinite(whiten).all()
    assert np.isfinite(unwhiten).all()


def test_the_noise_scan_is_used_where_there_is_one():
    scan = make_scan(sigma=0.1)
    covariance, source, _ = of(scan)
    assert source == "scan"
    np.testing.assert_allclose(covariance, noise_covariance(scan.noise))


@pytest.mark.parametrize("acceleration", [1, 4])
@pytest.mark.parametrize("fov", [1.0, 0.7])
@pytest.mark.parametrize("noise", [0.005, 0.05])
def test_level_without_a_noise_scan(acceleration, fov, noise):
    """Heads with fine detail and correlated coils; with a field of view of 0.7 they wrap around."""
    scan = a_head(8, noise, (160, 128), slices=2, fov=fov)
    truth = noise_covariance(scan.noise)
    mask = np.ones(128, dtype=bool)
    if acceleration > 1:
        mask[:] = False
        mask[54:74] = True
        mask[::8] = True
    scan = dataclasses.replace(scan, kspace=(scan.kspace * mask).astype(np.complex64), mask=mask, noise=None)
    covariance, source, unevenness = of(scan)
    assert source in ("lines", "kspace", "calibration") and unevenness == 1
    assert amplitude_ratio(covariance, truth) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("n_coils", [2, 8])
@pytest.mark.parametrize("noise", [0.01, 0.03])
@pytest.mark.parametrize("kind", ["full", "lines", "points"])
def test_level_of_an_object_that_fills_the_readout(n_coils, noise, kind):
    """No readout position is empty; only the relations between neighbouring samples tell noise from signal."""
    scan = a_head(n_coils, noise, (256, 128))
    image = torch.from_numpy(scan.kspace)
    tight = fft1c(ifft1c(image, dim=-2)[:, :, 73:183].contiguous(), dim=-2).numpy()
    mask = np.ones(128, dtype=bool)
    if kind == "lines":
        mask = np.abs(np.arange(128) - 64) < 12
        mask[::6] = True
    elif kind == "points":
        mask = two_directions((110, 128), "variable-density")
    tight = dataclasses.replace(scan, kspace=tight * mask, mask=mask, noise=None, image_size=None)
    covariance, _, _ = of(tight)
    assert amplitude_ratio(covariance, noise_covariance(scan.noise)) == pytest.approx(1, abs=0.15)


def test_lines_outside_the_mask_are_never_read():
    scan = dataclasses.replace(make_scan(acceleration=2, acs_lines=12), noise=None)
    spoilt = np.where(scan.mask, scan.kspace, np.complex64(1e3))
    clean, source, _ = of(scan)
    dirty, dirty_source, _ = of(dataclasses.replace(scan, kspace=spoilt))
    assert source == dirty_source
    assert np.array_equal(clean, dirty)


def test_no_noise_is_said_so():
    scan = dataclasses.replace(make_scan(sigma=0, oversampling=2), noise=None)
    kspace = np.zeros_like(scan.kspace)
    kspace[..., 60:68, 20:28] = scan.kspace[..., 60:68, 20:28]
    covariance, source, _ = of(dataclasses.replace(scan, kspace=kspace))
    assert covariance is None
    assert source == "none"


def test_a_partial_echo_does_not_look_quiet():
    scan, _ = simulate_scan(DataSettings(slices=1, coils=8, noise=0.02), 3, "echo", size=(160, 96))
    kspace = scan.kspace.copy()
    kspace[:, :, :40] = 0
    covariance, source, _ = of(dataclasses.replace(scan, kspace=kspace, noise=None))
    assert source in ("lines", "kspace")
    assert amplitude_ratio(covariance, noise_covariance(scan.noise)) == pytest.approx(1, abs=0.12)


def two_directions(size, kind):
    """A pattern in both directions with a full centre of 24 x 24."""
    n, m = size
    y, x = np.meshgrid((np.arange(n) - n // 2) / n * 2, (np.arange(m) - m // 2) / m * 2, indexing="ij")
    density = 0.25 if kind == "poisson" else np.exp(-3 * np.hypot(x, y))
    mask = np.random.default_rng(0).random(size) < density
    mask[n // 2 - 12 : n // 2 + 12, m // 2 - 12 : m // 2 + 12] = True
    return mask


@pytest.mark.parametrize("kind", ["variable-density", "poisson"])
@pytest.mark.parametrize("noise", [0.005, 0.05])
@pytest.mark.parametrize("n_coils", [2, 8])
def test_level_of_a_pattern_in_two_directions(n_coils, kind, noise):
    scan = a_head(n_coils, noise, (160, 128))
    mask = two_directions((160, 128), kind)
    scan = dataclasses.replace(scan, kspace=(scan.kspace * mask).astype(np.complex64), mask=mask)
    truth = noise_covariance(scan.noise)
    covariance, source, _ = of(dataclasses.replace(scan, noise=None))
    assert source in ("kspace", "calibration")
    assert amplitude_ratio(covariance, truth) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("kind", ["variable-density", "poisson"])
@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_an_object_that_fills_the_centre_of_one_coil_is_no_filter(kind, noise):
    """No relation tells signal from noise in the centre; the edge is an upper bound, and no window took it down."""
    scan = a_head(1, noise, (256, 128), mixed=0.0)
    tight = fft1c(ifft1c(torch.from_numpy(scan.kspace), dim=-2)[:, :, 73:183].contiguous(), dim=-2).numpy()
    mask = two_directions((110, 128), kind)
    tight = dataclasses.replace(scan, kspace=tight * mask, mask=mask, noise=None, image_size=None)
    covariance, _, unevenness = of(tight)
    assert unevenness == 1
    truth = noise_covariance(scan.noise)
    edge = amplitude_ratio(edge_covariance(tight), truth)
    assert 0.85 < amplitude_ratio(covariance, truth) <= edge + 1e-6
    assert not falls_steeply(tight)
    for window in (hann, fermi):
        assert falls_steeply(dataclasses.replace(tight, kspace=tight.kspace * window(128)))


@pytest.mark.parametrize("gain", [0.1, 10, 100])
@pytest.mark.parametrize("kind", ["lines", "points"])
def test_bad_samples_at_the_ends_of_the_readout(gain, kind):
    """A receiver that has not settled, a filter that falls off."""
    scan = a_head(4, 0.02, (160, 128), mixed=0.0)
    mask = two_directions((160, 128), "poisson") if kind == "points" else np.arange(128) % 3 == 0
    kspace = scan.kspace * mask
    kspace[:, :, :3] *= gain
    kspace[:, :, -2:] *= gain
    bad = dataclasses.replace(scan, kspace=kspace.astype(np.complex64), mask=mask, noise=None)
    sound = sound_readout(bad)
    assert not sound[:3].any() and not sound[-2:].any()
    assert sound.sum() >= 152
    assert amplitude_ratio(scan_noise(bad).covariance, noise_covariance(scan.noise)) == pytest.approx(1, abs=0.15)


def test_good_samples_are_kept():
    scan = a_head(4, 0.02, (160, 128), mixed=0.0)
    assert sound_readout(scan).all()


def test_many_coils_take_no_more_columns_than_few():
    """128 coils go in parts: time grows with their number, not with its third power."""
    rng = np.random.default_rng(0)
    factor = np.eye(128) + 0.02 * rng.standard_normal((128, 128))
    noise = rng.standard_normal((1, 128, 96, 24)) + 1j * rng.standard_normal((1, 128, 96, 24))
    samples = np.einsum("ab,sbyx->sayx", factor, noise / np.sqrt(2))
    truth = factor @ factor.conj().T
    assert kernel_width((128, 96, 24)) == 0 < kernel_width((32, 96, 24))
    found = null_space_covariance(samples, 4 * truth)
    assert amplitude_ratio(found, truth) == pytest.approx(1, abs=0.1)


def test_too_few_data_leave_the_first_guess():
    samples = np.ones((1, 3, 4, 4), dtype=np.complex64)
    assert np.array_equal(null_space_covariance(samples, 2 * np.eye(3)), 2 * np.eye(3))


def test_noise_samples_of_zeros_are_no_noise_scan(full_scan):
    silent = dataclasses.replace(full_scan[0], noise=np.zeros_like(full_scan[0].noise))
    covariance, source, _ = of(silent)
    assert source not in ("scan", "none") and np.trace(covariance).real > 0


@pytest.mark.parametrize("what", ["dead coil", "copied coil", "empty slice"])
def test_what_holds_no_data_of_its_own_changes_no_level(what):
    """The coils heard have the noise they have without it; none has less than the others by being silent."""
    scan = a_head(8, 0.01, (160, 128), slices=2)
    truth, kspace = noise_covariance(scan.noise), scan.kspace
    if what == "empty slice":
        kspace = np.concatenate([np.zeros_like(kspace[:1]), kspace])
    else:
        kspace = np.insert(kspace, 3, 0 if what == "dead coil" else kspace[:, 5], axis=1)
    covariance, source, unevenness = of(dataclasses.replace(scan, kspace=kspace, noise=None))
    assert source != "none" and unevenness == 1
    if what == "empty slice":
        assert amplitude_ratio(covariance, truth) == pytest.approx(1, abs=0.12)
        return
    assert np.linalg.cond(covariance) < 100 * np.linalg.cond(truth)
    others = np.arange(9) != 3
    assert amplitude_ratio(covariance[np.ix_(others, others)], truth) == pytest.approx(1, abs=0.15)


def hann(n):
    return np.cos(np.pi / 2 * (np.arange(n) - n // 2) / (n / 2)) ** 2


def fermi(n):
    return 1 / (1 + np.exp((np.abs(np.arange(n) - n // 2) / (n / 2) - 0.8) / 0.06))


def one_sided(n):
    return np.linspace(0.15, 1, n)


def filtered(scan, weights, mask):
    """A scan as a filter of k-space leaves it, and the covariance of its noise, mean over what was acquired."""
    weights = np.broadcast_to(weights, scan.size)
    left = dataclasses.replace(scan, kspace=(scan.kspace * weights * mask).astype(np.complex64), mask=mask, noise=None)
    return left, noise_covariance(scan.noise) * np.mean(weights[np.broadcast_to(mask, scan.size)] ** 2)


@pytest.mark.parametrize("n_coils", [1, 2, 8])
@pytest.mark.parametrize("window", [hann, fermi, one_sided])
@pytest.mark.parametrize("acceleration", [1, 3])
def test_level_where_a_filter_took_lines_down(n_coils, window, acceleration):
    """The edge of k-space says up to thirty times too little; positions outside the object hold the filtered noise."""
    scan = a_head(n_coils, 0.01, (160, 128), mixed=0.3 if n_coils > 1 else 0.0)
    mask = (np.abs(np.arange(128) - 64) < 10) | (np.arange(128) % acceleration == 0)
    left, truth = filtered(scan, window(128), mask)
    covariance, source, unevenness = of(left)
    assert source == "lines" and unevenness > 1.5
    assert amplitude_ratio(covariance, truth) == pytest.approx(1, abs=0.15)
    _, _, nothing = of(filtered(scan, np.ones(128), mask)[0])
    assert nothing == 1


@pytest.mark.parametrize("n_coils", [2, 8])
@pytest.mark.parametrize("kind", ["tight", "points"])
@pytest.mark.parametrize("window", [hann, fermi])
def test_level_of_a_filtered_scan_without_empty_positions(n_coils, kind, window):
    """The centre tells what the noise was; the level is bounded from above, and never below by much."""
    scan = a_head(n_coils, 0.03, (160, 128))
    mask = np.ones(128, dtype=bool)
    if kind == "tight":
        inside = ifft1c(torch.from_numpy(scan.kspace), dim=-2)[:, :, 25:135].contiguous()
        scan = dataclasses.replace(scan, kspace=fft1c(inside, dim=-2).numpy(), image_size=None)
    else:
        mask = two_directions((160, 128), "variable-density")
    left, truth = filtered(scan, window(128), mask)
    covariance, source, unevenness = of(left)
    assert source == "calibration" and unevenness > 2
    assert 1 < scan_noise(left).mean <= MOST_BELOW
    assert 0.85 < amplitude_ratio(covariance, truth) < 1.3


def test_lines_that_a_filter_left_empty_are_no_noise():
    scan = a_head(2, 0.01, (160, 128))
    weights = fermi(128)
    weights[[0, 1, 127]] = 0
    covariance, _, unevenness = of(filtered(scan, weights, np.ones(128, dtype=bool))[0])
    truth = noise_covariance(scan.noise) * np.mean(weights[2:127] ** 2)
    assert amplitude_ratio(covariance, truth) == pytest.approx(1, abs=0.15) and 5 < unevenness < 50


@pytest.mark.skipif(not LOW_FIELD.is_file(), reason="needs the low-field scans")
def test_the_noise_of_low_field_scans_is_that_of_their_empty_corners():
    """Whoever published them took k-space down along the phase encoding, more so at one end."""
    with np.load(LOW_FIELD, allow_pickle=False) as archive:
        slices = {f"{name}-{n}": archive[name][n] for name in archive if archive[name].shape[1] == 128 for n in (1, 2)}
    ratios = []
    for name, kspace in slices.items():
        full = np.ascontiguousarray(kspace[None, None], np.complex64)
        image = np.abs(ifft2c(torch.from_numpy(full))[0, 0].numpy())
        height, width = (n // 10 for n in image.shape)
        corners = np.concatenate(
            [image[y : y + height, x : x + width] for y in (2, -height - 2) for x in (2, -width - 2)]
        )
        level = np.sqrt(np.median(corners**2) / np.log(2))
        for acceleration in (1, 2):
            mask = (np.abs(np.arange(full.shape[-1]) - full.shape[-1] // 2) < 10) | (
                np.arange(full.shape[-1]) % acceleration == 0
            )
            found = scan_noise(Scan(full * mask, mask, "file", Path(f"{name}.h5"), "measured"))
            assert found.unevenness > 1.5
            acquired = 1.0 if found.taper is None else np.sqrt(np.mean(np.square(found.taper[mask])))
            ratios.append(acquired * found.mean * float(np.sqrt(found.covariance[0, 0].real)) / level)
    assert np.median(ratios) == pytest.approx(1, abs=0.15) and min(ratios) > 0.7 and max(ratios) < 1.3
