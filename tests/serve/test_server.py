"""The process: it listens at once, ends when it is told to, and says in a sentence what it cannot do."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from mrd_client import ROOT, Running, Talk, acquisitions, header_text
from typer.testing import CliRunner

from rsd_mri.commands.app import app


def run(*options):
    return subprocess.run(
        [sys.executable, "-m", "rsd_mri", "serve", *map(str, options)], capture_output=True, text=True, check=False,
        timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_listening_part_imports_neither_torch_nor_numpy():
    code = "import sys, rsd_mri.serve.server; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def fresh(tmp_path):
    """A server that was begun just now: torch is being imported."""
    running = Running(tmp_path, "--method", "l1-wavelet")
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.stop()


def others_of(process):
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_at_once_while_torch_is_imported(fresh, small_scan, how):
    talk = Talk(fresh, "default", header_text(small_scan)).send(acquisitions(small_scan))
    children = []
    while not children:
        children = others_of(fresh.process)
        time.sleep(0.01)
    begun = time.monotonic()
    fresh.process.send_signal(how)
    answer = talk.answer()
    assert fresh.stop(how) == 0 and time.monotonic() - begun < 5
    assert answer.closed and "stopped" in answer.said("WRN")[-1]
    assert psutil.wait_procs(children, timeout=3)[1] == []
    with pytest.raises(OSError):
        fresh.connect()
    assert fresh.event("connection")["end"] == "stopped"
    assert fresh.event("stopped") == {"event": "stopped", "connections": 1}


def test_send_does_not_call_a_measurement_done_that_was_stopped(fresh, small_scan, tmp_path):
    small_scan.save(tmp_path / "scan.h5")
    told = []
    asked = ["send", str(tmp_path / "scan.h5"), "--port", str(fresh.port), "--json"]
    sending = threading.Thread(target=lambda: told.append(CliRunner().invoke(app, asked)))
    sending.start()
    server = psutil.Process(fresh.process.pid)
    while not any(one.status == psutil.CONN_ESTABLISHED for one in server.net_connections("tcp")):
        time.sleep(0.01)
    assert fresh.stop() == 0
    sending.join(10)
    (done,) = told
    values = json.loads(done.stdout.splitlines()[-1])
    assert done.exit_code == 1 and values["images"] == 0 and "not finished" in values["texts"][-1]


@pytest.mark.long
def test_the_first_connection_is_served_and_sampling_is_stopped(tmp_path, small_scan):
    running = Running(tmp_path, "--samples", 16)
    talk = Talk(running, "default", header_text(small_scan)).send(acquisitions(small_scan)).close()
    while getattr(talk.next(), "image_series_index", 0) != 1:
        pass
    time.sleep(1)  # it is sampling, or loads the prior
    begun = time.monotonic()
    assert running.stop() == 0 and time.monotonic() - begun < 5
    assert talk.answer().closed


@pytest.mark.long
def test_what_it_cannot_do_is_said_in_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", taken.getsockname()[1])
    assert done.returncode == 2 and "cannot listen" in done.stderr and done.stdout == ""
    bad = tmp_path / "prior.safetensors"
    bad.write_bytes(b"no weights")
    for options in (("--prior", tmp_path / "none"), ("--prior", bad), ("--method", "magic"), ("--port", 70000)):
        done = run("--port", 0, *options) if options[0] != "--port" else run(*options)
        assert done.returncode == 2, options
        assert "Traceback" not in done.stderr


def a_worker_that_dies_is_replaced(running, small_scan):
    while "ready" not in running.log.read_text():
        time.sleep(0.05)
    talk = Talk(running, "zero-filled", header_text(small_scan)).send(acquisitions(small_scan)[:3])
    (worker,) = others_of(running.process)
    worker.kill()
    answer = talk.answer()
    assert answer.closed and "unexpectedly" in answer.said("ERROR")[0]
    again = Talk(running, "zero-filled", header_text(small_scan)).send(acquisitions(small_scan)).close().answer()
    assert len(again.images) == 2


@pytest.mark.long
def test_more_connections_than_are_served_wait_and_a_worker_that_dies_is_replaced(tmp_path, small_scan):
    running = Running(tmp_path, "--connections", 1, "--method", "zero-filled")
    first = Talk(running, "zero-filled", header_text(small_scan))
    waiting = [Talk(running, "zero-filled", header_text(small_scan)) for _ in range(16)]
    for one in waiting:
        one.send(acquisitions(small_scan)).close()
    first.send(acquisitions(small_scan)).close()
    assert all(len(one.answer().images) == 2 for one in (first, *waiting))
    assert [running.event("connection")["end"] for _ in range(17)] == ["close"] * 17
    a_worker_that_dies_is_replaced(running, small_scan)
    assert running.stop() == 0


def test_lines_for_a_person_say_what_it_is_not_for(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "rsd_mri", "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    first = process.stdout.readline()
    process.terminate()
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(10) == 0
    assert "Not for diagnostic use" in first and "stopped" in rest
    with pytest.raises(ValueError):
        json.loads(first)
