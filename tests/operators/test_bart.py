"""BART's unitary FFT is ours, and BART reconstructs what our operators simulate (Uecker et al. 2015)."""

import shutil
import subprocess

import numpy as np
import pytest
import torch
from bart_files import read_cfl, write_cfl

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import fft2c
from rsd_mri.simulation import draw_head, simulate_slice

pytestmark = pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")


def bart(*words):
    subprocess.run(["bart", *map(str, words)], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("size", [(8, 6), (7, 9), (12, 11)])
def test_unitary_fft_is_barts(size, tmp_path):
    image = normal(size, generator("bart", *size))
    write_cfl(tmp_path / "image", image.numpy())
    bart("fft", "-u", 3, tmp_path / "image", tmp_path / "kspace")
    assert np.allclose(read_cfl(tmp_path / "kspace"), fft2c(image).numpy(), atol=1e-5)


@pytest.mark.slow
def test_bart_reconstructs_a_simulated_slice(tmp_path):
    """BART's parallel imaging, told our maps, finds our image from half of the lines."""
    kspace, csm, image = simulate_slice(draw_head(6, 0, 1, 8, plane="axial"), 0, (64, 64))
    mask = torch.zeros(64, dtype=torch.bool)
    mask[::2] = True
    mask[24:40] = True
    for name, array in (("kspace", kspace * mask), ("csm", csm)):
        write_cfl(tmp_path / name, array.permute(1, 2, 0)[:, :, None].numpy())
    bart("pics", "-S", "-i", 60, tmp_path / "kspace", tmp_path / "csm", tmp_path / "image")
    error = np.linalg.norm(read_cfl(tmp_path / "image") - image.numpy()) / np.linalg.norm(image.numpy())
    assert error < 0.03
