"""Norm and gate of complex feature maps on a processor, compiled: every map is read and written once.

The formulas are those of `activations`, in single precision. Arrays are [batch, 2, channel, pixel] (real parts
first) and [batch, channel]; groups of neighbouring channels are normalised together. Each call works on the batch
items `start` to `stop`, so that several threads can share a batch.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import torch

# Sums may be reordered and fused; infinities and NaN keep their meaning.
_compiled = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"}
)
Array = Any
SMALL = 2**17
"""Values below which a second thread costs more than it brings."""


@numba.njit(inline="always")
def _sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z) to a few units in the last place, without a library call that would stop vectorisation."""
    t = min(max(-z, np.float32(-80)), np.float32(80)) * np.float32(1.4426950408889634)
    n = np.floor(t + np.float32(0.5))
    r = (t - n) * np.float32(0.6931471805599453)
    e = np.float32(1 / 720)
    for c in (1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        e = e * r + np.float32(c)
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)  # 2^n
    return np.float32(1) / (np.float32(1) + e * power)


@_compiled
def _forward(
    x: Array, gain: Array, slope: Array, offset: Array, groups: int, eps: float, out: Array, inverse: Array,
    start: int, stop: int,
) -> None:
    channels, pixels = x.shape[2], x.shape[3]
    within = channels // groups
    one = np.float32(1)
    for b in range(start, stop):
        for g in range(groups):
            power = 0.0
            for c in range(g * within, (g + 1) * within):
                real, imag = x[b, 0, c], x[b, 1, c]
                total = np.float32(0)
                for p in range(pixels):
                    total += real[p] * real[p] + imag[p] * imag[p]
                power += total
            rms = np.float32(1 / math.sqrt(power / (within * pixels) + eps))
            for c in range(g * within, (g + 1) * within):
                real, imag, to_real, to_imag = x[b, 0, c], x[b, 1, c], out[b, 0, c], out[b, 1, c]
                inverse[b, c] = rms
                f, a, o = rms * gain[b, c], slope[c], offset[c]
                f2 = f * f
                for p in range(pixels):
                    q = f2 * (real[p] * real[p] + imag[p] * imag[p])
                    k = f * _sigmoid(a * (q / np.sqrt(one + q)) + o)
                    to_real[p] = k * real[p]
                    to_imag[p] = k * imag[p]


@_compiled
def _backward(
    x: Array, grad: Array, gain: Array, slope: Array, offset: Array, inverse: Array, groups: int, d_x: Array,
    d_gain: Array, d_slope: Array, d_offset: Array, start: int, stop: int,
) -> None:
    channels, pixels = x.shape[2], x.shape[3]
    within = channels // groups
    one = np.float32(1)
    for b in range(start, stop):
        for g in range(groups):
            d_rms = np.float32(0)
            for c in range(g * within, (g + 1) * within):
                real, imag, along_real, along_imag = x[b, 0, c], x[b, 1, c], grad[b, 0, c], grad[b, 1, c]
                to_real, to_imag = d_x[b, 0, c], d_x[b, 1, c]
                f, a, o = inverse[b, c] * gain[b, c], slope[c], offset[c]
                f2 = f * f
                af3 = a * f * f2
                d_factor, inner_sum, inner_s = np.float32(0), np.float32(0), np.float32(0)
                for p in range(pixels):
                    q = f2 * (real[p] * real[p] + imag[p] * imag[p])
                    w = one / np.sqrt(one + q)
                    s = q * w
                    gate = _sigmoid(a * s + o)
                    gated = gate * (real[p] * along_real[p] + imag[p] * along_imag[p])
                    inner = gated - gated * gate  # d loss / d (a s + b), over f
                    grown = inner * (one + w * w)
                    d_factor += gated + a * s * grown
                    inner_sum += inner
                    inner_s += inner * s
                    k = f * gate
                    m = af3 * w * grown
                    to_real[p] = k * along_real[p] + m * real[p]
                    to_imag[p] = k * along_imag[p] + m * imag[p]
                d_gain[b, c] = d_factor * inverse[b, c]
                d_slope[b, c] = f * inner_s
                d_offset[b, c] = f * inner_sum
                d_rms += d_factor * gain[b, c]
            n = inverse[b, g * within]
            share = -d_rms * n * n * n / np.float32(within * pixels)
            for c in range(g * within, (g + 1) * within):
                real, imag, to_real, to_imag = x[b, 0, c], x[b, 1, c], d_x[b, 0, c], d_x[b, 1, c]
                for p in range(pixels):
                    to_real[p] += share * real[p]
                    to_imag[p] += share * imag[p]


def forward(
    x: torch.Tensor, gain: torch.Tensor, slope: torch.Tensor, offset: torch.Tensor, groups: int, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output and 1 / rms [batch, channel]; see `activations.ComplexNormAct`."""
    x = x.contiguous()
    out, inverse = torch.empty_like(x), torch.empty(x.shape[0], x.shape[1] // 2)
    maps = [_maps(x), *_arrays(gain, slope, offset), groups, eps, _maps(out), _array(inverse)]
    _share(_forward, maps, x)
    return out, inverse


def backward(
    grad: torch.Tensor, x: torch.Tensor, gain: torch.Tensor, slope: torch.Tensor, offset: torch.Tensor,
    inverse: torch.Tensor, groups: int,
) -> tuple[torch.Tensor, ...]:
    """Gradients of x, and of gain, slope and offset for each item [batch, channel]."""
    x, grad = x.contiguous(), grad.contiguous()
    d_x = torch.empty_like(x)
    others = [torch.empty(x.shape[0], x.shape[1] // 2) for _ in range(3)]
    maps = [_maps(x), _maps(grad), *_arrays(gain, slope, offset, inverse), groups, _maps(d_x), *_arrays(*others)]
    _share(_backward, maps, x)
    return d_x, *others


def _maps(x: torch.Tensor) -> Any:
    return _array(x).reshape(x.shape[0], 2, x.shape[1] // 2, -1)


def _array(x: torch.Tensor) -> Any:
    return x.detach().float().contiguous().numpy()


def _arrays(*tensors: torch.Tensor) -> list[Any]:
    return [_array(t) for t in tensors]


def _share(kernel: Callable[..., None], arguments: list[Any], x: torch.Tensor) -> None:
    """Call the kernel on the whole batch, shared between torch's number of threads."""
    batch = x.shape[0]
    threads = min(torch.get_num_threads(), batch, max(1, x.numel() // SMALL))
    if threads == 1:
        kernel(*arguments, 0, batch)
        return
    bounds = [batch * i // threads for i in range(threads + 1)]
    rest = [_pool(os.getpid(), threads).submit(kernel, *arguments, *ends) for ends in pairwise(bounds[1:])]
    kernel(*arguments, 0, bounds[1])
    for job in rest:
        job.result()


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a forked process needs its own
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="rsd-mri-kernel")
