"""Files of ISMRMRD's own generator, which keep the truth they were made from: phantom, maps and coil images."""

import shutil
import subprocess

import h5py
import numpy as np
import pytest
import sigpy
import torch

from rsd_mri.operators import sense_operator
from rsd_mri.preparation import prepare_slice
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.classical.methods import cg_sense
from rsd_mri.scan import read_scan
from rsd_mri.scan.reading import read_scans

TOOL = "ismrmrd_generate_cartesian_shepp_logan"
pytestmark = pytest.mark.skipif(shutil.which(TOOL) is None, reason="the ISMRMRD tools are not installed")
N = 96


def generated(tmp_path, *options, coils=8):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.h5"  # the generator adds to a file that is there
    subprocess.run([TOOL, "-m", str(N), "-c", str(coils), "-o", str(path), *options], check=True, capture_output=True)
    return path


def stored(path, name):
    """What the generator stored, as [coil, readout, phase_encode] or [readout, phase_encode]."""
    with h5py.File(path) as file:
        raw = file[f"dataset/{name}"][()]
        return np.squeeze(raw["real"] + 1j * raw["imag"], axis=0).swapaxes(-1, -2)


@pytest.mark.parametrize(("oversampling", "coils"), [(2, 8), (2, 1), (1, 5), (1, 16)])
def test_noiseless_coil_images_are_those_stored(tmp_path, oversampling, coils):
    path = generated(tmp_path, "-O", str(oversampling), "-n", "0", coils=coils)
    scan = read_scan(path)
    assert scan.kspace.shape == (1, coils, N * oversampling, N)
    assert scan.mask_source == "full"
    images = sigpy.ifft(scan.kspace[0], axes=(-2, -1))
    truth = stored(path, "coil_images")
    error = np.linalg.norm(images / np.linalg.norm(images) - truth / np.linalg.norm(truth))
    assert error < 1e-5


def test_root_sum_of_squares_is_that_of_the_reference_reconstruction(tmp_path):
    path = generated(tmp_path, "-C")
    subprocess.run(["ismrmrd_recon_cartesian_2d", str(path)], check=True, capture_output=True)
    with h5py.File(path) as file:
        theirs = np.squeeze(file["dataset/cpp/data"][()]).swapaxes(-1, -2)
    scan = read_scan(path)
    assert scan.image_size == theirs.shape == (N, N)
    images = sigpy.resize(sigpy.ifft(scan.kspace[0], axes=(-2, -1)), (8, N, N))
    ours = np.sqrt((np.abs(images) ** 2).sum(0))
    np.testing.assert_allclose(ours / ours.max(), theirs / theirs.max(), atol=1e-4)


def test_noise_scan_is_the_noise_of_the_lines(tmp_path):
    scan = read_scan(generated(tmp_path, "-C", "-n", "0.05"))
    clean = read_scan(generated(tmp_path, "-n", "0"))
    noise = scan.kspace - clean.kspace
    assert scan.noise.shape == (8, 2 * N)
    assert np.sqrt(np.mean(np.abs(scan.noise) ** 2)) == pytest.approx(np.sqrt(np.mean(np.abs(noise) ** 2)), rel=0.05)


@pytest.mark.parametrize(("acceleration", "width", "repetitions"), [(2, 24, 1), (3, 18, 2), (4, 16, 1)])
def test_accelerated_scans_reconstruct_with_their_calibration_lines(tmp_path, acceleration, width, repetitions):
    options = ("-a", str(acceleration), "-w", str(width), "-r", str(repetitions), "-C", "-n", "0.005")
    path = generated(tmp_path, *options)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.mask, np.arange(N) % acceleration == 0)
    assert scan.calibration.shape == (1, 8, 2 * N, width)
    assert not any("averaged" in note for note in scan.notes)
    assert any("repetition" in note for note in scan.notes)
    one = prepare_slice(scan, 0, PrepSettings(calib_width=width))
    assert one.noise_source == "scan"
    truth = np.sqrt((np.abs(sigpy.resize(stored(path, "coil_images"), (8, N, N))) ** 2).sum(0))
    operator = sense_operator(torch.from_numpy(one.csm)[None], torch.from_numpy(one.mask))
    image = cg_sense(operator, torch.from_numpy(one.kspace)[None], one.sigma**2)[0].numpy()
    reached, folded = quality(truth, combined(one, image)), quality(truth, combined(one, one.image))
    assert reached > max(folded + 6, 28)


@pytest.mark.parametrize(("acceleration", "width"), [(2, 16), (4, 24)])
def test_every_interleave_has_the_whole_calibration(tmp_path, acceleration, width):
    """The generator turns the undersampled lines on by one each repetition, and flags each with its calibration."""
    scans = read_scans(generated(tmp_path, "-a", str(acceleration), "-w", str(width), "-n", "0"))
    assert len(scans) == acceleration
    full = read_scan(generated(tmp_path, "-n", "0")).kspace[..., N // 2 - width // 2 : N // 2 + width // 2]
    for offset, scan in enumerate(scans):
        np.testing.assert_array_equal(scan.mask, np.arange(N) % acceleration == offset)
        assert scan.calibration.shape == (1, 8, 2 * N, width)
        np.testing.assert_allclose(scan.calibration, full, atol=1e-5 * np.abs(full).max())
        assert not any("averaged" in note or "left out" in note for note in scan.notes)


def combined(one, image):
    """Root sum of squares of the coil images of an image."""
    coil_images = (one.csm * image[..., None, :, :]).reshape(-1, *one.csm.shape[-3:]).sum(0)
    return np.sqrt((np.abs(np.tensordot(one.back, coil_images, 1)) ** 2).sum(0))


def quality(truth, image):
    """PSNR [dB] after the best scale."""
    scale = np.vdot(image, truth) / np.vdot(image, image)
    return 20 * np.log10(truth.max() / np.sqrt(np.mean((truth - scale * image) ** 2)))
