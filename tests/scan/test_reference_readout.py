"""Calibration lines of the image's encoding whose readout has other samples: of another resolution, or oversampled."""

import numpy as np
import pytest
from spots import acquire, axes_of_samples, scans, signal, xml

from rsd_mri.scan.records import CALIBRATION

PLACE, LINES, FOV = (9.0, -14.0), 48, 96.0


@pytest.mark.parametrize(("image", "reference"), [
    ((64, 128.0), (128, 256.0)),  # the reference alone is oversampled
    ((128, 128.0), (64, 64.0)),  # the image alone is
    ((64, 128.0), (128, 128.0)),  # of twice the resolution
    ((128, 128.0), (64, 128.0)),  # of half of it
    ((64, 128.0), (64, 128.0)),
])  # fmt: skip
@pytest.mark.parametrize("mode", ["separate", ""])
def test_they_come_to_the_image_s_field_of_view(image, reference, mode):
    (n, fov), (samples, covered) = image, reference
    lines = acquire(PLACE, (samples, LINES), (covered, FOV), which=range(12, 36), flags=(CALIBRATION,))
    lines += acquire(PLACE, (n, LINES), (fov, FOV), which=range(0, LINES, 3))
    header = xml((n, LINES, 1), (n, LINES, 1), (fov, FOV, 5), (fov, FOV, 5))
    if mode:
        factor = "".join(
            f"<kspace_encoding_step_{step}>{r}</kspace_encoding_step_{step}>" for step, r in ((1, 3), (2, 1))
        )
        how = f"<accelerationFactor>{factor}</accelerationFactor><calibrationMode>{mode}</calibrationMode>"
        how = f"</trajectory><parallelImaging>{how}</parallelImaging>"
        header = header.replace("</trajectory>", how)
    (scan,) = scans(lines, header)
    found = scan.calibration[0]
    assert found.shape[-1] == 24
    frequencies = axes_of_samples(found.shape[1], found.shape[1] // 2, fov), axes_of_samples(24, 12, FOV)
    expected = signal(frequencies, PLACE)
    if (samples, covered) == (64, 128.0) and n == 128:
        expected[:, np.abs(np.arange(128) - 64) > 31] = 0
    gain = np.vdot(expected, found) / np.vdot(expected, expected)
    assert np.linalg.norm(found - gain * expected) < 0.03 * np.linalg.norm(gain * expected)
    assert not any("left out" in note or "moved inside" in note for note in scan.notes)
