"""Scans that a training simulates for itself, in processes."""

import pytest

from rsd_mri.errors import InputError
from rsd_mri.experiment import runs
from rsd_mri.machine.progress import SILENT
from rsd_mri.machine.workers import Lost
from rsd_mri.protocol import load_protocol


@pytest.mark.parametrize(
    ("there", "scans", "wanted"), [(1, 1000, 1), (2, 1000, 1), (9, 1000, 8), (9, 40, 2), (9, 3, 1)]
)
def test_processes_are_those_that_this_one_may_use(monkeypatch, there, scans, wanted):
    monkeypatch.setattr(runs, "processors", lambda: there)
    assert runs.processes(scans) == wanted


def test_a_process_that_is_killed_ends_the_training_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run_jobs", lambda function, jobs, workers: ((job, Lost("it died")) for job in jobs))
    with pytest.raises(InputError, match="simulated: it died; the same call again goes on"):
        runs.simulated_data(load_protocol("demo"), tmp_path, 0, SILENT)
