"""What is in k-space and is no measurement: what rounding left, spikes; and images that lie across the border."""

import numpy as np
import pytest
import sigpy
from coil_phantom import coil_images, line_mask

from rsd_mri.scan import read_scan

SIZE = (64, 48)
IMAGES = np.stack([coil_images(SIZE, 4, seed=seed) for seed in range(2)]).astype(np.complex64)
NOISE = 0.02 * np.random.default_rng(0).standard_normal((*IMAGES.shape, 2)).view(complex)[..., 0]
KSPACE = (sigpy.fft(IMAGES, axes=(-2, -1)) + NOISE).astype(np.complex64)


def read(tmp_path, kspace):
    np.save(tmp_path / "scan.npy", kspace)
    return read_scan(tmp_path / "scan.npy")


def there_and_back(kspace):
    """A transform and its inverse in single precision, as of a program that crops or shifts images."""
    image = np.fft.ifft2(kspace, axes=(-2, -1)).astype(np.complex64)
    return np.fft.fft2(image, axes=(-2, -1)).astype(np.complex64)


PATTERN = np.random.default_rng(1).random(SIZE) < 0.4
PATTERN[22:42, 14:34] = True
MASKS = {
    "lines": line_mask(48, 3, 12),
    "points": PATTERN,
    "one side": np.arange(48) >= 14,
}


@pytest.mark.parametrize("kind", list(MASKS))
@pytest.mark.parametrize("coils", [1, 4])
def test_rounding_is_not_taken_for_measured(tmp_path, kind, coils):
    if (kind, coils) == ("points", 1):
        pytest.skip("single points of one coil may be as weak as rounding")
    mask = MASKS[kind]
    scan = read(tmp_path, there_and_back(KSPACE[:, :coils] * mask))
    np.testing.assert_array_equal(scan.mask, mask)
    assert (scan.kspace[..., ~mask] == 0).all()
    assert any("as rounding leaves them" in note for note in scan.notes)


def test_values_of_another_precision_that_stand_for_nothing(tmp_path):
    mask = MASKS["lines"]
    scan = read(tmp_path, np.where(mask, KSPACE, 1e-20))
    np.testing.assert_array_equal(scan.mask, mask)


@pytest.mark.parametrize("width", [0.02, 0.1, 0.3])
def test_k_space_without_noise_keeps_all_its_values(tmp_path, width):
    """A Gaussian's, which falls to the smallest numbers there are."""
    frequencies = [np.arange(n) - n // 2 for n in SIZE]
    one, other = (np.exp(-2 * (np.pi * width * k) ** 2) for k in frequencies)
    kspace = (np.array([1, 0.5j, -0.3])[:, None, None] * one[:, None] * other).astype(np.complex64)
    scan = read(tmp_path, kspace)
    np.testing.assert_array_equal(scan.kspace[0], kspace)


@pytest.mark.parametrize("place", [(20, 9), (60, 40)])
def test_a_spike_is_said_and_no_centre(tmp_path, place):
    kspace = KSPACE.copy()
    kspace[1, 2, place[0], place[1]] = 20 * np.abs(kspace).max()
    scan = read(tmp_path, kspace)
    np.testing.assert_array_equal(scan.kspace, kspace)
    assert any(f"slice 1, sample {place[0]}, line {place[1]}" in note for note in scan.notes)


def test_no_spike_is_seen_where_there_is_none(tmp_path):
    assert not any("spikes" in note for note in read(tmp_path, KSPACE).notes)
    assert not any("spikes" in note for note in read(tmp_path, KSPACE * line_mask(48, 3, 12)).notes)
