"""3x3 convolutions of inference on a processor by Winograd's minimal filtering, compiled.

F(4x4, 3x3) of Lavin and Gray 2016 (arXiv 1509.09308): tiles of 6x6 pixels are transformed, multiplied by the
transformed weights as 36 matrices, and transformed back to 4x4 pixels, with a quarter of the multiplications. In single
precision the result is that of the direct convolution to about 1e-5 of the largest value. Maps lie channels last.
"""

import math
import threading
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from rsd_mri.machine.pool import in_threads
from rsd_mri.networks.lanes import LANES

Array = Any
POINTS = 36
"""Values of a transformed tile."""
CHUNK_BYTES = 2**21
"""Transformed tiles that are held at once: what the cache of a processor takes."""
SMALLEST = 32
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
    """Weights [out, in, 3, 3] as the 36 matrices [36, in, out] that tiles are multiplied by."""
    rows = torch.tensor(_ROWS, dtype=torch.float64)
    made = torch.einsum("ai,bj,ocij->abco", rows, rows, weight.detach().double())
    return made.flatten(0, 1).to(weight.dtype).contiguous()


def convolve(x: Tensor, matrices: Tensor) -> Tensor:
    """Convolve maps [batch, in, y, x] for which `takes` holds; same size, zeros beyond the edges."""
    scatter, gather = _kernels()
    batch, inputs, height, width = x.shape
    outputs = matrices.shape[2]
    out = torch.empty(batch, outputs, height, width, memory_format=torch.channels_last)
    tiles, across = _tiles((height, width))
    threads = torch.get_num_threads()
    chunk = min(max(CHUNK_BYTES // (4 * POINTS * (inputs + outputs)), SMALLEST) * threads, tiles)
    before, after = _room("before", POINTS * chunk * inputs), _room("after", POINTS * chunk * outputs)
    for b in range(batch):
        source, target = x[b].permute(1, 2, 0).numpy(), out[b].permute(1, 2, 0).numpy()
        for start in range(0, tiles, chunk):
            count = min(chunk, tiles - start)
            shown = before[: POINTS * count * inputs].view(POINTS, count, inputs)
            made = after[: POINTS * count * outputs].view(POINTS, count, outputs)
            _share(scatter, source, shown.numpy(), start, across, threads)
            torch.bmm(shown, matrices, out=made)
            _share(gather, target, made.numpy(), start, across, threads)
    return out


class _Rooms(threading.local):
    """Memory that one convolution after another works in: to ask for it anew costs as much as a transform."""

    def __init__(self) -> None:
        self.of: dict[str, Tensor] = {}


_rooms = _Rooms()


def _room(name: str, count: int) -> Tensor:
    """At least `count` values, of this thread; what is in them is left over."""
    if name not in _rooms.of or len(_rooms.of[name]) < count:
        _rooms.of[name] = torch.empty(count)
    return _rooms.of[name]


def _tiles(size: tuple[int, ...] | torch.Size) -> tuple[int, int]:
    """Tiles in all, and of one row."""
    across = math.ceil(size[1] / 4)
    return across * math.ceil(size[0] / 4), across


def _share(kernel: Any, maps: Array, values: Array, start: int, across: int, threads: int) -> None:
    """Transform the tiles of a chunk, shared between threads."""
    in_threads(lambda first, last: kernel(maps, values, start, first, last, across), values.shape[1], threads)


@lru_cache(maxsize=1)
def _kernels() -> tuple[Any, Any]:
    """The compiled transforms; the compiler is loaded with the first network that runs."""
    from rsd_mri.networks.winograd_kernels import gather, scatter

    return scatter, gather
