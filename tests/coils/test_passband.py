"""Oversampled readouts whose ends the receiver's filter made quieter than the image."""

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from rsd_mri.coils.noise import data_noise
from rsd_mri.coils.passband import in_passband
from rsd_mri.operators.fourier import fft1c, ifft1c, ifft2c
from rsd_mri.protocol import DataSettings
from rsd_mri.scan.reading import read_scan
from rsd_mri.simulation import simulate_scan

ACR = Path(__file__).parents[3] / "shared" / "data" / "siemens_acr" / "gre.dat"


@cache
def a_head(n_coils):
    """A head that reaches beyond the middle half of an oversampled readout, in white noise of 0.02."""
    data = DataSettings(slices=1, coils=n_coils, noise=0.02)
    scan = simulate_scan(data, 5, "passband", size=(256, 112), contrast="T2", plane="axial")[0]
    return dataclasses.replace(scan, image_size=(128, 112), noise=None)


def rolled_off(scan):
    """The scan behind a filter that is flat over the image, and falls to a third at the ends of the readout."""
    beyond = np.clip(np.abs(np.arange(256) - 128) - 64, 0, None) / 64
    image = ifft1c(torch.from_numpy(scan.kspace), dim=-2) * torch.from_numpy(1 - 2 / 3 * beyond)[:, None]
    return dataclasses.replace(scan, kspace=fft1c(image.to(torch.complex64), dim=-2).numpy())


def undersampled(scan, acceleration):
    mask = (np.abs(np.arange(112) - 56) < 10) | (np.arange(112) % acceleration == 0)
    return dataclasses.replace(scan, kspace=scan.kspace * mask, mask=mask)


@pytest.mark.parametrize("n_coils", [1, 4])
@pytest.mark.parametrize("acceleration", [1, 4])
def test_the_level_is_that_in_the_image(n_coils, acceleration):
    found = data_noise(undersampled(rolled_off(a_head(n_coils)), acceleration))
    level = found.mean * np.sqrt(np.trace(found.covariance).real / n_coils)
    assert level == pytest.approx(0.02, rel=0.15)


@pytest.mark.parametrize("acceleration", [1, 4])
def test_white_noise_leaves_the_whole_readout(acceleration):
    scan = undersampled(a_head(4), acceleration)
    assert in_passband(scan) is scan


def test_a_readout_with_missing_samples_is_not_cut():
    scan = rolled_off(a_head(1))
    kspace = scan.kspace.copy()
    kspace[:, :, :30] = 0
    partial = dataclasses.replace(scan, kspace=kspace)
    assert in_passband(partial) is partial and in_passband(scan).size == (128, 112)


def test_lines_outside_the_mask_are_never_read():
    scan = undersampled(rolled_off(a_head(1)), 4)
    spoilt = dataclasses.replace(scan, kspace=np.where(scan.mask, scan.kspace, np.complex64(1e3)))
    assert np.array_equal(in_passband(scan).kspace, in_passband(spoilt).kspace)


@pytest.mark.skipif(not ACR.is_file(), reason="needs the phantom scan")
@pytest.mark.parametrize("acceleration", [1, 4])
def test_the_noise_of_a_real_phantom_is_that_of_the_corners_of_its_image(acceleration):
    scan = read_scan(ACR)
    image = ifft2c(torch.from_numpy(scan.kspace)).numpy()[0]
    corners = np.concatenate([image[:, 85:105, :12], image[:, 85:105, -12:]], axis=-1)
    truth = float(np.mean(np.abs(corners) ** 2))
    mask = (np.abs(np.arange(160) - 80) < 10) | (np.arange(160) % acceleration == 0)
    found = data_noise(dataclasses.replace(scan, kspace=scan.kspace * mask, mask=mask, noise=None))
    level = found.mean**2 * np.trace(found.covariance).real / 2
    assert np.sqrt(level / truth) == pytest.approx(1, abs=0.15)
