"""Norm and gate of inference in vectors of channels against the loops that the compiler vectorises, and torch.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_gate_kernels.py --override-ini addopts= -s
All alternate, and the shortest processor time of each counts: a busy machine slows all.
"""

import time

import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import kernels
from rsd_mri.networks.activations import ComplexNormAct


@pytest.mark.parametrize(("channels", "height", "width"), [(32, 160, 84), (96, 160, 84), (64, 80, 42), (64, 40, 21)])
def test_norm_and_gate(channels, height, width, benchmark, monkeypatch):
    act = ComplexNormAct(channels)
    x = normal((1, 2 * channels, height, width), generator(0, "maps"), torch.float32)
    x = x.contiguous(memory_format=torch.channels_last)
    vectors = kernels.LANES
    calls = {"torch": lambda: act.gate(act.norm(x)), "loops": lambda: act(x), "vectors": lambda: act(x)}
    taken: dict[str, list[float]] = {name: [] for name in calls}

    def each():
        for name, call in calls.items():
            # Maps that are no multiple of the vectors are left to the loops.
            monkeypatch.setattr(kernels, "LANES", vectors if name == "vectors" else 2**20)
            begun = time.process_time()
            call()
            taken[name].append(time.process_time() - begun)

    with torch.no_grad():
        benchmark.pedantic(each, rounds=30, warmup_rounds=2)
    torchs, loops, ours = (1e3 * min(taken[name][2:]) for name in calls)
    print(f"\n{channels} channels, {height}x{width}: {ours:.2f} ms, loops {loops:.2f}, torch {torchs:.2f}")
