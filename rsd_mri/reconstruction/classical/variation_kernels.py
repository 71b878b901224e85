"""Steps of `total_variation.VariationShrinkage` on a processor, compiled: every array is read and written once a step.

Arrays are complex and contiguous: images [item, row, column], dual fields [2, item, row, column], the amounts real,
[item].
"""

from typing import Any

import numpy as np

from rsd_mri.machine.compiling import compiling

Array = Any
_compiled = compiling(fastmath={"reassoc", "contract", "arcp", "nsz"})


@_compiled
def dual_step(image: Array, ahead: Array, dual: Array, amount: Array, bound: float, momentum: float) -> None:
    """Take one step: `ahead` and `dual` are replaced by those after it."""
    rows, columns = image.shape[1:]
    last = rows - 1
    # With the first value once more at the end: differences wrap around.
    first, here, below = np.empty((3, columns + 1), image.dtype)
    share, onward = np.float32(1 / bound), np.float32(momentum)
    for b in range(len(image)):
        x, along, across = image[b], ahead[0, b], ahead[1, b]
        _left(x[0], along[last], along[0], across[0], first)
        here[:] = first
        for r in range(rows):
            # The row below is made of what is there before this row's step.
            if r < last:
                _left(x[r + 1], along[r], along[r + 1], across[r + 1], below)
            else:
                below[:] = first
            _row_step(here, below, along[r], across[r], dual[0, b, r], dual[1, b, r], amount[b], share, onward)
            here, below = below, here


@_compiled
def rest(image: Array, dual: Array, out: Array) -> None:
    """Write what the dual leaves of the images."""
    row = np.empty(image.shape[2] + 1, image.dtype)
    for b in range(len(image)):
        for r in range(image.shape[1]):
            _left(image[b, r], dual[0, b, r - 1], dual[0, b, r], dual[1, b, r], row)
            out[b, r] = row[:-1]


@_compiled
def _left(image: Array, above: Array, along: Array, across: Array, out: Array) -> None:
    """One row of image - D^H field, and its first value again; `above` is the row before of the field's first part."""
    columns = len(image)
    for c in range(columns):
        out[c] = image[c] - (above[c] - along[c] - across[c])
    for c in range(1, columns):
        out[c] -= across[c - 1]
    out[0] -= across[columns - 1]
    out[columns] = out[0]


@_compiled
def _row_step(
    here: Array, below: Array, along: Array, across: Array, before: Array, before_across: Array,
    amount: float, share: float, onward: float,
) -> None:  # fmt: skip
    """One row: up the gradient, back to lengths of at most the amount, then on by the momentum."""
    tiny = np.float32(np.finfo(np.float32).tiny)
    for c in range(len(along)):
        u, v = along[c] + share * (below[c] - here[c]), across[c] + share * (here[c + 1] - here[c])
        power = u.real * u.real + u.imag * u.imag + v.real * v.real + v.imag * v.imag
        factor = min(amount / np.sqrt(max(power, tiny)), np.float32(1))
        u, v = factor * u, factor * v
        along[c], across[c] = u + onward * (u - before[c]), v + onward * (v - before_across[c])
        before[c], before_across[c] = u, v
