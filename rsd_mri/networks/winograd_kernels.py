"""The transforms of `winograd`, compiled: tiles of maps to 36 values each, and back.

Each works through blocks of `LANES` channels in a small array of its own, where all distances are constants: elsewhere
the compiler fears that arrays overlap, and does one channel at a time.
"""

from typing import Any

import numba
import numpy as np

from rsd_mri.networks.winograd import LANES

Array = Any
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"})
ROW = 6 * LANES
"""Values of one row of a tile."""


@_compiled
def scatter(maps: Array, values: Array, start: int, first: int, last: int, across: int) -> None:
    """Transform tiles `start + first` to `start + last` of maps [y, x, channel] into values [36, tile, channel].

    B^T d B with the points 0, 1, -1, 2, -2 and infinity; tile t covers rows 4 (t // across) - 1 and the five below.
    """
    height, width, channels = maps.shape
    tile = np.empty(6 * ROW, np.float32)
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    for n in range(first, last):
        top, left = 4 * ((start + n) // across) - 1, 4 * ((start + n) % across) - 1
        for begin in range(0, channels, LANES):
            for i in range(6):
                for j in range(6):
                    place = i * ROW + j * LANES
                    if 0 <= top + i < height and 0 <= left + j < width:
                        pixel = maps[top + i, left + j]
                        for c in range(LANES):
                            tile[place + c] = pixel[begin + c]
                    else:
                        for c in range(LANES):
                            tile[place + c] = np.float32(0)
            for k in range(ROW):
                d0, d1, d2 = tile[k], tile[ROW + k], tile[2 * ROW + k]
                d3, d4, d5 = tile[3 * ROW + k], tile[4 * ROW + k], tile[5 * ROW + k]
                even, odd, wide, steep = d4 - four * d2, d3 - four * d1, d4 - d2, two * (d3 - d1)
                tile[k] = four * d0 - five * d2 + d4
                tile[ROW + k] = even + odd
                tile[2 * ROW + k] = even - odd
                tile[3 * ROW + k] = wide + steep
                tile[4 * ROW + k] = wide - steep
                tile[5 * ROW + k] = four * d1 - five * d3 + d5
            for i in range(6):
                for c in range(LANES):
                    k = i * ROW + c
                    d0, d1, d2 = tile[k], tile[LANES + k], tile[2 * LANES + k]
                    d3, d4, d5 = tile[3 * LANES + k], tile[4 * LANES + k], tile[5 * LANES + k]
                    even, odd, wide, steep = d4 - four * d2, d3 - four * d1, d4 - d2, two * (d3 - d1)
                    tile[k] = four * d0 - five * d2 + d4
                    tile[LANES + k] = even + odd
                    tile[2 * LANES + k] = even - odd
                    tile[3 * LANES + k] = wide + steep
                    tile[4 * LANES + k] = wide - steep
                    tile[5 * LANES + k] = four * d1 - five * d3 + d5
            for p in range(36):
                value = values[p, n]
                for c in range(LANES):
                    value[begin + c] = tile[p * LANES + c]


@_compiled
def gather(maps: Array, values: Array, start: int, first: int, last: int, across: int) -> None:
    """Transform values [36, tile, channel] of tiles `start + first` to `start + last` back into maps [y, x, channel].

    A^T m A: four rows and columns of pixels each, cut where the maps end.
    """
    height, width, channels = maps.shape
    tile = np.empty(6 * ROW, np.float32)
    two, four, eight = np.float32(2), np.float32(4), np.float32(8)
    for n in range(first, last):
        top, left = 4 * ((start + n) // across), 4 * ((start + n) % across)
        rows, columns = min(4, height - top), min(4, width - left)
        for begin in range(0, channels, LANES):
            for p in range(36):
                value = values[p, n]
                for c in range(LANES):
                    tile[p * LANES + c] = value[begin + c]
            for k in range(ROW):
                m1, m2, m3, m4 = tile[ROW + k], tile[2 * ROW + k], tile[3 * ROW + k], tile[4 * ROW + k]
                even, odd, wide, steep = m1 + m2, m1 - m2, m3 + m4, m3 - m4
                tile[k] += even + wide
                tile[ROW + k] = odd + two * steep
                tile[2 * ROW + k] = even + four * wide
                tile[3 * ROW + k] = odd + eight * steep + tile[5 * ROW + k]
            for i in range(4):
                for c in range(LANES):
                    k = i * ROW + c
                    m1, m2, m3, m4 = tile[LANES + k], tile[2 * LANES + k], tile[3 * LANES + k], tile[4 * LANES + k]
                    even, odd, wide, steep = m1 + m2, m1 - m2, m3 + m4, m3 - m4
                    tile[k] += even + wide
                    tile[LANES + k] = odd + two * steep
                    tile[2 * LANES + k] = even + four * wide
                    tile[3 * LANES + k] = odd + eight * steep + tile[5 * LANES + k]
            for i in range(rows):
                for j in range(columns):
                    pixel = maps[top + i, left + j]
                    place = i * ROW + j * LANES
                    for c in range(LANES):
                        pixel[begin + c] = tile[place + c]
