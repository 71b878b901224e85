"""Complex 3x3 convolutions of inference by Winograd's filtering against torch's own, at the sizes of the denoiser.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_winograd.py --override-ini addopts= -s
All take turns, and the shortest processor time of each counts: a busy machine slows all.
"""

import time

import pytest
import torch
import torch.nn.functional as F

from rsd_mri.machine import device
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import whole_numbers, winograd
from rsd_mri.networks.layers import ComplexConv2d

SHAPES = [(32, 32, 160, 84), (96, 32, 160, 84), (64, 64, 80, 42), (128, 64, 80, 42), (64, 64, 40, 21)]


@pytest.mark.parametrize(("inputs", "outputs", "height", "width"), SHAPES)
def test_convolution_speed(inputs, outputs, height, width, benchmark):
    x = normal((1, 2 * inputs, height, width), generator(0, "maps"), torch.float32)
    x = x.contiguous(memory_format=torch.channels_last)
    torch.manual_seed(0)
    conv = ComplexConv2d(inputs, outputs)
    with torch.no_grad():
        weight = conv._weight()
        one, three = winograd.transformed(weight), winograd.transformed(conv.real, conv.imag)
        calls = {
            "torch": lambda: F.conv2d(x, weight, padding=1),
            "one product": lambda: winograd.convolve(x, one),
            "three": lambda: winograd.convolve(x, three),
        }
        if device.whole_numbers_are_quick():
            whole = whole_numbers.transformed(conv.real, conv.imag)
            calls["whole numbers"] = lambda: whole_numbers.convolve(x, whole)
    taken: dict[str, list[float]] = {name: [] for name in calls}

    def each():
        for name, call in calls.items():
            begun = time.process_time()
            call()
            taken[name].append(time.process_time() - begun)

    with torch.no_grad():
        benchmark.pedantic(each, rounds=30, warmup_rounds=2)
    shown = ", ".join(f"{name} {1e3 * min(times[2:]):.2f}" for name, times in taken.items())
    print(f"\n{inputs} to {outputs}, {height}x{width}, ms: {shown}")
