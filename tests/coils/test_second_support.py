"""How far the second set of maps of a head that wraps reaches."""

from functools import cache

import numpy as np
import pytest
import torch

from rsd_mri.coils.espirit import espirit
from rsd_mri.coils.second_support import FURTHER, second_crop
from rsd_mri.operators import ifft2c
from rsd_mri.preparation.centres import kernel_width
from rsd_mri.preparation.prepare import calibrate_volume, maps_of
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.simulation import simulate_scan

SIZE = (96, 64)
BRIGHT, DARK = "T2", "FLAIR"
"""Contrasts of heads of which the edge that wraps is bright, or is not."""


@cache
def wrapped(contrast, coils=8):
    """Calibration of a head that wraps, and its coil images without noise, prepared."""
    case = f"wrap trial {('T2', 'T1', 'FLAIR', 'PD').index(contrast)}"
    noisy, clean = (
        simulate_scan(
            DataSettings(slices=1, coils=coils, noise=noise), 74, case,
            size=SIZE, plane="axial", fov=0.55, contrast=contrast,
        )[0]
        for noise in (0.01, 0.0)
    )  # fmt: skip
    volume = calibrate_volume(noisy, PrepSettings())
    return volume, ifft2c(torch.from_numpy(volume.virtual(clean.kspace[0]))).numpy()


def width_of(volume):
    return kernel_width(PrepSettings(), volume.calib_width)


def chosen(volume, **changes):
    how = {"kernel_width": width_of(volume), "threshold": 0.02, "noise": volume.sigma, "crop": 0.9, **changes}
    return second_crop(torch.from_numpy(volume.calibration[:1]), **how)


def unexplained(csm, images):
    """Share of the coil images, root of energies, that lies outside the span of maps [set, coil, ...]."""
    rest = images - (csm * (csm.conj() * images).sum(1, keepdims=True)).sum(0)
    return np.sqrt(np.sum(np.abs(rest) ** 2) / np.sum(np.abs(images) ** 2))


def maps(volume, **changes):
    how = {"kernel_width": width_of(volume), "noise": volume.sigma, "sets": 2, **changes}
    return espirit(torch.from_numpy(volume.calibration[:1]), SIZE, **how)


def test_a_bright_edge_that_wraps_is_explained():
    volume, images = wrapped(BRIGHT)
    assert volume.n_sets == 2 and chosen(volume) in FURTHER
    usual = unexplained(maps(volume).csm[0].numpy(), images)
    now = unexplained(maps_of(volume, 0, SIZE[1], PrepSettings()).csm[0].numpy(), images)
    best = unexplained(maps(volume, crop=0.0).csm[0].numpy(), images)
    # Of what any crop costs, all but a quarter is won back.
    assert now - best < 0.25 * (usual - best)


def test_where_nothing_is_gained_the_second_set_stays_as_it_is():
    volume, images = wrapped(DARK)
    assert volume.n_sets == 2 and chosen(volume) == 0.9
    usual = maps(volume, reference=torch.eye(8, dtype=torch.complex64)[0]).csm
    assert torch.equal(maps_of(volume, 0, SIZE[1], PrepSettings()).csm, usual)
    assert unexplained(usual[0].numpy(), images) < 1.1 * unexplained(maps(volume, crop=0.8).csm[0].numpy(), images)


@pytest.mark.parametrize("contrast", [BRIGHT, DARK])
def test_the_unit_of_the_data_and_a_mixing_of_the_coils_change_nothing(contrast):
    volume, _ = wrapped(contrast)
    mixing = torch.linalg.qr(torch.randn(8, 8, dtype=torch.complex64, generator=torch.Generator().manual_seed(1)))[0]
    mixed = torch.einsum("vc,bcyx->bvyx", mixing, 4 * torch.from_numpy(volume.calibration[:1]))
    assert second_crop(mixed, 6, 0.02, 4 * volume.sigma, 0.9) == chosen(volume)


def test_two_coils_are_not_asked():
    volume, _ = wrapped(DARK, coils=2)
    assert chosen(volume) == 0.9


def test_a_crop_that_reaches_as_far_and_silence_stay_as_they_are():
    volume, _ = wrapped(BRIGHT)
    assert chosen(volume, crop=0.5) == 0.5
    assert second_crop(torch.zeros(1, 4, 20, 20, dtype=torch.complex64), 6, 0.02, 0.01, 0.9) == 0.9


def test_the_crop_of_the_second_set_is_its_own():
    volume, _ = wrapped(BRIGHT)
    usual, further = maps(volume), maps(volume, second_crop=0.6)
    assert torch.equal(usual.csm[:, 0], further.csm[:, 0])
    seen = further.csm[:, 1].abs().square().sum(1) > 0.5
    assert torch.equal(seen, further.eigenvalues[:, 1] > 0.6) and seen.sum() > (usual.eigenvalues[:, 1] > 0.9).sum()
