"""Threads by what is free."""

import os
import subprocess
import sys

import pytest

from rsd_mri.machine import threads
from rsd_mri.machine.threads import Use, busy_ticks, free_processors, threads_for, use_now

STAT = """cpu  900 0 90 9000 5 0 0 10 0 0
cpu0 100 50 20 4000 5 1 2 4 7 7
cpu1 800 0 70 5000 0 0 0 6 0 0
intr 1 2 3"""


def test_busy_ticks_are_those_of_the_processors_allowed():
    lines = STAT.splitlines()
    assert busy_ticks(lines, {"cpu0"}, without_nice=True) == 100 + 20 + 1 + 2 + 4
    assert busy_ticks(lines, {"cpu0"}, without_nice=False) == 100 + 50 + 20 + 1 + 2 + 4
    assert busy_ticks(lines, {"cpu0", "cpu1"}, without_nice=True) == 127 + 876


@pytest.mark.parametrize(
    ("busy", "own", "threads"),
    [(0.0, 0.0, 2), (2.0, 2.0, 2), (1.0, 1.0, 2), (0.2, 0.0, 2), (2.0, 1.0, 1), (2.0, 0.2, 1), (1.0, 0.0, 1)],
)
def test_two_processors_less_what_others_use(busy, own, threads):
    free = free_processors(Use(10.0, 50.0, 3.0), Use(12.0, 50.0 + 2 * busy, 3.0 + 2 * own), 2)
    assert threads_for(free, 2) == threads


def test_there_is_always_one_thread_and_never_more_than_the_library_takes():
    assert threads_for(0.0, 16) == 1
    assert threads_for(7.8, 16) == 8
    assert threads_for(64.0, 16) == 16


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_what_this_process_uses_is_not_counted_as_of_others():
    before = use_now()
    while (after := use_now()).own - before.own < 0.5:
        sum(range(10_000))
    others = (after.all - before.all) - (after.own - before.own)
    assert -0.15 < others <= (after.at - before.at) * len(os.sched_getaffinity(0))


@pytest.mark.long
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda pid: [0])(0)) < 2, reason="one processor")
def test_a_busy_processor_is_left_to_its_program():
    program = (
        "import time; from rsd_mri.machine import threads; threads.begin()\n"
        "import torch; time.sleep(0.5); threads.settle(); print(torch.get_num_threads())"
    )
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    rivals = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    try:
        done = subprocess.run([sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=True)
        told = subprocess.run(
            [sys.executable, "-c", program], env={**clean, "OMP_NUM_THREADS": "2"}, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()
    assert done.stdout == "1\n"
    assert told.stdout == "2\n"


def test_libraries_that_know_no_quota_are_told_of_it(monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 3)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    threads.prepare_environment()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "5")
    threads.prepare_environment()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "5"
