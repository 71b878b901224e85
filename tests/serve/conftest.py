"""One server and one small scan for all tests of a run."""

import pytest
from mrd_client import Running

from rsd_mri.machine.randomness import generator
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation import simulate_scan


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server with a short patience, that stores where it is asked to."""
    folder = tmp_path_factory.mktemp("serve")
    running = Running(folder, "--samples", 2, "--idle", 4, "--save", folder / "saved", "--max-memory", 0.05)
    running.saved = folder / "saved"
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def small_scan():
    """Twofold undersampled with noise lines: 2 slices, 4 coils, 48x40."""
    pattern = draw_mask(MaskSettings(acceleration=2, acs_lines=12), (48, 40), generator(3, "mask"))
    settings = DataSettings(slices=2, coils=4, noise=0.005)
    return simulate_scan(settings, 3, "serve", size=(48, 40), plane="axial", pattern=pattern)[0]
