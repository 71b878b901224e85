"""The arithmetic of the GPU's norm and gate, in Triton's interpreter on a processor."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long
pytest.importorskip("triton", reason="Triton comes with torch's builds for CUDA")

PROGRAM = """
import torch
from rsd_mri.networks import gpu_kernels, kernels

torch.manual_seed(0)
for batch, channels, height, width, dtype, tolerance in (
    (2, 24, 6, 5, torch.float32, 1e-5), (1, 8, 33, 31, torch.float32, 1e-5), (2, 80, 4, 4, torch.bfloat16, 1e-2)
):
    x, grad = torch.randn(2, batch, 2 * channels, height, width).to(dtype)
    gain, slope, offset = torch.randn(batch, channels), torch.randn(channels), torch.randn(channels)
    out, inverse = gpu_kernels.forward(x, gain, slope, offset, 8, 1e-5)
    wanted, wanted_inverse = kernels.forward(x, gain, slope, offset, 8, 1e-5)
    found = [out, inverse, *gpu_kernels.backward(grad, x, gain, slope, offset, inverse, 8)]
    expected = [wanted, wanted_inverse, *kernels.backward(grad, x, gain, slope, offset, wanted_inverse, 8)]
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert float((a.float() - b.float()).norm() / b.float().norm()) < tolerance
print("agree")
"""


def test_the_gpu_kernels_compute_what_those_of_the_processor_do():
    # In a process of its own: Triton looks for the interpreter when it is imported.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip().endswith("agree"), done.stderr[-2000:]
