"""Norm and gate of complex feature maps on a processor, compiled: every map is read and written once.

The formulas are those of `activations`, in single precision, whatever the maps are stored in. Arrays are
[batch, 2, channel, pixel] (real parts first), or [batch, pixel, 2, channel] in the functions named `last`, and
[batch, channel]; groups of neighbouring channels are normalised together. Each call works on the batch items `start`
to `stop`, so that several threads can share a batch.
"""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba.extending import overload

from rsd_mri.machine.compiling import compiling
from rsd_mri.machine.pool import in_threads
from rsd_mri.networks.gate_kernels import BLOCK, norm_gate, norm_gate_gradients
from rsd_mri.networks.lanes import LANES

# Sums may be reordered and fused; infinities and NaN keep their meaning.
_compiled = compiling(fastmath={"reassoc", "contract", "arcp", "nsz"})
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


@numba.njit(inline="always")
def _factor(u: Any, v: Any, f: Any, a: Any, o: Any) -> Any:
    """What the value u + iv is multiplied by."""
    q = f * f * (u * u + v * v)
    return f * _sigmoid(a * (q / np.sqrt(np.float32(1) + q)) + o)


@numba.njit(inline="always")
def _derivatives(u: Any, v: Any, du: Any, dv: Any, f: Any, a: Any, o: Any) -> Any:
    """Return k, m, df, di, s: the gradient of (u, v) at fixed f is k (du, dv) + m (u, v), that of f is df.

    f di is the gradient of a s + o.
    """
    one = np.float32(1)
    q = f * f * (u * u + v * v)
    w = one / np.sqrt(one + q)
    s = q * w
    gate = _sigmoid(a * s + o)
    gated = gate * (u * du + v * dv)
    inner = gated - gated * gate
    grown = inner * (one + w * w)
    return f * gate, a * f * f * f * w * grown, gated + a * s * grown, inner, s


def _wide(stored: Any) -> Any:
    """Single precision of a stored value; a bfloat16 is stored as the upper half of its bits."""
    raise NotImplementedError  # for compiled code alone


@overload(_wide, inline="always")
def _compile_wide(stored: Any) -> Any:
    def widened(stored: Any) -> Any:
        return np.uint32(np.uint32(stored) << np.uint32(16)).view(np.float32)

    def same(stored: Any) -> Any:
        return stored

    return widened if stored == numba.types.uint16 else same


def _stored(value: Any, like: Any) -> Any:
    """Return `value` as stored beside `like`; a bfloat16 is rounded to the nearest, ties to even."""
    raise NotImplementedError  # for compiled code alone


@overload(_stored, inline="always")
def _compile_stored(value: Any, like: Any) -> Any:  # noqa: ARG001 - the arguments of `_stored`
    def rounded(value: Any, like: Any) -> Any:  # noqa: ARG001
        # Neither operations nor bfloat16 inputs make a NaN whose lower half would carry over into its sign.
        bits = np.float32(value).view(np.uint32)
        even = np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(1))
        return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + even) >> np.uint32(16))

    def same(value: Any, like: Any) -> Any:  # noqa: ARG001
        return value

    return rounded if like == numba.types.uint16 else same


@_compiled
def _forward(
    x: Array,
    gain: Array,
    slope: Array,
    offset: Array,
    groups: int,
    eps: float,
    out: Array,
    inverse: Array,
    start: int,
    stop: int,
) -> None:
    channels, pixels = x.shape[2], x.shape[3]
    within = channels // groups
    for b in range(start, stop):
        for g in range(groups):
            power = 0.0
            for c in range(g * within, (g + 1) * within):
                real, imag = x[b, 0, c], x[b, 1, c]
                total = np.float32(0)
                for p in range(pixels):
                    u, v = _wide(real[p]), _wide(imag[p])
                    total += u * u + v * v
                power += total
            rms = np.float32(1 / math.sqrt(power / (within * pixels) + eps))
            for c in range(g * within, (g + 1) * within):
                real, imag, to_real, to_imag = x[b, 0, c], x[b, 1, c], out[b, 0, c], out[b, 1, c]
                inverse[b, c] = rms
                f, a, o = rms * gain[b, c], slope[c], offset[c]
                for p in range(pixels):
                    u, v = _wide(real[p]), _wide(imag[p])
                    k = _factor(u, v, f, a, o)
                    to_real[p] = _stored(k * u, real[p])
                    to_imag[p] = _stored(k * v, imag[p])


@_compiled
def _backward(
    x: Array,
    grad: Array,
    gain: Array,
    slope: Array,
    offset: Array,
    inverse: Array,
    groups: int,
    d_x: Array,
    d_gain: Array,
    d_slope: Array,
    d_offset: Array,
    start: int,
    stop: int,
) -> None:
    channels, pixels = x.shape[2], x.shape[3]
    within = channels // groups
    direct = np.empty((within, 2, pixels), np.float32)  # gradient at fixed rms
    for b in range(start, stop):
        for g in range(groups):
            d_rms = np.float32(0)
            for i in range(within):
                c = g * within + i
                real, imag, along_real, along_imag = x[b, 0, c], x[b, 1, c], grad[b, 0, c], grad[b, 1, c]
                to_real, to_imag = direct[i, 0], direct[i, 1]
                f, a, o = inverse[b, c] * gain[b, c], slope[c], offset[c]
                d_factor, inner_sum, inner_s = np.float32(0), np.float32(0), np.float32(0)
                for p in range(pixels):
                    u, v, du, dv = _wide(real[p]), _wide(imag[p]), _wide(along_real[p]), _wide(along_imag[p])
                    k, m, factor, inner, s = _derivatives(u, v, du, dv, f, a, o)
                    d_factor += factor
                    inner_sum += inner
                    inner_s += inner * s
                    to_real[p] = k * du + m * u
                    to_imag[p] = k * dv + m * v
                d_gain[b, c] = d_factor * inverse[b, c]
                d_slope[b, c] = f * inner_s
                d_offset[b, c] = f * inner_sum
                d_rms += d_factor * gain[b, c]
            n = inverse[b, g * within]
            share = -d_rms * n * n * n / np.float32(within * pixels)
            for i in range(within):
                c = g * within + i
                real, imag, to_real, to_imag = x[b, 0, c], x[b, 1, c], d_x[b, 0, c], d_x[b, 1, c]
                for p in range(pixels):
                    to_real[p] = _stored(direct[i, 0, p] + share * _wide(real[p]), real[p])
                    to_imag[p] = _stored(direct[i, 1, p] + share * _wide(imag[p]), imag[p])


@_compiled
def _forward_last(
    x: Array,
    gain: Array,
    slope: Array,
    offset: Array,
    groups: int,
    eps: float,
    out: Array,
    inverse: Array,
    start: int,
    stop: int,
) -> None:
    pixels, channels = x.shape[1], x.shape[3]
    within = channels // groups
    f, k = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for b in range(start, stop):
        power = np.zeros(channels, np.float64)
        for first in range(0, pixels, BLOCK):
            total = np.zeros(channels, np.float32)
            for p in range(first, min(first + BLOCK, pixels)):
                real, imag = x[b, p, 0], x[b, p, 1]
                for c in range(channels):
                    u, v = _wide(real[c]), _wide(imag[c])
                    total[c] += u * u + v * v
            power += total
        for g in range(groups):
            mean = power[g * within : (g + 1) * within].sum() / (within * pixels)
            inverse[b, g * within : (g + 1) * within] = np.float32(1 / math.sqrt(mean + eps))
        for c in range(channels):
            f[c] = inverse[b, c] * gain[b, c]
        for p in range(pixels):
            real, imag, to_real, to_imag = x[b, p, 0], x[b, p, 1], out[b, p, 0], out[b, p, 1]
            for c in range(channels):  # few arrays a loop: beyond that the compiler fears that they overlap
                k[c] = _factor(_wide(real[c]), _wide(imag[c]), f[c], slope[c], offset[c])
            for c in range(channels):
                to_real[c] = _stored(k[c] * _wide(real[c]), real[c])
                to_imag[c] = _stored(k[c] * _wide(imag[c]), imag[c])


@_compiled
def _backward_last(
    x: Array,
    grad: Array,
    gain: Array,
    slope: Array,
    offset: Array,
    inverse: Array,
    groups: int,
    d_x: Array,
    d_gain: Array,
    d_slope: Array,
    d_offset: Array,
    start: int,
    stop: int,
) -> None:
    pixels, channels = x.shape[1], x.shape[3]
    within = channels // groups
    direct = np.empty((pixels, 2, channels), np.float32)  # gradient at fixed rms
    f, share = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for b in range(start, stop):
        sums = np.zeros((3, channels), np.float64)
        for c in range(channels):
            f[c] = inverse[b, c] * gain[b, c]
        for first in range(0, pixels, BLOCK):
            totals = np.zeros((3, channels), np.float32)
            d_factor, inner_sum, inner_s = totals[0], totals[1], totals[2]
            for p in range(first, min(first + BLOCK, pixels)):
                real, imag, along_real, along_imag = x[b, p, 0], x[b, p, 1], grad[b, p, 0], grad[b, p, 1]
                to_real, to_imag = direct[p, 0], direct[p, 1]
                for c in range(channels):
                    u, v, du, dv = _wide(real[c]), _wide(imag[c]), _wide(along_real[c]), _wide(along_imag[c])
                    k, m, factor, inner, s = _derivatives(u, v, du, dv, f[c], slope[c], offset[c])
                    d_factor[c] += factor
                    inner_sum[c] += inner
                    inner_s[c] += inner * s
                    to_real[c] = k * du + m * u
                    to_imag[c] = k * dv + m * v
            sums += totals
        for g in range(groups):
            ends = slice(g * within, (g + 1) * within)
            d_gain[b, ends] = sums[0, ends] * inverse[b, ends]
            d_slope[b, ends] = f[ends] * sums[2, ends]
            d_offset[b, ends] = f[ends] * sums[1, ends]
            n = inverse[b, g * within]
            share[ends] = -(sums[0, ends] * gain[b, ends]).sum() * n * n * n / (within * pixels)
        for p in range(pixels):
            real, imag, to_real, to_imag = x[b, p, 0], x[b, p, 1], d_x[b, p, 0], d_x[b, p, 1]
            for c in range(channels):
                to_real[c] = _stored(direct[p, 0, c] + share[c] * _wide(real[c]), real[c])
                to_imag[c] = _stored(direct[p, 1, c] + share[c] * _wide(imag[c]), imag[c])


def takes(x: torch.Tensor) -> bool:
    """Whether the kernels work on such maps: on a processor, in single precision or bfloat16."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)


def forward(
    x: torch.Tensor,
    gain: torch.Tensor,
    slope: torch.Tensor,
    offset: torch.Tensor,
    groups: int,
    eps: float,
    beside: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output, laid out and stored as x, and 1 / rms [batch, channel]; see `activations.ComplexNormAct`.

    `beside`, where `activations.takes_apart` holds of both, has further channels, which come after those of x.
    """
    last = _channels_last(x) or beside is not None  # maps of one pixel lie either way
    layout = torch.channels_last if last else torch.contiguous_format
    x = x.contiguous(memory_format=layout)
    channels = x.shape[1] + (0 if beside is None else beside.shape[1])
    size = (len(x), channels, *x.shape[2:])
    out, inverse = torch.empty(size, dtype=x.dtype, memory_format=layout), torch.empty(len(x), channels // 2)
    kernel: Any = _forward_last if last else _forward
    sources, into = [_maps(x, last)], _maps(out, last)
    if _in_vectors(x, last):
        more = np.empty(0, np.float32) if beside is None else _maps(beside, last).reshape(-1)
        kernel, sources, into = norm_gate, [sources[0].reshape(-1), more], into.reshape(-1)
    _share(kernel, [*sources, *_arrays(gain, slope, offset), groups, eps, into, _array(inverse)], x)
    return out, inverse


def backward(
    grad: torch.Tensor,
    x: torch.Tensor,
    gain: torch.Tensor,
    slope: torch.Tensor,
    offset: torch.Tensor,
    inverse: torch.Tensor,
    groups: int,
) -> tuple[torch.Tensor, ...]:
    """Gradients of x, and of gain, slope and offset for each item [batch, channel]."""
    last = _channels_last(x)
    layout = torch.channels_last if last else torch.contiguous_format
    x, grad = x.contiguous(memory_format=layout), grad.to(x.dtype).contiguous(memory_format=layout)
    d_x = torch.empty_like(x)
    others = [torch.empty(x.shape[0], x.shape[1] // 2) for _ in range(3)]
    small = _arrays(gain, slope, offset, inverse)
    kernel, maps = _backward_last if last else _backward, [_maps(m, last) for m in (x, grad, d_x)]
    if _in_vectors(x, last):
        kernel, maps = norm_gate_gradients, [m.reshape(-1) for m in maps]
    source, along, into = maps
    _share(kernel, [source, along, *small, groups, into, *_arrays(*others)], x)
    return d_x, *others


def _in_vectors(x: torch.Tensor, last: bool) -> bool:
    """Whether whole vectors of channels can be worked on at once."""
    return last and x.dtype == torch.float32 and x.shape[1] // 2 >= LANES


def _channels_last(x: torch.Tensor) -> bool:
    return not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _maps(x: torch.Tensor, channels_last: bool) -> Any:
    """View of the memory of [batch, 2 channel, y, x]; bfloat16 as 16-bit integers."""
    x = x.detach()
    bits = x.view(torch.int16).numpy().view(np.uint16) if x.dtype == torch.bfloat16 else x.numpy()
    batch, channels, height, width = bits.shape
    if channels_last:
        return bits.transpose(0, 2, 3, 1).reshape(batch, height * width, 2, channels // 2)
    return bits.reshape(batch, 2, channels // 2, height * width)


def _array(x: torch.Tensor) -> Any:
    return x.detach().float().contiguous().numpy()


def _arrays(*tensors: torch.Tensor) -> list[Any]:
    return [_array(t) for t in tensors]


def _share(kernel: Callable[..., None], arguments: list[Any], x: torch.Tensor) -> None:
    """Call the kernel on the whole batch, shared between torch's number of threads."""
    threads = min(torch.get_num_threads(), max(1, x.numel() // SMALL))
    in_threads(lambda start, stop: kernel(*arguments, start, stop), x.shape[0], threads)
