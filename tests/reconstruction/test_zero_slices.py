"""A slice of zeros, as of a measurement that was broken off, spoils nothing that is said of the others."""

import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.machine.randomness import generator
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.scan import read_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation import simulate_scan


@pytest.fixture
def path(tmp_path):
    """Three slices, the one in the middle without data."""
    pattern = draw_mask(MaskSettings(acceleration=2, acs_lines=12), (48, 48), generator(1, "mask"))
    settings = DataSettings(slices=3, matrix=48, coils=4, noise=0.01)
    kspace = simulate_scan(settings, 1, 0, pattern=pattern)[0].kspace.copy()
    kspace[1] = 0
    np.save(tmp_path / "a.npy", kspace)
    return tmp_path / "a.npy"


def test_methods_are_tried_on_a_slice_with_data(path):
    prepared = PreparedScan.of(read_scan(path))
    assert prepared.scan.middle == 0
    assert np.abs(prepared.middle.kspace).max() > 0


def test_the_residual_is_that_of_slices_with_data_and_no_number_is_missing(path):
    options = ["--samples", "1", "--levels", "1", "--out", str(path.with_name("out")), "--json"]
    done = CliRunner().invoke(app, ["recon", str(path), *options])
    assert done.exit_code == 0, (done.output, done.exception)
    (found,) = json.loads(done.stdout.splitlines()[-1])["reconstructions"]
    each = found["residual_per_slice"]
    assert each[1] == 0 and found["residual"] == pytest.approx((each[0] + each[2]) / 2)
    assert not any("nan" in note for note in found["notes"])
    assert all(value is not None and math.isfinite(value) for value in found["checks"].values())
