"""Norm and gate of complex feature maps on a GPU, in Triton: what `kernels` does on a processor.

The formulas are those of `activations`, in single precision whatever the maps are stored in. Maps lie channels last,
[batch, pixel, 2, channel] with real parts first: a program reads a tile of pixels and every channel of it, so each
pass reads and writes memory in order. Statistics are summed by tile and added up outside, in a fixed order: the same
maps give the same bits.
"""

# Triton takes pointers and its own block types, which annotations cannot say.
# ruff: noqa: ANN001, ANN202
# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc"

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 4096
"""Complex values that a program holds at a time."""


@triton.jit
def _load(maps, real, channels, there):
    u = tl.load(maps + real, mask=there, other=0.0).to(tl.float32)
    v = tl.load(maps + real + channels, mask=there, other=0.0).to(tl.float32)
    return u, v


@triton.jit
def _tile(pixels, channels, SPAN: tl.constexpr, WIDTH: tl.constexpr):
    """Where the real parts of this program's tile lie in the maps, its channels, and which of both exist."""
    item = tl.program_id(0).to(tl.int64)
    p = tl.program_id(1) * SPAN + tl.arange(0, SPAN)[:, None]
    c = tl.arange(0, WIDTH)[None, :]
    return item, (item * pixels + p) * (2 * channels) + c, c, (p < pixels) & (c < channels)


@triton.jit
def _power(x, sums, pixels, channels, tiles, SPAN: tl.constexpr, WIDTH: tl.constexpr):
    item, real, _, there = _tile(pixels, channels, SPAN, WIDTH)
    u, v = _load(x, real, channels, there)
    c = tl.arange(0, WIDTH)
    where = sums + (item * tiles + tl.program_id(1)) * channels + c
    tl.store(where, tl.sum(u * u + v * v, axis=0), mask=c < channels)


@triton.jit
def _apply(x, factor, slope, offset, out, pixels, channels, SPAN: tl.constexpr, WIDTH: tl.constexpr):
    item, real, c, there = _tile(pixels, channels, SPAN, WIDTH)
    u, v = _load(x, real, channels, there)
    exists = c < channels
    f = tl.load(factor + item * channels + c, mask=exists, other=0.0)
    a, o = tl.load(slope + c, mask=exists, other=0.0), tl.load(offset + c, mask=exists, other=0.0)
    q = f * f * (u * u + v * v)
    k = f * tl.sigmoid(a * q / tl.sqrt(1.0 + q) + o)
    tl.store(out + real, (k * u).to(out.dtype.element_ty), mask=there)
    tl.store(out + real + channels, (k * v).to(out.dtype.element_ty), mask=there)


@triton.jit
def _derivatives(x, grad, real, channels, there, f, a, o):
    """As `kernels._derivatives`, and the values themselves."""
    u, v = _load(x, real, channels, there)
    du, dv = _load(grad, real, channels, there)
    q = f * f * (u * u + v * v)
    w = 1.0 / tl.sqrt(1.0 + q)
    s = q * w
    gate = tl.sigmoid(a * s + o)
    gated = gate * (u * du + v * dv)
    inner = gated - gated * gate
    grown = inner * (1.0 + w * w)
    return u, v, du, dv, f * gate, a * f * f * f * w * grown, gated + a * s * grown, inner, inner * s


@triton.jit
def _sums(x, grad, factor, slope, offset, sums, pixels, channels, tiles, SPAN: tl.constexpr, WIDTH: tl.constexpr):
    item, real, c, there = _tile(pixels, channels, SPAN, WIDTH)
    exists = c < channels
    f = tl.load(factor + item * channels + c, mask=exists, other=0.0)
    a, o = tl.load(slope + c, mask=exists, other=0.0), tl.load(offset + c, mask=exists, other=0.0)
    _, _, _, _, _, _, d_factor, inner, inner_s = _derivatives(x, grad, real, channels, there, f, a, o)
    column = tl.arange(0, WIDTH)
    where = sums + (item * tiles + tl.program_id(1)) * 3 * channels + column
    tl.store(where, tl.sum(d_factor, axis=0), mask=column < channels)
    tl.store(where + channels, tl.sum(inner, axis=0), mask=column < channels)
    tl.store(where + 2 * channels, tl.sum(inner_s, axis=0), mask=column < channels)


@triton.jit
def _gradient(x, grad, factor, slope, offset, share, d_x, pixels, channels, SPAN: tl.constexpr, WIDTH: tl.constexpr):
    item, real, c, there = _tile(pixels, channels, SPAN, WIDTH)
    exists = c < channels
    f = tl.load(factor + item * channels + c, mask=exists, other=0.0)
    n = tl.load(share + item * channels + c, mask=exists, other=0.0)
    a, o = tl.load(slope + c, mask=exists, other=0.0), tl.load(offset + c, mask=exists, other=0.0)
    u, v, du, dv, k, m, _, _, _ = _derivatives(x, grad, real, channels, there, f, a, o)
    tl.store(d_x + real, (k * du + (m + n) * u).to(d_x.dtype.element_ty), mask=there)
    tl.store(d_x + real + channels, (k * dv + (m + n) * v).to(d_x.dtype.element_ty), mask=there)


def forward(x: Tensor, gain: Tensor, slope: Tensor, offset: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    """Return the output, stored as x with its channels last, and 1 / rms [batch, channel]."""
    x = x.contiguous(memory_format=torch.channels_last)
    batch, channels, pixels, span, width, tiles = _sizes(x)
    sums = x.new_empty(batch, tiles, channels, dtype=torch.float32)
    _power[(batch, tiles)](x, sums, pixels, channels, tiles, SPAN=span, WIDTH=width)
    mean = sums.sum(1).unflatten(1, (groups, -1)).mean(-1, keepdim=True) / pixels
    inverse = torch.rsqrt(mean + eps).expand(-1, -1, channels // groups).reshape(batch, channels)
    out = torch.empty_like(x)
    small = (inverse * gain).float().contiguous(), slope.float().contiguous(), offset.float().contiguous()
    _apply[(batch, tiles)](x, *small, out, pixels, channels, SPAN=span, WIDTH=width)
    return out, inverse


def backward(
    grad: Tensor, x: Tensor, gain: Tensor, slope: Tensor, offset: Tensor, inverse: Tensor, groups: int
) -> tuple[Tensor, ...]:
    """Gradients of x, and of gain, slope and offset for each item [batch, channel]."""
    x = x.contiguous(memory_format=torch.channels_last)
    grad = grad.to(x.dtype).contiguous(memory_format=torch.channels_last)
    batch, channels, pixels, span, width, tiles = _sizes(x)
    factor = (inverse * gain).float().contiguous()
    small = factor, slope.float().contiguous(), offset.float().contiguous()
    parts = x.new_empty(batch, tiles, 3, channels, dtype=torch.float32)
    _sums[(batch, tiles)](x, grad, *small, parts, pixels, channels, tiles, SPAN=span, WIDTH=width)
    d_factor, inner, inner_s = parts.sum(1).unbind(1)
    # The mean square of a group is over its channels and pixels.
    d_rms = (d_factor * gain).unflatten(1, (groups, -1)).mean(-1, keepdim=True)
    d_rms = d_rms.expand(-1, -1, channels // groups).reshape(batch, channels)
    share = (-d_rms * inverse**3 / pixels).contiguous()
    d_x = torch.empty_like(x)
    _gradient[(batch, tiles)](x, grad, *small, share, d_x, pixels, channels, SPAN=span, WIDTH=width)
    return d_x, d_factor * inverse, factor * inner_s, factor * inner


def _sizes(x: Tensor) -> tuple[int, int, int, int, int, int]:
    """Batch, complex channels, pixels; pixels and (a power of two) channels of a tile, and tiles of an item."""
    batch, channels, pixels = x.shape[0], x.shape[1] // 2, x.shape[2] * x.shape[3]
    width = triton.next_power_of_2(channels)
    span = max(TILE // width, 1)
    return batch, channels, pixels, span, width, triton.cdiv(pixels, span)
