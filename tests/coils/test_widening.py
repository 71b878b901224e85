"""A narrow centre is widened by the samples around it: against the whole k-space of simulated heads."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from rsd_mri.coils.acs import centre, in_window
from rsd_mri.coils.widening import widened
from rsd_mri.operators import ifft2c
from rsd_mri.preparation.prepare import calibrate_volume, calibrated_like, maps_of
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.simulation import simulate_scan

SIZE = (96, 72)


@cache
def head(fov, centre_lines=10, every=4, **changes):
    """A scan of 8 coils with few lines in the centre, and its whole k-space without noise."""
    coils = changes.pop("coils", 8)
    noisy, clean = (
        simulate_scan(
            DataSettings(slices=2, coils=coils, noise=noise), 5, "widening", size=SIZE, plane="axial", fov=fov
        )[0]
        for noise in (0.01, 0.0)
    )
    places = np.arange(SIZE[1]) - SIZE[1] // 2
    acquired = (np.abs(places + 0.5) < centre_lines / 2) | (places % every == 0 if every else False)
    return replace(noisy, kspace=noisy.kspace * acquired, mask=acquired, mask_source="file", **changes), clean.kspace


def unexplained(csm, images):
    """Share of the coil images, root of energies, outside the span of maps [set, coil, ...]."""
    rest = images - (csm * (csm.conj() * images).sum(1, keepdims=True)).sum(0)
    return np.sqrt(np.sum(np.abs(rest) ** 2) / np.sum(np.abs(images) ** 2))


@pytest.mark.parametrize("fov", [0.6, 1.0])
def test_the_gaps_are_filled_by_what_was_not_acquired(fov):
    scan, whole = head(fov)
    volume = calibrate_volume(scan, PrepSettings())
    assert volume.calibration.shape[-2:] == (24, 10) and volume.widened.shape[-2:] == (24, 24)
    true = np.stack([centre(volume.virtual(one), (24, 24)) for one in whole])
    acquired = np.broadcast_to(centre(np.broadcast_to(scan.mask, SIZE), (24, 24)), true.shape)
    off, gaps = (volume.widened - true)[~acquired], true[~acquired]
    assert np.linalg.norm(off) < 0.6 * np.linalg.norm(gaps)
    # What was acquired stays as it is.
    measured = np.stack([centre(volume.virtual(one), (24, 24)) for one in scan.kspace])
    np.testing.assert_allclose(volume.widened[acquired], measured[acquired], atol=1e-5)
    assert f"{volume.calibration.shape[-2]}x10 points is narrow" in volume.notes[0]


@pytest.mark.parametrize("fov", [0.6, 1.0])
def test_the_maps_explain_more(fov):
    scan, whole = head(fov)
    volume = replace(calibrate_volume(scan, PrepSettings(sets="2")), n_sets=2)
    images = ifft2c(torch.from_numpy(volume.virtual(whole[0]))).numpy()
    ours, narrow, wide = (
        unexplained(maps_of(one, 0, SIZE[1], PrepSettings()).csm[0].numpy(), images)
        for one in (
            volume,
            replace(volume, widened=None),
            replace(volume, widened=np.stack([centre(volume.virtual(one), (24, 24)) for one in whole])),
        )
    )
    # Of what the narrow centre costs, half at least is won back.
    assert ours - wide < 0.5 * (narrow - wide)


def test_the_unit_of_the_data_and_a_mixing_of_the_coils_change_nothing():
    scan, _ = head(0.6)
    volume = calibrate_volume(scan, PrepSettings())
    kspace = torch.from_numpy(volume.virtual(scan.kspace[0]))[None]
    mask = torch.from_numpy(np.broadcast_to(scan.mask, SIZE).copy())
    mixing = torch.linalg.qr(torch.randn(8, 8, dtype=torch.complex64, generator=torch.Generator().manual_seed(1)))[0]
    how = {"threshold": 0.02, "crop": 0.9}

    def wide(lines, noise):
        return widened(in_window(lines, (24, 10)), lines, mask, (24, 24), 5, noise=noise, **how)

    plain = wide(kspace, volume.sigma)
    mixed = wide(torch.einsum("vc,bcyx->bvyx", mixing, 4 * kspace), 4 * volume.sigma)
    expected = torch.einsum("vc,bcyx->bvyx", mixing, 4 * plain)
    assert (mixed - expected).norm() < 1e-3 * expected.norm()


def test_points_are_widened_both_ways():
    scan, whole = head(0.8)
    rows = np.abs(np.arange(SIZE[0]) - SIZE[0] // 2 + 0.5) < 7
    mask = scan.mask & (rows[:, None] | (np.arange(SIZE[0]) % 2 == 0)[:, None])
    points = replace(scan, kspace=whole * mask, mask=mask)
    volume = calibrate_volume(points, PrepSettings())
    assert volume.calibration.shape[-2:] == (14, 10) and volume.widened.shape[-2:] == (24, 24)
    true = centre(volume.virtual(whole[0]), (24, 24))
    gaps = np.where(centre(mask, (24, 24)), 0, true)
    assert np.linalg.norm(volume.widened[0] - true) < 0.6 * np.linalg.norm(gaps)


def test_a_centre_that_image_and_coils_gave_is_made_anew():
    """Random lines, four in the middle, of a head that wraps."""
    full, whole = head(0.7, SIZE[1])
    mask = np.random.default_rng(3).random(SIZE[1]) < 0.3
    mask[SIZE[1] // 2 - 2 : SIZE[1] // 2 + 2] = True
    volume = calibrate_volume(replace(full, kspace=full.kspace * mask, mask=mask), PrepSettings())
    assert "found together" in volume.notes[0] and "narrow" not in volume.notes[0]
    true = np.stack([centre(volume.virtual(one), (24, 24)) for one in whole])
    gaps = ~np.broadcast_to(centre(np.broadcast_to(mask, SIZE), (24, 24)), true.shape)
    before, now = (np.linalg.norm((one - true)[gaps]) for one in (volume.calibration, volume.widened))
    assert now < 0.9 * before


@pytest.mark.parametrize(
    "what", [{"centre_lines": 24}, {"every": 0}, {"coils": 1}], ids=["wide enough", "nothing around", "one coil"]
)
def test_where_there_is_nothing_to_widen_or_to_widen_it_by(what):
    volume = calibrate_volume(head(1.0, **what)[0], PrepSettings())
    assert volume.widened is None and "narrow" not in volume.notes[0]


def test_the_middle_of_an_array_and_zeros_around_it():
    array = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    larger = in_window(array, (9, 7))
    np.testing.assert_array_equal(larger, np.pad(array[..., 1:], ((0, 0), (2, 2), (0, 0))))
    assert torch.equal(in_window(in_window(array, (11, 16)), (5, 8)), array)


@pytest.mark.parametrize("image", [None, (48, 72)], ids=["whole readout", "object beyond the crop"])
def test_further_slices_of_a_volume_are_calibrated_as_if_they_had_come_together(image):
    scan, _ = head(0.6, image_size=image)
    together = calibrate_volume(scan, PrepSettings())
    assert (together.map_readout > together.n_readout) == (image is not None)
    last = replace(scan, kspace=scan.kspace[1:])
    apart = calibrated_like(last, together, PrepSettings())
    np.testing.assert_allclose(apart.calibration, together.calibration[1:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(apart.widened, together.widened[1:], rtol=1e-4, atol=1e-4)
    assert (apart.acs, apart.calib_width) == (together.acs, together.calib_width)
