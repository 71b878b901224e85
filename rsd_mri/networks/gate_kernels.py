"""Norm and gate of complex maps that lie channels last, in vectors of channels: what `kernels` does, twice as fast.

The last vector of a pixel ends with its last channel: it may share channels with the one before, whose values it
writes again, and which its sums leave out.

Roots and quotients are by Newton's steps from a guess: they take a tenth of the time of the processor's own, which
are right to the last place, and these are to a few units of it.
"""

import math
from typing import Any

import numpy as np

from rsd_mri.networks.lanes import LANES
from rsd_mri.networks.vectors import (
    compiled,
    floor,
    load,
    near_inverse,
    near_inverse_root,
    power_of_two,
    spread,
    store,
    within,
)

Array = Any
BLOCK = 256
"""Pixels whose sum is taken in single precision."""


@compiled
def norm_gate(
    x: Array,
    beside: Array,
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
    """As `kernels.forward` for maps x [item, pixel, 2, channel], flat, of at least `LANES` channels.

    So are those `beside` it, whose channels come after; there may be none.
    """
    channels = inverse.shape[1]
    pixels, each = len(out) // (2 * channels * len(inverse)), channels // groups
    of_x = len(x) * channels // len(out)
    power, factor = np.empty(channels, np.float64), np.empty(channels, np.float32)
    total = np.empty(channels + LANES, np.float32)
    for b in range(start, stop):
        for c in range(channels):  # whole arrays take the compiler longer
            power[c] = 0.0
        for part in range(2):
            maps, begun, count = (x, 0, of_x) if part == 0 else (beside, of_x, channels - of_x)
            for p in range(0, pixels if count else 0, BLOCK):
                at = (b * pixels + p) * 2 * count
                _add_power(maps, at, min(BLOCK, pixels - p), count, total, power, begun)
        for g in range(groups):
            mean = 0.0
            for c in range(g * each, (g + 1) * each):
                mean += power[c] / (each * pixels)
            for c in range(g * each, (g + 1) * each):
                inverse[b, c] = np.float32(1 / math.sqrt(mean + eps))
                factor[c] = inverse[b, c] * gain[b, c]
        for p in range(pixels):
            to = (b * pixels + p) * 2 * channels
            for part in range(2):
                maps, begun, count = (x, 0, of_x) if part == 0 else (beside, of_x, channels - of_x)
                at = (b * pixels + p) * 2 * count
                for aligned in range(0, count, LANES):
                    c = min(aligned, count - LANES)
                    u, v, of = load(maps, at + c), load(maps, at + count + c), begun + c
                    f = load(factor, of)
                    q = f * f * (u * u + v * v)
                    s = q * _inverse_root(spread(np.float32(1)) + q)
                    k = f * _sigmoid(load(slope, of) * s + load(offset, of))
                    store(out, to + of, k * u)
                    store(out, to + channels + of, k * v)


@compiled
def _add_power(x: Array, first: int, pixels: int, channels: int, total: Array, power: Array, begun: int) -> None:
    """Add the sum of squared magnitudes over some pixels, of each channel, to those of the channels from one on."""
    for c in range(0, channels, LANES):
        store(total, c, spread(np.float32(0)))
    for p in range(pixels):
        at = first + p * 2 * channels
        for aligned in range(0, channels, LANES):
            c = min(aligned, channels - LANES)
            u, v = load(x, at + c), load(x, at + channels + c)
            store(total, aligned, load(total, aligned) + (u * u + v * v))
    _add(total, channels, power, begun)


@compiled
def _add(total: Array, channels: int, sums: Array, begun: int) -> None:
    """Add what the vectors of a pixel have summed to the channels' own sums, from one channel on."""
    for channel in range(channels):
        aligned = channel // LANES * LANES
        sums[begun + channel] += total[aligned + channel - min(aligned, channels - LANES)]


@compiled
def norm_gate_gradients(
    x: Array, grad: Array, gain: Array, slope: Array, offset: Array, inverse: Array, groups: int,
    d_x: Array, d_gain: Array, d_slope: Array, d_offset: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """As `kernels.backward` for maps as of `norm_gate`."""
    channels = inverse.shape[1]
    pixels, each = len(x) // (2 * channels * len(inverse)), channels // groups
    factor, share = np.empty(channels, np.float32), np.empty(channels, np.float32)
    direct = np.empty(2 * channels * pixels, np.float32)  # gradient at fixed rms
    for b in range(start, stop):
        first, sums = b * pixels * 2 * channels, np.zeros((3, channels), np.float64)
        for c in range(channels):
            factor[c] = inverse[b, c] * gain[b, c]
        for p in range(0, pixels, BLOCK):
            at, count = p * 2 * channels, min(BLOCK, pixels - p)
            _add_gradients(x, grad, first + at, direct, at, count, channels, factor, slope, offset, sums)
        for g in range(groups):
            d_rms, n = 0.0, inverse[b, g * each]
            for c in range(g * each, (g + 1) * each):
                d_gain[b, c] = sums[0, c] * inverse[b, c]
                d_slope[b, c] = factor[c] * sums[2, c]
                d_offset[b, c] = factor[c] * sums[1, c]
                d_rms += sums[0, c] * gain[b, c]
            for c in range(g * each, (g + 1) * each):
                share[c] = -d_rms * n * n * n / (each * pixels)
        for p in range(pixels):
            at = p * 2 * channels
            for aligned in range(0, channels, LANES):
                c = min(aligned, channels - LANES)
                s, real, imag = load(share, c), at + c, at + channels + c
                store(d_x, first + real, load(direct, real) + s * load(x, first + real))
                store(d_x, first + imag, load(direct, imag) + s * load(x, first + imag))


@compiled
def _add_gradients(
    x: Array, grad: Array, first: int, direct: Array, into: int, pixels: int, channels: int,
    factor: Array, slope: Array, offset: Array, sums: Array,
) -> None:  # fmt: skip
    """Write the gradient at fixed rms of some pixels; add to the sums of `kernels._derivatives`: df, di, di s."""
    one = spread(np.float32(1))
    d_factor, d_inner = np.zeros(channels + LANES, np.float32), np.zeros(channels + LANES, np.float32)
    d_s = np.zeros(channels + LANES, np.float32)
    for p in range(pixels):
        at, to = first + p * 2 * channels, into + p * 2 * channels
        for aligned in range(0, channels, LANES):
            c = min(aligned, channels - LANES)
            u, v = load(x, at + c), load(x, at + channels + c)
            du, dv = load(grad, at + c), load(grad, at + channels + c)
            f, a = load(factor, c), load(slope, c)
            q = f * f * (u * u + v * v)
            w = _inverse_root(one + q)
            s = q * w
            gate = _sigmoid(a * s + load(offset, c))
            gated = gate * (u * du + v * dv)
            inner = gated - gated * gate
            grown = inner * (one + w * w)
            k, m = f * gate, a * f * f * f * w * grown
            store(direct, to + c, k * du + m * u)
            store(direct, to + channels + c, k * dv + m * v)
            store(d_factor, aligned, load(d_factor, aligned) + (gated + a * s * grown))
            store(d_inner, aligned, load(d_inner, aligned) + inner)
            store(d_s, aligned, load(d_s, aligned) + inner * s)
    _add(d_factor, channels, sums[0], 0)
    _add(d_inner, channels, sums[1], 0)
    _add(d_s, channels, sums[2], 0)


@compiled
def _inverse_root(v: Any) -> Any:
    half, more = spread(np.float32(0.5)) * v, spread(np.float32(1.5))
    y = near_inverse_root(v)
    y = y * (more - half * y * y)
    y = y * (more - half * y * y)
    return y * (more - half * y * y)


@compiled
def _sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z)."""
    one, two, zero = spread(np.float32(1)), spread(np.float32(2)), spread(np.float32(0))
    t = within(zero - z, spread(np.float32(-80)), spread(np.float32(80))) * spread(np.float32(1.4426950408889634))
    n = floor(t + spread(np.float32(0.5)))
    r = (t - n) * spread(np.float32(0.6931471805599453))
    e = spread(np.float32(1 / 720))
    e = e * r + spread(np.float32(1 / 120))
    e = e * r + spread(np.float32(1 / 24))
    e = e * r + spread(np.float32(1 / 6))
    e = e * r + spread(np.float32(1 / 2))
    e = e * r + one
    e = e * r + one
    v = one + e * power_of_two(n)
    y = near_inverse(v)
    y = y * (two - v * y)
    y = y * (two - v * y)
    return y * (two - v * y)
