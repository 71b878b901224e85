"""3x3 convolutions on a processor by Winograd's minimal filtering, and their gradients, compiled.

F(4x4, 3x3) of Lavin and Gray 2016 (arXiv 1509.09308): tiles of 6x6 pixels are transformed, multiplied by the
transformed weights as 36 matrices, and transformed back to 4x4 pixels, with a quarter of the multiplications. In single
precision the result is that of the direct convolution to about 1e-5 of the largest value. Maps lie channels last.
"""

import math
import threading
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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
    """Whether a convolution with such weights [out, in, 3, 3] is quicker this way."""
    return (
        tuple(weight_shape[2:]) == (3, 3)
        and weight_shape[0] % LANES == 0
        and weight_shape[1] % LANES == 0
        and min(x.shape[-2:]) > 4
        and len(x) * _tiles(x.shape[-2:])[0] >= SMALLEST
        and plain(x)
    )


def plain(x: Tensor) -> bool:
    """Whether maps are in single precision on a processor, channels last."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def transformed(weight: Tensor) -> Tensor:
    """Weights [out, in, 3, 3] as the matrices that tiles are multiplied by: [36, panel, in, out of a panel]."""
    outputs, inputs = weight.shape[:2]
    panel = _panel(outputs)
    flat = weight.detach().permute(2, 3, 0, 1).reshape(9, -1, panel, inputs).transpose(2, 3)
    made: Tensor = (_both_ways(weight.dtype) @ flat.reshape(9, -1)).unflatten(1, (-1, inputs, panel))
    return made


@lru_cache
def _both_ways(dtype: torch.dtype) -> Tensor:
    """[36, 9]: weights of 3x3 to those of a transformed tile."""
    rows = torch.tensor(_ROWS, dtype=torch.float64)
    return torch.kron(rows, rows).to(dtype)


def convolve_learning(x: Tensor, weight: Tensor) -> Tensor:
    """`convolve` by weights [out, in, 3, 3], with gradients of maps and weights."""
    made: Tensor = _Convolution.apply(x, weight)
    return made


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return convolve(x, transformed(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = convolve(gradient, transformed(weight.flip(2, 3).transpose(0, 1)))
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(x, gradient)
        return of_x, of_weight


def convolve(x: Tensor, matrices: Tensor) -> Tensor:
    """Convolve maps [batch, in, y, x] for which `takes` holds; same size, zeros beyond the edges."""
    kernels, rows = _kernels()
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
        kernels.convolve(maps, tuple(x.shape), weights, panel, outputs, into, rooms, chunk, (first, last))

    in_threads(work, tiles, threads)
    return out


def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the weights, [out, in, 3, 3], of a convolution of maps x from that of its result.

    What `convolve` does, transposed in the weights: 36 products of both transforms, summed over the tiles.
    """
    kernels, _ = _kernels()
    batch, inputs, height, width = x.shape
    outputs = gradient.shape[1]
    tiles, threads = batch * _tiles((height, width))[0], torch.get_num_threads()
    chunk = max(CHUNK_BYTES // (4 * POINTS * (inputs + outputs)), 1)
    maps, given = _flat(x), _flat(gradient)
    sums: dict[int, Array] = {}

    def work(first: int, last: int) -> None:
        rooms = tuple(_room(name, POINTS * (chunk * n + LANES)) for name, n in (("in", inputs), ("out", outputs)))
        sums[first] = np.zeros(POINTS * inputs * outputs, np.float32)
        kernels.weigh(maps, tuple(x.shape), given, outputs, sums[first], rooms, chunk, (first, last))

    in_threads(work, tiles, threads)
    total = torch.from_numpy(sum(sums[first] for first in sorted(sums))).view(POINTS, -1)
    made: Tensor = (_both_ways(x.dtype).T @ total).view(3, 3, inputs, outputs).permute(3, 2, 0, 1)
    return made


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


def _panel(outputs: int) -> int:
    """Outputs of a panel of weights."""
    from rsd_mri.networks.vectors import VECTORS

    return LANES * (VECTORS if outputs % (LANES * VECTORS) == 0 else 1)


@lru_cache(maxsize=1)
def _kernels() -> tuple[ModuleType, int]:
    """The compiled convolutions, and the rows of their products; the compiler is loaded with the first that runs."""
    from rsd_mri.networks import winograd_kernels
    from rsd_mri.networks.vectors import ROWS

    return winograd_kernels, ROWS
