"""Coils whose gains differ."""

import numpy as np
import pytest

from rsd_mri.coils.loudest import loudest_in_words
from rsd_mri.preparation.prepare import calibrate_volume
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.simulation import simulate_scan


@pytest.mark.parametrize(("gain", "said"), [(1.0, False), (3.0, False), (1000.0, True), (0.001, False)])
def test_only_a_coil_that_shades_the_image_is_named(gain, said):
    scan, _ = simulate_scan(DataSettings(slices=1, coils=6, noise=0.01), 0, "gains", size=(48, 48))
    for array in (scan.kspace[:, 2], scan.noise[2]):
        array *= gain
    notes = calibrate_volume(scan, PrepSettings()).notes
    assert any("Coil 2 is" in note and "root sum of squares" in note for note in notes) == said


def test_a_noisy_coil_that_sees_no_more_is_none():
    calibration = np.ones((1, 4, 8, 8), np.complex64) * np.array([1, 1, 0.01, 1])[:, None, None]
    assert loudest_in_words(np.diag([1.0, 1.0, 100.0, 1.0]), calibration) is None
    assert "Coil 2 is 100 times" in str(loudest_in_words(np.diag([1.0, 1.0, 100.0, 1.0]), np.ones((1, 4, 8, 8))))
