"""3x3 convolutions on a processor by Winograd's minimal filtering, and their gradients, compiled.

F(4x4, 3x3) of Lavin and Gray 2016 (arXiv 1509.09308): tiles of 6x6 pixels are transformed, multiplied by the
transformed weights as 36 matrices, and transformed back to 4x4 pixels, with a quarter of the multiplications. In single
precision the result is that of the direct convolution to about 1e-5 of the largest value. Maps lie channels last.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from rsd_mri.machine.pool import in_threads
from rsd_mri.networks.lanes import LANES

Array = Any
POINTS = 36
"""Values of a transformed tile."""
CHUNK_BYTES = 2**18
"""Transformed tiles that are held at once: what the cache of a processor takes."""
GRADIENT_BYTES = 2**20
"""The same for the gradient of weights, whose sums each chunk reads and writes."""
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
    """Whether a convolution with such weights [out, in, 3, 3] is quicker this way.

    In inference whatever the batch: an image is the same alone and beside others.
    """
    tiles = tiles_of(x if torch.is_grad_enabled() else x[:1])
    return (
        tuple(weight_shape[2:]) == (3, 3)
        and in_vectors(weight_shape)
        and min(x.shape[-2:]) > 4
        and tiles >= SMALLEST
        and plain(x)
    )


def in_vectors(weight_shape: tuple[int, ...]) -> bool:
    """Whether weights [out, in, ...] go from whole vectors of channels to whole ones."""
    return weight_shape[0] % LANES == 0 and weight_shape[1] % LANES == 0


def of_inference(x: Tensor) -> bool:
    """Whether maps are `plain`, and no gradient is wanted."""
    return plain(x) and not torch.is_grad_enabled()


def plain(x: Tensor) -> bool:
    """Whether maps are in single precision on a processor, channels last."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and x.is_contiguous(memory_format=torch.channels_last)
    )


@dataclass(frozen=True)
class Matrices:
    """Transformed weights, by which tiles are multiplied."""

    values: Array
    """[36, part, panel, in, out of a panel], flat; the last panel is filled with zeros."""
    parts: int
    """1 of real weights, 3 of complex ones (see `winograd_kernels.convolve`)."""
    inputs: int
    """Channels that each part takes."""
    outputs: int
    """Channels that each part makes."""


def transformed(real: Tensor, imag: Tensor | None = None) -> Matrices:
    """Weights [out, in, 3, 3], of a complex convolution both parts, as the matrices that tiles are multiplied by."""
    parts = [real] if imag is None else [real, imag - real, -(imag + real)]
    made = values_of(parts)
    outputs, inputs = real.shape[:2]
    panel = _kernels().PANEL
    values = F.pad(made, (0, -outputs % panel)).unflatten(3, (-1, panel)).transpose(2, 3).float().contiguous()
    return Matrices(values.flatten().numpy(), len(parts), inputs, outputs)


def values_of(weights: Sequence[Tensor]) -> Tensor:
    """The 36 values of several weights [out, in, 3, 3] each: [36, which, in, out]."""
    stacked = torch.stack([weight.detach().permute(2, 3, 1, 0) for weight in weights], 2)
    made: Tensor = (_both_ways(stacked.dtype) @ stacked.reshape(9, -1)).unflatten(1, stacked.shape[2:])
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


def tiles_of(x: Tensor) -> int:
    """Tiles of a batch of maps."""
    return len(x) * _tiles(x.shape[-2:])[0]


def convolve(x: Tensor, matrices: Matrices, under: Tensor | None = None) -> Tensor:
    """Convolve maps [batch, in, y, x] for which `takes` holds; same size, zeros beyond the edges.

    Maps `under` it, laid out as x, are added.
    """
    kernels = _kernels()
    batch, _, height, width = x.shape
    m = matrices
    times = 2 if m.parts == 3 else 1
    shown, made = m.parts * m.inputs, times * math.ceil(m.outputs / kernels.PANEL) * kernels.PANEL
    out = torch.empty(batch, times * m.outputs, height, width, memory_format=torch.channels_last)
    tiles, threads = tiles_of(x), torch.get_num_threads()
    chunk = chunk_of(tiles, shown + made, kernels.ROWS, threads)
    maps, into, added = flat(x), flat(out), flat(under)
    sizes = m.parts, m.inputs, m.outputs

    def work(first: int, last: int) -> None:
        lengths = {"in": m.parts * (chunk * m.inputs + LANES), "out": chunk * made + LANES}
        rooms = tuple(room(name, POINTS * length) for name, length in lengths.items())
        kernels.convolve(maps, tuple(x.shape), m.values, sizes, added, into, rooms, chunk, (first, last))

    in_threads(work, tiles, threads)
    return out


def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the weights, [out, in, 3, 3], of a convolution of maps x from that of its result.

    What `convolve` does, transposed in the weights: 36 products of both transforms, summed over the tiles.
    """
    kernels, inputs, outputs = _kernels(), x.shape[1], gradient.shape[1]
    tiles, threads = tiles_of(x), torch.get_num_threads()
    chunk = max(GRADIENT_BYTES // (4 * POINTS * (inputs + outputs)), 1)
    maps, given = flat(x), flat(gradient)
    sums: dict[int, Array] = {}

    def work(first: int, last: int) -> None:
        rooms = tuple(room(name, POINTS * (chunk * n + LANES)) for name, n in (("in", inputs), ("out", outputs)))
        sums[first] = room("sums", POINTS * inputs * outputs)[: POINTS * inputs * outputs]
        sums[first][:] = 0
        kernels.weigh(maps, tuple(x.shape), given, outputs, sums[first], rooms, chunk, (first, last))

    in_threads(work, tiles, threads)
    total = torch.from_numpy(sum(sums[first] for first in sorted(sums))).view(POINTS, -1)
    made: Tensor = (_both_ways(x.dtype).T @ total).view(3, 3, inputs, outputs).permute(3, 2, 0, 1)
    return made


def chunk_of(tiles: int, values: int, rows: int, threads: int) -> int:
    """Tiles to hold at once, of 36 times so many values each: whole blocks of rows of a product, all chunks alike."""
    most = max(CHUNK_BYTES // (4 * POINTS * values), 1)
    parts = math.ceil(tiles / (most * threads)) * threads
    return rows * math.ceil(tiles / (parts * rows))


def flat(x: Tensor | None) -> Array:
    """The memory of maps that lie channels last; none of none."""
    return np.empty(0, np.float32) if x is None else x.permute(0, 2, 3, 1).reshape(-1).numpy()


class _Rooms(threading.local):
    """Memory that one convolution after another works in: to ask for it anew costs as much as a transform."""

    def __init__(self) -> None:
        self.of: dict[str, Array] = {}


_rooms = _Rooms()


def room(name: str, count: int, kind: Any = np.float32) -> Array:
    """At least `count` values of 32 bits, of this thread; what is in them is left over."""
    if name not in _rooms.of or len(_rooms.of[name]) < count:
        _rooms.of[name] = np.zeros(count, np.float32)
    return _rooms.of[name].view(kind)


def _tiles(size: tuple[int, ...] | torch.Size) -> tuple[int, int]:
    """Tiles in all, and of one row."""
    across = math.ceil(size[1] / 4)
    return across * math.ceil(size[0] / 4), across


@lru_cache(maxsize=1)
def _kernels() -> ModuleType:
    """The compiled convolutions; the compiler is loaded with the first that runs."""
    from rsd_mri.networks import winograd_kernels

    return winograd_kernels
