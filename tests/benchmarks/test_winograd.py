"""3x3 convolutions of inference by Winograd's filtering against torch's own, at the sizes of the package's denoiser.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_winograd.py --override-ini addopts= -s
Both alternate, and the shortest processor time of each counts: a busy machine slows both.
"""

import time

import pytest
import torch
import torch.nn.functional as F

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import winograd

SHAPES = [(64, 64, 160, 84), (128, 64, 160, 84), (128, 128, 80, 42), (256, 128, 80, 42), (128, 128, 40, 21)]


@pytest.mark.parametrize(("inputs", "outputs", "height", "width"), SHAPES)
def test_convolution_speed(inputs, outputs, height, width, benchmark):
    x = normal((1, inputs, height, width), generator(0, "maps"), torch.float32)
    x = x.contiguous(memory_format=torch.channels_last)
    weight = normal((outputs, inputs, 3, 3), generator(0, "weight"), torch.float32)
    matrices = winograd.transformed(weight)
    taken: dict[str, list[float]] = {"ours": [], "torch": []}

    def both():
        for name, call in (
            ("torch", lambda: F.conv2d(x, weight, padding=1)),
            ("ours", lambda: winograd.convolve(x, matrices)),
        ):
            begun = time.process_time()
            call()
            taken[name].append(time.process_time() - begun)

    with torch.no_grad():
        benchmark.pedantic(both, rounds=30, warmup_rounds=2)
    ours, theirs = (1e3 * min(taken[name][2:]) for name in ("ours", "torch"))
    print(f"\n{inputs} to {outputs}, {height}x{width}: {ours:.2f} ms, torch {theirs:.2f} ms, {theirs / ours:.2f} times")
