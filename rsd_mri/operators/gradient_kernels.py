"""Iterations of `regularised` on a processor, compiled: what is between two uses of A^H A, in one call.

Arrays are real storage of complex images, [item, 2 pixel] in order; variances [item, pixel], or [item, 1] for one
number an item. With the residual r of (p A^H A + 1 / v) x = b preconditioned by v, iterates are those of the equation
for x over the root of v, and <r, v r> is the power of its residual.
"""

from typing import Any

import numpy as np

from rsd_mri.machine.compiling import compiling

Array = Any
_compiled = compiling(fastmath={"reassoc", "contract", "arcp", "nsz"})
BLOCK = 4096
"""Values whose sum is taken in single precision; even."""


@_compiled
def begin(
    seen: Array, started: bool, x: Array, residual: Array, direction: Array, precision: Array, variance: Array,
    tolerance: float,
) -> Any:  # fmt: skip
    """Make residual and direction of the right-hand side in `residual` and of what A^H A makes of the start, `seen`.

    Returns the power of the residual, and that at which an item is done.
    """
    power, enough = np.empty(len(x), np.float64), np.empty(len(x), np.float64)
    for b in range(len(x)):
        v = variance[b]
        enough[b] = tolerance**2 * _power(residual[b], v)
        if started:
            _less(residual[b], seen[b], x[b], precision[b], v)
        power[b] = _power(residual[b], v)
        direction[b] = 0
        _turn(direction[b], residual[b], v, np.float32(0))
    return power, enough


@_compiled
def step(
    seen: Array, x: Array, residual: Array, direction: Array, precision: Array, variance: Array,
    power: Array, enough: Array,
) -> None:  # fmt: skip
    """Take one step of each item that is not done; `seen` is what A^H A makes of its direction, and is overwritten."""
    for b in range(len(x)):
        if not power[b] > enough[b]:
            continue
        v, g = variance[b], seen[b]
        curvature = _curvature(g, direction[b], precision[b], v)
        length = np.float32(power[b] / curvature) if curvature > 0 else np.float32(0)
        _move(x[b], residual[b], direction[b], g, length)
        before, power[b] = power[b], _power(residual[b], v)
        _turn(direction[b], residual[b], v, np.float32(power[b] / before))


@_compiled
def _power(r: Array, v: Array) -> float:
    """<r, v r>."""
    total = 0.0
    for first in range(0, len(r), BLOCK):
        part, last = np.float32(0), min(first + BLOCK, len(r))
        if len(v) == 1:
            for i in range(first, last):
                part += r[i] * r[i]
            part *= v[0]
        else:
            for j in range(first // 2, last // 2):
                part += v[j] * (r[2 * j] * r[2 * j] + r[2 * j + 1] * r[2 * j + 1])
        total += part
    return total


@_compiled
def _less(r: Array, g: Array, x: Array, p: float, v: Array) -> None:
    """Take p g + x / v from r."""
    if len(v) == 1:
        over = np.float32(1) / v[0]
        for i in range(len(r)):
            r[i] -= p * g[i] + over * x[i]
    else:
        for j in range(len(v)):
            over = np.float32(1) / v[j]
            r[2 * j] -= p * g[2 * j] + over * x[2 * j]
            r[2 * j + 1] -= p * g[2 * j + 1] + over * x[2 * j + 1]


@_compiled
def _curvature(g: Array, d: Array, p: float, v: Array) -> float:
    """Make p g + d / v of g; its product with d."""
    total = 0.0
    for first in range(0, len(d), BLOCK):
        part, last = np.float32(0), min(first + BLOCK, len(d))
        if len(v) == 1:
            over = np.float32(1) / v[0]
            for i in range(first, last):
                made = p * g[i] + over * d[i]
                g[i] = made
                part += made * d[i]
        else:
            for j in range(first // 2, last // 2):
                over = np.float32(1) / v[j]
                real, imag = p * g[2 * j] + over * d[2 * j], p * g[2 * j + 1] + over * d[2 * j + 1]
                g[2 * j], g[2 * j + 1] = real, imag
                part += real * d[2 * j] + imag * d[2 * j + 1]
        total += part
    return total


@_compiled
def _move(x: Array, r: Array, d: Array, q: Array, length: float) -> None:
    for i in range(len(x)):
        x[i] += length * d[i]
        r[i] -= length * q[i]


@_compiled
def _turn(d: Array, r: Array, v: Array, share: float) -> None:
    """The direction that follows: v r + share d."""
    if len(v) == 1:
        for i in range(len(d)):
            d[i] = v[0] * r[i] + share * d[i]
    else:
        for j in range(len(v)):
            d[2 * j] = v[j] * r[2 * j] + share * d[2 * j]
            d[2 * j + 1] = v[j] * r[2 * j + 1] + share * d[2 * j + 1]
