"""Speeds that are timed are those of the work that was done."""

import json

import pytest
import torch

from rsd_mri.bench import speeds
from rsd_mri.bench.throughput import ThroughputBench, ThroughputSettings
from rsd_mri.machine.progress import SILENT

CPU = torch.device("cpu")
CASE = speeds.Case(16, 2, "32", channels=4, multipliers=(1, 2))


def test_a_complex_network_is_timed_beside_a_real_one_of_its_cost(monkeypatch, tmp_path):
    monkeypatch.setattr(speeds, "CASES", {"mini": [CASE]})
    monkeypatch.setattr(
        speeds, "limits", lambda device, seconds, large: ("this one", [speeds.Limit("copy", 1e9, "B/s")])
    )
    card = ThroughputBench().run(ThroughputSettings(seconds=0.0, device="cpu"), "mini", tmp_path, SILENT)
    assert [row["field"] for row in card.rows()] == ["complex", "real"]
    assert json.loads((tmp_path / "throughput.json").read_text())["rows"] == [dict(row) for row in card.rows()]
    complex_one, real_one = card.speeds
    # Twice the channels: nearly twice the numbers, nearly the same operations.
    assert 1.5 < real_one.parameters / complex_one.parameters < 2.2
    cost = (real_one.flops / real_one.training) / (complex_one.flops / complex_one.training)
    assert 0.7 < cost < 1.4
    assert card.lines()[2].split()[-1] == f"{complex_one.training / real_one.training:.2f}"


def test_a_call_is_timed_by_what_it_takes(monkeypatch):
    """A clock that each call moves by two seconds."""
    clock = {"now": 0.0}
    monkeypatch.setattr(speeds, "_now", lambda device: clock["now"])

    def call():
        clock["now"] += 2.0

    assert speeds.timed(call, CPU, 9.0) == pytest.approx(2.0)


@pytest.mark.cuda
def test_the_gpu_is_timed(monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    found = speeds.speed("complex", CASE, False, torch.device("cuda"), 0.01)
    assert found.training > 0 and found.flops > 0
