"""3x3 convolutions of inference on a processor by Winograd's minimal filtering, compiled.

F(4x4, 3x3) of Lavin and Gray 2016 (arXiv 1509.09308): tiles of 6x6 pixels are transformed, multiplied by the
transformed weights as 36 matrices, and transformed back to 4x4 pixels, with a quarter of the multiplications. In single
precision the result is that of the direct convolution to about 1e-5 of the largest value. Maps lie channels last.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
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
        and in_vectors(weight_shape)
        and _tiles(x.shape[-2:])[0] >= SMALLEST
        and plain(x)
    )


def in_vectors(weight_shape: tuple[int, ...]) -> bool:
    """Whether weights [out, in, ...] go from whole vectors of channels to whole ones."""
    return weight_shape[0] % LANES == 0 and weight_shape[1] % LANES == 0


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
    rows = torch.tensor(_ROWS, dtype=torch.float64)
    weight = torch.stack([part.detach().double() for part in parts])
    made = torch.einsum("ai,bj,pocij->abpco", rows, rows, weight).flatten(0, 1)
    outputs, inputs = real.shape[:2]
    panel = _kernels()[1]
    values = F.pad(made, (0, -outputs % panel)).unflatten(3, (-1, panel)).transpose(2, 3).float().contiguous()
    return Matrices(values.flatten().numpy(), len(parts), inputs, outputs)


def convolve(x: Tensor, matrices: Matrices, under: Tensor | None = None) -> Tensor:
    """Convolve maps [batch, in, y, x] for which `takes` holds; same size, zeros beyond the edges.

    Maps `under` it, laid out as x, are added.
    """
    convolution, panel, rows = _kernels()
    batch, _, height, width = x.shape
    m = matrices
    times = 2 if m.parts == 3 else 1
    shown, made = m.parts * m.inputs, times * math.ceil(m.outputs / panel) * panel
    out = torch.empty(batch, times * m.outputs, height, width, memory_format=torch.channels_last)
    tiles = batch * _tiles((height, width))[0]
    threads = torch.get_num_threads()
    # Parts of one size, whole blocks of rows of a product each.
    most = max(CHUNK_BYTES // (4 * POINTS * (shown + made)), 1)
    parts = math.ceil(tiles / (most * threads)) * threads
    chunk = rows * math.ceil(tiles / (parts * rows))
    maps, into = _flat(x), _flat(out)
    added = np.empty(0, np.float32) if under is None else _flat(under)
    sizes = m.parts, m.inputs, m.outputs

    def work(first: int, last: int) -> None:
        lengths = {"in": m.parts * (chunk * m.inputs + LANES), "out": chunk * made + LANES}
        rooms = tuple(_room(name, POINTS * length) for name, length in lengths.items())
        convolution(maps, tuple(x.shape), m.values, sizes, added, into, rooms, chunk, (first, last))

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
def _kernels() -> tuple[Any, int, int]:
    """The compiled convolution, and the outputs and rows of its products.

    The compiler is loaded with the first network that runs.
    """
    from rsd_mri.networks.winograd_kernels import PANEL, ROWS, convolve

    return convolve, PANEL, ROWS
