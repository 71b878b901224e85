"""Norm and gate of complex maps that lie channels last, in vectors of channels: what `kernels` does, twice as fast.

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
    """As `kernels.forward` for maps x [item, pixel, 2, channel], flat, of a multiple of `LANES` channels.

    So are those `beside` it, whose channels come after; there may be none.
    """
    channels = inverse.shape[1]
    pixels, each = len(out) // (2 * channels * len(inverse)), channels // groups
    of_x = len(x) * channels // len(out)
    power, factor = np.empty(channels, np.float64), np.empty(channels, np.float32)
    total = np.empty(channels, np.float32)
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
                for c in range(0, count, LANES):
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
        for c in range(0, channels, LANES):
            u, v = load(x, at + c), load(x, at + channels + c)
            store(total, c, load(total, c) + (u * u + v * v))
    for c in range(channels):
        power[begun + c] += total[c]


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
