"""3x3 convolutions of inference on a processor by Winograd's minimal filtering, compiled.

F(4x4, 3x3) of Lavin and Gray 2016 (arXiv 1509.09308): tiles of 6x6 pixels are transformed, multiplied by the
transformed weights as 36 matrices, and transformed back to 4x4 pixels, with a quarter of the multiplications. In single
precision the result is that of the direct convolution to about 1e-5 of the largest value. Maps lie channels last.
"""

import math
import threading
from collections.abc import Sequence
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
CHUNK_BYTES = 2**18
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
    made = values_of(parts)
    outputs, inputs = real.shape[:2]
    panel = _kernels()[1]
    values = F.pad(made, (0, -outputs % panel)).unflatten(3, (-1, panel)).transpose(2, 3).float().contiguous()
    return Matrices(values.flatten().numpy(), len(parts), inputs, outputs)


def values_of(weights: Sequence[Tensor]) -> Tensor:
    """The 36 values of several weights [out, in, 3, 3] each: [36, which, in, out], in double precision."""
    rows = torch.tensor(_ROWS, dtype=torch.float64)
    stacked = torch.stack([weight.detach().double() for weight in weights])
    return torch.einsum("ai,bj,pocij->abpco", rows, rows, stacked).flatten(0, 1)


def tiles_of(x: Tensor) -> int:
    """Tiles of a batch of maps."""
    return len(x) * _tiles(x.shape[-2:])[0]


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
    tiles, threads = tiles_of(x), torch.get_num_threads()
    chunk = chunk_of(tiles, shown + made, rows, threads)
    maps, into, added = flat(x), flat(out), flat(under)
    sizes = m.parts, m.inputs, m.outputs

    def work(first: int, last: int) -> None:
        lengths = {"in": m.parts * (chunk * m.inputs + LANES), "out": chunk * made + LANES}
        rooms = tuple(room(name, POINTS * length) for name, length in lengths.items())
        convolution(maps, tuple(x.shape), m.values, sizes, added, into, rooms, chunk, (first, last))

    in_threads(work, tiles, threads)
    return out


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
def _kernels() -> tuple[Any, int, int]:
    """The compiled convolution, and the outputs and rows of its products.

    The compiler is loaded with the first network that runs.
    """
    from rsd_mri.networks.vectors import ROWS
    from rsd_mri.networks.winograd_kernels import PANEL, convolve

    return convolve, PANEL, ROWS
