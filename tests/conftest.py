"""Small simulated scans for every folder of tests; this file also puts `adjointness` on the import path."""

import os

# Two test processes of two threads each would wait for one another on two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

from rsd_mri.machine.randomness import generator
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation import simulate_scan

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def full_scan():
    """A fully sampled scan and its noiseless image: 2 slices, 6 coils, 64x56."""
    return simulate_scan(DataSettings(slices=2, coils=6, noise=0.005), 7, "full", size=(64, 56), plane="axial")


@pytest.fixture(scope="session")
def odd_scan():
    """A fully sampled scan of odd size, with correlated noise: 1 slice, 4 coils, 49x45."""
    return simulate_scan(DataSettings(slices=1, coils=4, noise=0.01), 7, "odd", size=(49, 45), noise_correlation=0.3)


@pytest.fixture(scope="session")
def undersampled_scan():
    """Twofold undersampled, 12 centre lines, and its noiseless image: 2 slices, 6 coils, 64x56."""
    pattern = draw_mask(MaskSettings(acceleration=2, acs_lines=12), (64, 56), generator(7, "mask"))
    return simulate_scan(
        DataSettings(slices=2, coils=6, noise=0.005), 7, "full", size=(64, 56), plane="axial", pattern=pattern
    )


@pytest.fixture(scope="session")
def wrapped_scan():
    """A field of view smaller than the head, so that one set of maps is not enough: 1 slice, 8 coils, 64x48."""
    return simulate_scan(
        DataSettings(slices=1, coils=8, noise=0.002), 7, "wrapped", size=(64, 48), plane="axial", fov=0.5
    )


@pytest.fixture
def rng():
    """A torch generator of fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def numpy_rng():
    """A NumPy generator of fixed seed."""
    return np.random.default_rng(0)
