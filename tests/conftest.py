"""Small simulated scans for every folder of tests; this file also puts `adjointness` on the import path.

What is heavy is imported by the fixtures: the process that only hands tests to others need not wait for torch.
"""

import os

# Two test processes of two threads each would wait for one another on two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The programs that tests start need not compile the package one after the other.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of a file go to one process, and all that share the server go to one: it is begun once.

    Marks of groups do nothing where pytest 9.2 meets pytest-xdist 3.8: every fixture of a file was made twice.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return "server" if file.startswith("tests/serve/") else file

    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Whatever the environment says of threads."""
    import torch

    torch.set_num_threads(1)


def simulated(seed, name, slices, coils, noise, size, **law):
    """A scan and its noiseless image."""
    from rsd_mri.protocol import DataSettings
    from rsd_mri.simulation import simulate_scan

    return simulate_scan(DataSettings(slices=slices, coils=coils, noise=noise), seed, name, size=size, **law)


@pytest.fixture(scope="session")
def full_scan():
    """A fully sampled scan and its noiseless image: 2 slices, 6 coils, 64x56."""
    return simulated(7, "full", 2, 6, 0.005, (64, 56), plane="axial")


@pytest.fixture(scope="session")
def odd_scan():
    """A fully sampled scan of odd size, with correlated noise: 1 slice, 4 coils, 49x45."""
    return simulated(7, "odd", 1, 4, 0.01, (49, 45), noise_correlation=0.3)


@pytest.fixture(scope="session")
def undersampled_scan():
    """Twofold undersampled, 12 centre lines, and its noiseless image: 2 slices, 6 coils, 64x56."""
    from rsd_mri.machine.randomness import generator
    from rsd_mri.protocol import MaskSettings
    from rsd_mri.scan.patterns import draw_mask

    pattern = draw_mask(MaskSettings(acceleration=2, acs_lines=12), (64, 56), generator(7, "mask"))
    return simulated(7, "full", 2, 6, 0.005, (64, 56), plane="axial", pattern=pattern)


@pytest.fixture(scope="session")
def wrapped_scan():
    """A field of view smaller than the head, so that one set of maps is not enough: 1 slice, 8 coils, 64x48."""
    return simulated(7, "wrapped", 1, 8, 0.002, (64, 48), plane="axial", fov=0.5)


@pytest.fixture
def rng():
    """A torch generator of fixed seed."""
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture
def numpy_rng():
    """A NumPy generator of fixed seed."""
    import numpy as np

    return np.random.default_rng(0)
