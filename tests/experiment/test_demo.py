"""The demonstration shows every method once."""

import pytest
from tiny_run import Slices, run

from rsd_mri.experiment.demo import methods_of
from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.priors.prior import load_prior
from rsd_mri.reconstruction.methods import OF_ONE_FRAME


@pytest.mark.long
def test_a_run_without_a_reconstructor_shows_the_teachers_step_once(tmp_path, full_scan):
    run(Slices(full_scan[0]), tmp_path, stage="teacher")
    names = list(methods_of(load_prior(tmp_path, "teacher"), 2))
    assert names == [name for name in reversed(OF_ONE_FRAME) if name != "one-step"]
    assert list(methods_of(load_prior(RECONSTRUCTION), 2)) == list(reversed(OF_ONE_FRAME))
