"""Whole commands: their start beside torch's own, and two at once beside one alone.

Run with: pytest tests/benchmarks/test_whole_commands.py --override-ini addopts= -s
on a machine that does nothing else: only a clock shows how long two commands wait for each other.
"""

import subprocess
import sys
import time

import pytest

from rsd_mri.simulation import simulate_folder

METHODS = ["zero-filled", "cg-sense", "l1-wavelet", "tv", "one-step", "posterior"]


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    return simulate_folder(tmp_path_factory.mktemp("scan"), 1, 4, 256, 4, acceleration=4.0)[0]


def command(scan, out, method):
    given = ["recon", scan, "--method", method, "--samples", "2", "--out", out]
    return [sys.executable, "-m", "rsd_mri", *map(str, given)]


def together(*commands):
    begun = time.perf_counter()
    running = [subprocess.Popen(one, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in commands]
    assert [one.wait() for one in running] == [0] * len(running)
    return time.perf_counter() - begun


def test_zero_filled_against_the_import_of_torch(tmp_path):
    (slice_of_it,) = simulate_folder(tmp_path / "slice", 1, 1, 256, 4, acceleration=4.0)
    ours, bare = command(slice_of_it, tmp_path, "zero-filled"), [sys.executable, "-c", "import torch"]
    pairs = [(together(ours), together(bare)) for _ in range(5)]
    ratio = min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)
    print(f"\nzero-filled, one slice, whole command: {ratio:.2f} of the import of torch (aim: at most 1.6)")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", METHODS)
def test_two_commands_at_once(scan, tmp_path, method):
    # Alone before and after: what else the machine does may change.
    alone = [together(command(scan, tmp_path / "alone", method))]
    both = together(*(command(scan, tmp_path / name, method) for name in ("first", "second")))
    alone.append(together(command(scan, tmp_path / "alone", method)))
    print(f"\n{method}: two at once take {both / (sum(alone) / 2):.2f} of one alone (aim: at most 2.5)")
