"""3x3 convolutions of inference on a processor by Winograd's minimal filtering, compiled.

F(4x4, 3x3) of Lavin and Gray 2016 (arXiv 1509.09308): tiles of 6x6 pixels are transformed, multiplied by the
transformed weights as 36 matrices, and transformed back to 4x4 pixels, with a quarter of the multiplications. In single
precision the result is that of the direct convolution to about 1e-5 of the largest value. Maps lie channels last.
"""

import math
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsd_mri.machine.pool import in_threads
from rsd_mri.networks.lanes import LANES

Array = Any
POINTS = 36
"""Values of a transformed tile."""
CHUNK_BYTES = 2**20
"""Transformed tiles that are held at once: what the cache of a processor takes."""
SMALLEST = 16
"""Tiles below which the matrices are too small to gain anything."""

_ROWS = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]


def takes(x: Tensor, weight_shape: tuple[int, ...]) -> bool:
    """Whether a convolution with such weights [out, in, 3, 3] is quicker this way, and no gradient is wanted."""
    return (
        tuple(weight_shape[2:]) == (3, 3)
        and weight_shape[0] % LANES == 0
        and weight_shape[1] % LANES == 0
        and _tiles(x.shape[-2:])[0] >= SMALLEST
        and plain(x)
    )


def plain(x: Tensor) -> bool:
    """Whether maps are those of inference in single precision on a processor, channels last."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def transformed(weight: Tensor) -> Tensor:
    """Weights [out, in, 3, 3] as the matrices that tiles are multiplied by: [36, panel, in, out of a panel]."""
    rows = torch.tensor(_ROWS, dtype=torch.float64)
    made = torch.einsum("ai,bj,ocij->abco", rows, rows, weight.detach().double()).flatten(0, 1)
    panels: Tensor = made.unflatten(2, (-1, _kernels()[1](len(weight)))).transpose(1, 2)
    return panels.to(weight.dtype).contiguous()


def convolve(x: Tensor, matrices: Tensor) -> Tensor:
    """Convolve maps [batch, in, y, x] for which `takes` holds; same size, zeros beyond the edges."""
    convolution, _, rows = _kernels()
    batch, inputs, height, width = x.shape
    panels, panel = matrices.shape[1], matrices.shape[3]
    outputs = panels * panel
    out = torch.empty(batch, outputs, height, width, memory_format=torch.channels_last)
    tiles = batch * _tiles((height, width))[0]
    threads = torch.get_num_threads()
    # Parts of one size, whole blocks of rows of a product each.
    most = max(CHUNK_BYTES // (4 * POINTS * (inputs + outputs)), 1)
    parts = math.ceil(tiles / (most * threads)) * threads
    chunk = rows * math.ceil(tiles / (parts * rows))
    maps, into, weights = _flat(x), _flat(out), matrices.view(-1).numpy()

    def work(first: int, last: int) -> None:
        rooms = tuple(_room(name, POINTS * (chunk * n + LANES)) for name, n in (("in", inputs), ("out", outputs)))
        convolution(maps, tuple(x.shape), weights, panel, outputs, into, rooms, chunk, (first, last))

    in_threads(work, tiles, threads)
    return out


def _flat(x: Tensor) -> Array:
    """The memory of maps that lie channels last."""
    return x.permute(0, 2, 3, 1).reshape(-1).numpy()


class _Rooms(threading.local):
    """Memory that one convolution after another works in: to ask for it anew costs as much as a transform."""

    def __init__(self) -> None:
        self.of: dict[str, Array] = {}


_rooms = _Rooms()


def _room(name: str, count: int) -> Array:
    """At least `count` values, of this thread; what is in them is left over."""
    if name not in _rooms.of or len(_rooms.of[name]) < count:
        _rooms.of[name] = np.zeros(count, np.float32)
    return _rooms.of[name]


def _tiles(size: tuple[int, ...] | torch.Size) -> tuple[int, int]:
    """Tiles in all, and of one row."""
    across = math.ceil(size[1] / 4)
    return across * math.ceil(size[0] / 4), across


@lru_cache(maxsize=1)
def _kernels() -> tuple[Any, Callable[[int], int], int]:
    """The compiled convolution, the outputs of a panel of its weights by all outputs, and the rows of its products.

    The compiler is loaded with the first network that runs.
    """
    from rsd_mri.networks.vectors import ROWS, VECTORS
    from rsd_mri.networks.winograd_kernels import convolve

    return convolve, lambda outputs: LANES * (VECTORS if outputs % (LANES * VECTORS) == 0 else 1), ROWS
