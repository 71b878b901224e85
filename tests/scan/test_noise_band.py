"""Noise scans whose ends the receiver's filter made quieter than the band in which the image lies."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from spots import axes_of_samples, record, signal, xml

from rsd_mri.coils.noise import scan_noise
from rsd_mri.operators.fourier import fft1c, ifft2c
from rsd_mri.scan import read_scan
from rsd_mri.scan.answers import Answers
from rsd_mri.scan.noise_band import in_band
from rsd_mri.scan.record_writing import write_records
from rsd_mri.scan.records import NOISE

ACR = Path(__file__).parents[3] / "shared" / "data" / "siemens_acr" / "gre.dat"
SIZE, FOV = (64, 48), (128.0, 96.0)
MIXING = np.array([[1, 0, 0], [0.6j, 0.8, 0], [0, 1.2, 1.6]])
COVARIANCE = MIXING @ MIXING.conj().T
"""Of the noise of three coils, where the receiver's filter is flat."""


def readouts(count=16, samples=256, filtered=True, seed=3):
    """Noise readouts [record, coil, sample]; the filter is flat over the middle 0.6 of the band, and falls to 0.35."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((count, 3, samples)) + 1j * rng.standard_normal((count, 3, samples))
    noise = MIXING @ white / np.sqrt(2)
    if filtered:
        place = np.abs(np.fft.fftfreq(samples)) * 2
        noise = np.fft.ifft(np.fft.fft(noise) * np.interp(place, [0.6, 1], [1, 0.35]))
    return noise.astype(np.complex64)


def scan_with(path, noise, bandwidth=None, dwell=5.0):
    """ISMRMRD of a spot of three coils after records of noise, whose header says a bandwidth or none."""
    axes = [axes_of_samples(n, n // 2, f) for n, f in zip(SIZE, FOV, strict=True)]
    k = signal(axes, (14.0, -9.0), width=8.0)
    lines = [record(k[:, :, i], i, centre=SIZE[0] // 2) for i in range(SIZE[1])]
    first = [record(one, 0, centre=128, flags=(NOISE,)) for one in noise]
    for one in first:
        one.sample_time_us = dwell
    header = xml(encoded=(*SIZE, 1), recon=(*SIZE, 1), encoded_fov=(*FOV, 5), recon_fov=(*FOV, 5))
    if bandwidth is not None:
        said = f"<relativeReceiverNoiseBandwidth>{bandwidth}</relativeReceiverNoiseBandwidth>"
        header = header.replace("<receiverChannels>", f"{said}<receiverChannels>")
    return read_scan(write_records(path / "a.h5", header, first + lines))


def off(scan):
    """Level of the noise scan over the true one of each coil, and the largest error of a correlation."""
    found = scan_noise(scan).covariance
    levels, true = (np.sqrt(np.diag(c).real) for c in (found, COVARIANCE))
    return levels / true, np.abs(found / np.outer(levels, levels) - COVARIANCE / np.outer(true, true)).max()


@pytest.mark.parametrize("bandwidth", [None, 0.793, 0.5])
@pytest.mark.parametrize("filtered", [False, True])
def test_the_level_is_that_of_the_middle_of_the_band_whatever_the_header_says(tmp_path, filtered, bandwidth):
    scan = scan_with(tmp_path, readouts(filtered=filtered), bandwidth)
    levels, correlation = off(scan)
    np.testing.assert_allclose(levels, 1, atol=0.05)
    assert correlation < 0.05
    assert any("receiver's filter" in note for note in scan.notes) == filtered


def test_the_filter_is_seen_beside_another_dwell_time_and_a_tone(tmp_path):
    noise = readouts()
    noise[:, 1] += 20 * np.exp(2j * np.pi * 0.41 * np.arange(256))
    levels, _ = off(scan_with(tmp_path, noise, dwell=20.0))
    np.testing.assert_allclose(levels, 2, atol=0.1)  # of lines with four times the bandwidth


def test_of_few_samples_the_header_is_believed(tmp_path):
    noise = readouts(count=1)
    assert not in_band(noise[0]).known
    (tmp_path / "said").mkdir()
    as_it_is, believed = off(scan_with(tmp_path, noise))[0], off(scan_with(tmp_path / "said", noise, 0.64))[0]
    np.testing.assert_allclose(believed / as_it_is, 1.25, rtol=1e-4)


@pytest.mark.parametrize("samples", [1001, 4096])
def test_noise_is_cut_once(samples):
    noise = readouts(count=1, samples=samples)[0]
    once = in_band(noise)
    assert once.cut and once.samples.shape[1] == pytest.approx(samples / 2, abs=1)
    again = in_band(once.samples)
    assert not again.cut and again.samples is once.samples


@pytest.mark.parametrize("coils", [1, 3])
def test_white_noise_is_never_cut(coils):
    for seed in range(100):
        noise = readouts(count=4, filtered=False, seed=seed)[:, :coils].transpose(1, 0, 2).reshape(coils, -1)
        found = in_band(noise)
        assert found.known and not found.cut and found.samples is noise


def test_silence_and_too_little_are_left_alone():
    for noise in (np.zeros((2, 4000), np.complex64), readouts(count=1, samples=20)[0]):
        found = in_band(noise)
        assert not found.known and found.samples is noise


def test_a_file_of_our_own_keeps_its_noise(tmp_path):
    scan = scan_with(tmp_path, readouts())
    again = read_scan(scan.save(tmp_path / "b.h5"))
    np.testing.assert_array_equal(again.noise, scan.noise)
    rolled = np.concatenate(list(readouts()), axis=1)
    raw = read_scan(dataclasses.replace(scan, noise=rolled).save(tmp_path / "c.h5"))
    np.testing.assert_allclose(off(raw)[0], 1, atol=0.05)


@pytest.mark.skipif(not ACR.is_file(), reason="needs the phantom scan")
def test_noise_that_a_real_receiver_filtered_has_the_level_of_the_corners_of_the_image(tmp_path):
    """Readouts beside the object, as the receiver recorded them, are given as the noise scan."""
    image = ifft2c(torch.from_numpy(read_scan(ACR).kspace)).numpy()[0]
    beside, corners = image[:, :, [*range(0, 12, 2), *range(148, 160, 2)]], image[:, :, [*range(1, 12, 2), 149, 159]]
    # In the middle the object's ghost stands out of the noise, which is as strong on either side of it.
    noise = beside.copy()
    noise[:, 136:184] = np.roll(beside[:, 88:136], 1, axis=-1)
    lines = fft1c(torch.from_numpy(noise), dim=-2).numpy()
    np.save(tmp_path / "noise.npy", lines.transpose(0, 2, 1).reshape(2, -1))
    scan = read_scan(ACR, answers=Answers(noise=tmp_path / "noise.npy"))
    truth = np.mean(np.abs(corners[:, np.r_[88:132, 188:232]]) ** 2, axis=(1, 2))
    found = scan_noise(scan)
    assert found.source == "scan"
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance).real / truth), 1, atol=0.05)
