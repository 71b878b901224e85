"""Jobs in worker processes. This file is imported by each of them: it loads nothing that takes long."""

import os

from rsd_mri.machine.workers import Lost, run_jobs


def die(number):
    if number == 2:
        os._exit(9)
    return number * 10


def test_a_worker_that_dies_loses_its_own_job_alone():
    done = dict(run_jobs(die, [1, 2, 3], workers=2))
    assert done[1] == 10 and done[3] == 30
    assert isinstance(done[2], Lost) and "worker process died" in done[2].reason
