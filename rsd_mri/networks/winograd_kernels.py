"""The convolution of `winograd`, compiled: tiles of maps to 36 values each, products of matrices, and back.

Arrays are flat: maps [item, y, x, channel], weights as `winograd.transformed` packs them. What is at work at once, some
tiles of all channels, stays in the cache of a processor.
"""

from typing import Any

import numpy as np

from rsd_mri.networks.lanes import LANES
from rsd_mri.networks.vectors import DOWN, ROWS, VECTORS, compiled, load, product, spread, store

Array = Any
ROW = 6 * LANES
"""Values of one row of a tile."""
POINTS = 36
PANEL = VECTORS * LANES
"""Outputs that one product makes."""
_product, _product_onto = product(ROWS, VECTORS), product(ROWS, VECTORS, onto=True)
_down = product(DOWN, 1, onto=True, down=True)


@compiled
def convolve(
    maps: Array, shape: Any, weights: Array, sizes: Any, under: Array, out: Array, rooms: Any, chunk: int, share: Any
) -> None:
    """Convolve the tiles `share` (first, last) of all items, `chunk` at once.

    Complex maps, real parts first, take three products (Gauss): with x = u + iv and w = a + ib,
    wx = (u + v) a - v (a + b) + i ((u + v) a + u (b - a)).

    Parameters
    ----------
    maps
        Of `shape` (item, channel, y, x).
    weights
        [36, part, panel of outputs, inputs, output of it]; the last panel is filled with zeros.
    sizes
        Parts: 1 of real weights; 3 of complex ones, a, b - a and -(a + b). Inputs and outputs of each.
    under
        Is added to the result: as `out`, or nothing.
    out
        Maps of as many items and pixels.
    rooms
        Memory for 36 parts (`chunk` inputs + 16) and 36 (`chunk` channels made + 16) values.
    chunk
        A multiple of `ROWS`: rows of a chunk that is not full are left over, and multiplied for nothing.
    """
    _, channels, height, width = shape
    parts, inputs, outputs = sizes
    before, after = rooms
    across = (width + 3) // 4
    tiles = across * ((height + 3) // 4)
    tile = np.empty(POINTS * LANES, np.float32)
    # A few values more, or 36 rows would share the same few places of a cache.
    shown = chunk * inputs + LANES
    whole = (outputs + PANEL - 1) // PANEL * PANEL
    pieces, other = (2, whole) if parts == 3 else (1, 0)
    every, makes = pieces * whole, pieces * outputs
    made = chunk * every + LANES
    for start in range(share[0], share[1], chunk):
        count = min(chunk, share[1] - start)
        for n in range(count):
            item, t = divmod(start + n, tiles)
            first, down, right = item * height * width * channels, t // across, t % across
            step, into = parts * shown, n * inputs + (shown if parts == 3 else 0)
            for begun in range(first, first + channels, inputs):  # real and imaginary parts
                scatter(maps, begun, channels, height, width, down, right, tile, before, into, step, inputs)
                into += shown
            if parts == 3:
                _join(before, n * inputs, shown, inputs)
        for p in range(POINTS):
            for part in range(parts):
                for o in range(0, whole, PANEL):
                    matrix = ((p * parts + part) * whole + o) * inputs
                    for n in range(0, count, ROWS):
                        left = (p * parts + part) * shown + n * inputs
                        into = p * made + n * every + (other + o if part == 1 else o)
                        if part == 0:
                            _product(before, left, inputs, weights, matrix, PANEL, after, into, every, other, inputs)
                        else:
                            _product_onto(before, left, inputs, weights, matrix, PANEL, after, into, every, 0, inputs)
        for n in range(count):
            item, t = divmod(start + n, tiles)
            first, down, right = item * height * width * makes, t // across, t % across
            place = n * every
            for begun in range(first, first + makes, outputs):
                gather(out, under, begun, makes, height, width, down, right, tile, after, place, made, outputs)
                place += whole


@compiled
def _join(values: Array, place: int, distance: int, channels: int) -> None:
    """Write the sum of the second and third part of each of the 36 values into the first."""
    for p in range(POINTS):
        to = place + 3 * p * distance
        for channel in range(0, channels, LANES):
            at = to + channel
            store(values, at, load(values, at + distance) + load(values, at + 2 * distance))


@compiled
def _keep_six(
    values: Array, to: int, distance: int, first: Any, even: Any, odd: Any, wide: Any, steep: Any, last: Any
) -> None:
    """Write the values at 0, 1, -1, 2, -2 and infinity: between the first and the last sums and differences."""
    store(values, to, first)
    store(values, to + distance, even + odd)
    store(values, to + 2 * distance, even - odd)
    store(values, to + 3 * distance, wide + steep)
    store(values, to + 4 * distance, wide - steep)
    store(values, to + 5 * distance, last)


@compiled
def _six_of_six(values: Array, to: int, distance: int, d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> None:
    """Write B^T d, along one axis."""
    two, four, five = spread(np.float32(2)), spread(np.float32(4)), spread(np.float32(5))
    first, last = four * d0 - five * d2 + d4, four * d1 - five * d3 + d5
    _keep_six(values, to, distance, first, d4 - four * d2, d3 - four * d1, d4 - d2, two * (d3 - d1), last)


@compiled
def _six_of_four(values: Array, to: int, distance: int, g0: Any, g1: Any, g2: Any, g3: Any) -> None:
    """Write A g, along one axis."""
    two, four, eight = spread(np.float32(2)), spread(np.float32(4)), spread(np.float32(8))
    _keep_six(values, to, distance, g0, g0 + g2, g1 + g3, g0 + four * g2, two * g1 + eight * g3, g3)


@compiled
def scatter(
    maps: Array, first: int, stride: int, height: int, width: int,
    down: int, across: int, tile: Array, values: Array, place: int, distance: int, channels: int,
) -> None:  # fmt: skip
    """Write the 36 values of a tile: B^T d B with the points 0, 1, -1, 2, -2 and infinity.

    Tile (down, across) covers rows 4 down - 1 and the five below; beyond the edges are zeros. `stride` values lie from
    pixel to pixel, of which `channels` are wanted.
    """
    zero = spread(np.float32(0))
    top, left, line = 4 * down - 1, 4 * across - 1, width * stride
    for channel in range(0, channels, LANES):
        for j in range(6):
            d0 = d1 = d2 = d3 = d4 = d5 = zero
            if 0 <= left + j < width:
                at = first + (top * width + left + j) * stride + channel
                if top >= 0:
                    d0 = load(maps, at)
                d1 = load(maps, at + line)
                if top + 2 < height:
                    d2 = load(maps, at + 2 * line)
                if top + 3 < height:
                    d3 = load(maps, at + 3 * line)
                if top + 4 < height:
                    d4 = load(maps, at + 4 * line)
                if top + 5 < height:
                    d5 = load(maps, at + 5 * line)
            _six_of_six(tile, j * LANES, ROW, d0, d1, d2, d3, d4, d5)
        for i in range(6):
            at, to = i * ROW, place + 6 * i * distance + channel
            d0, d1, d2 = load(tile, at), load(tile, at + LANES), load(tile, at + 2 * LANES)
            d3, d4, d5 = load(tile, at + 3 * LANES), load(tile, at + 4 * LANES), load(tile, at + 5 * LANES)
            _six_of_six(values, to, distance, d0, d1, d2, d3, d4, d5)


@compiled
def gather(
    maps: Array, under: Array, first: int, stride: int, height: int, width: int,
    down: int, across: int, tile: Array, values: Array, place: int, distance: int, channels: int,
) -> None:  # fmt: skip
    """Write the pixels of a tile from its 36 values, A^T m A: four rows and columns, cut where the maps end.

    As for `scatter`, `stride` values lie from pixel to pixel, of which `channels` are written.
    """
    add = len(under) > 0
    two, four, eight = spread(np.float32(2)), spread(np.float32(4)), spread(np.float32(8))
    top, left, line = 4 * down, 4 * across, 6 * distance
    rows, columns = min(4, height - top), min(4, width - left)
    for channel in range(0, channels, LANES):
        for j in range(6):
            at, to = place + j * distance + channel, j * LANES
            m0, m1, m2 = load(values, at), load(values, at + line), load(values, at + 2 * line)
            m3, m4, m5 = load(values, at + 3 * line), load(values, at + 4 * line), load(values, at + 5 * line)
            even, odd, wide, steep = m1 + m2, m1 - m2, m3 + m4, m3 - m4
            store(tile, to, m0 + even + wide)
            store(tile, to + ROW, odd + two * steep)
            store(tile, to + 2 * ROW, even + four * wide)
            store(tile, to + 3 * ROW, odd + eight * steep + m5)
        for i in range(rows):
            at = i * ROW
            m0, m1, m2 = load(tile, at), load(tile, at + LANES), load(tile, at + 2 * LANES)
            m3, m4, m5 = load(tile, at + 3 * LANES), load(tile, at + 4 * LANES), load(tile, at + 5 * LANES)
            even, odd, wide, steep = m1 + m2, m1 - m2, m3 + m4, m3 - m4
            to = first + ((top + i) * width + left) * stride + channel
            for j in range(columns):
                y = m0 + even + wide
                if j == 1:
                    y = odd + two * steep
                elif j == 2:
                    y = even + four * wide
                elif j == 3:
                    y = odd + eight * steep + m5
                at = to + j * stride
                store(maps, at, y + load(under, at) if add else y)


@compiled
def weigh(
    maps: Array, shape: Any, gradient: Array, outputs: int, sums: Array, rooms: Any, chunk: int, share: Any
) -> None:
    """Add to `sums` [36, inputs, outputs] the products of what the tiles `share` of maps and gradient transform to.

    Parameters
    ----------
    maps
        Of `shape` (item, inputs, y, x).
    gradient
        Of what the maps were convolved to: as many items and pixels, `outputs` channels.
    rooms
        Memory for 36 (`chunk` inputs + 16) and 36 (`chunk` outputs + 16) values.
    """
    _, inputs, height, width = shape
    before, after = rooms
    across = (width + 3) // 4
    tiles = across * ((height + 3) // 4)
    tile = np.empty(POINTS * LANES, np.float32)
    shown, made = chunk * inputs + LANES, chunk * outputs + LANES
    for start in range(share[0], share[1], chunk):
        count = min(chunk, share[1] - start)
        for n in range(count):
            item, t = divmod(start + n, tiles)
            down, right = t // across, t % across
            first = item * height * width * inputs
            scatter(maps, first, inputs, height, width, down, right, tile, before, n * inputs, shown, inputs)
            _widen(gradient, item, outputs, height, width, down, right, tile, after, n * outputs, made)
        for p in range(POINTS):
            for i in range(0, inputs, DOWN):
                for o in range(0, outputs, LANES):
                    into = (p * inputs + i) * outputs + o
                    _down(before, p * shown + i, inputs, after, p * made + o, outputs, sums, into, outputs, 0, count)


@compiled
def _widen(
    maps: Array, item: int, channels: int, height: int, width: int,
    down: int, across: int, tile: Array, values: Array, place: int, distance: int,
) -> None:  # fmt: skip
    """Write the 36 values of a tile of 4x4 pixels: A g A^T, the transpose of `gather`; zeros where the maps end."""
    zero = spread(np.float32(0))
    top, left, line = 4 * down, 4 * across, width * channels
    rows = min(4, height - top)
    for channel in range(0, channels, LANES):
        for j in range(4):
            g0 = g1 = g2 = g3 = zero
            if left + j < width:
                at = ((item * height + top) * width + left + j) * channels + channel
                g0 = load(maps, at)
                if rows > 1:
                    g1 = load(maps, at + line)
                if rows > 2:
                    g2 = load(maps, at + 2 * line)
                if rows > 3:
                    g3 = load(maps, at + 3 * line)
            _six_of_four(tile, j * LANES, ROW, g0, g1, g2, g3)
        for i in range(6):
            at, to = i * ROW, place + 6 * i * distance + channel
            g0, g1 = load(tile, at), load(tile, at + LANES)
            g2, g3 = load(tile, at + 2 * LANES), load(tile, at + 3 * LANES)
            _six_of_four(values, to, distance, g0, g1, g2, g3)
