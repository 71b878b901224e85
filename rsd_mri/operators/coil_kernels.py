"""Coil maps times images and back, compiled, for a part of the coils and rows: what is at work stays in the cache.

Arrays are complex and contiguous: maps [batch or 1, set, coil, row, column], images [batch or 1, set, row, column],
coil images [batch, coil, row, column] of the coils and rows of the part. Each call works on the rows `start` to `stop`
of the part, so that several threads can share it.
"""

from typing import Any

from rsd_mri.machine.compiling import compiling

Array = Any
_compiled = compiling(fastmath={"reassoc", "contract", "arcp", "nsz"})


@_compiled
def expand(maps: Array, images: Array, out: Array, coil: int, row: int, start: int, stop: int) -> None:
    """Write what the coils from `coil` on see of the rows from `row` on."""
    columns = out.shape[3]
    for r in range(start, stop):
        for b in range(out.shape[0]):
            m, i = min(b, maps.shape[0] - 1), min(b, images.shape[0] - 1)
            for c in range(out.shape[1]):
                to = out[b, c, r]
                one, seen = maps[m, 0, coil + c, row + r], images[i, 0, row + r]
                for p in range(columns):
                    to[p] = one[p] * seen[p]
                for s in range(1, maps.shape[1]):
                    other, more = maps[m, s, coil + c, row + r], images[i, s, row + r]
                    for p in range(columns):
                        to[p] += other[p] * more[p]


@_compiled
def combine(maps: Array, coil_images: Array, out: Array, coil: int, row: int, start: int, stop: int) -> None:
    """Add their sum, weighted by the conjugate maps, to those rows of images [batch, set, row, column]."""
    columns = out.shape[3]
    for r in range(start, stop):
        for b in range(out.shape[0]):
            m, i = min(b, maps.shape[0] - 1), min(b, coil_images.shape[0] - 1)
            for s in range(maps.shape[1]):
                to = out[b, s, row + r]
                for c in range(coil_images.shape[1]):
                    one, seen = maps[m, s, coil + c, row + r], coil_images[i, c, r]
                    for p in range(columns):
                        to[p] += one[p].conjugate() * seen[p]
