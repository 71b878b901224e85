"""Complex 3x3 convolutions of inference in whole numbers of 16 bits, on processors that are quick at them.

As `winograd`, with tiles and weights rounded: a result is that of the direct convolution to about a thousandth, as
closely as in bfloat16 (docs/choices.md), and only where `quick_products` allows it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rsd_mri.machine.device import whole_numbers_wanted
from rsd_mri.machine.pool import in_threads
from rsd_mri.networks import winograd
from rsd_mri.networks.lanes import LANES
from rsd_mri.networks.winograd import POINTS, chunk_of, flat, room, tiles_of, values_of

Array = Any
LARGEST = 32760
"""Of real and imaginary part of a weight together, rounded."""


@dataclass(frozen=True)
class WholeMatrices:
    """Transformed weights, rounded."""

    values: Array
    """[36, part, panel, pair of inputs, out of a panel, of a pair], 16 bits, flat, as 32."""
    scales: Array
    """[36, out], flat: what one unit stands for; of whole panels."""
    inputs: int
    """Complex channels taken."""
    outputs: int
    """Complex channels made."""


def takes(x: Tensor, weight_shape: tuple[int, ...]) -> bool:
    """Whether a complex convolution, weights [out, in, 3, 3] of each part, is wanted this way and can be done."""
    return whole_numbers_wanted() and winograd.takes(x, weight_shape) and _for_this_processor()


@lru_cache(maxsize=1)
def _for_this_processor() -> bool:
    """Whether code is compiled for this processor, and not for another by numba's settings."""
    from numba.core import config

    return not any(getattr(config, name, None) for name in ("CPU_NAME", "CPU_FEATURES"))


def transformed(real: Tensor, imag: Tensor) -> WholeMatrices:
    """Weights [out, in, 3, 3] of both parts as the matrices that rounded tiles are multiplied by."""
    _, panel, _, most = _kernels()
    outputs, inputs = real.shape[:2]
    values = F.pad(values_of([real.double(), imag.double()]), (0, -outputs % panel))
    size = values.abs().sum(1)
    # No sum of values that are rounded to `most` at most may pass 31 bits.
    scales = torch.maximum(size.amax(1) / LARGEST, size.sum(1) / (0.998 * 2**31 / most)).clamp_min(1e-30)
    a, b = (values / scales[:, None, None]).round().to(torch.int16).unbind(1)
    parts = torch.stack([a, b - a, -(a + b)], 1).unflatten(3, (-1, panel)).transpose(2, 3)
    pairs = parts.unflatten(3, (inputs // 2, 2)).transpose(4, 5).contiguous()
    return WholeMatrices(pairs.flatten().numpy().view(np.int32), scales.float().flatten().numpy(), inputs, outputs)


def convolve(x: Tensor, matrices: WholeMatrices, under: Tensor | None = None) -> Tensor:
    """As `winograd.convolve`."""
    convolution, panel, rows, _ = _kernels()
    m = matrices
    out = torch.empty(len(x), 2 * m.outputs, *x.shape[2:], memory_format=torch.channels_last)
    pairs, made = m.inputs // 2, 2 * len(m.scales) // POINTS
    tiles, threads = tiles_of(x), torch.get_num_threads()
    chunk = chunk_of(tiles, 3 * pairs + made, rows, threads)
    maps, into, added = flat(x), flat(out), flat(under)

    def work(first: int, last: int) -> None:
        rooms = (
            room("in", POINTS * 3 * (chunk * pairs + LANES), np.int32),
            room("out", POINTS * (chunk * made + LANES), np.int32),
            room("units", POINTS * chunk),
            room("tile in", POINTS * 2 * m.inputs),
            room("tile out", POINTS * made),
        )
        sizes = m.inputs, m.outputs
        convolution(maps, tuple(x.shape), m.values, m.scales, sizes, added, into, rooms, chunk, (first, last))

    in_threads(work, tiles, threads)
    return out


@lru_cache(maxsize=1)
def _kernels() -> tuple[Any, int, int, int]:
    """The compiled convolution, the outputs and rows of its products, and the largest value of a tile."""
    from rsd_mri.networks.vectors import ROWS
    from rsd_mri.networks.whole_kernels import LARGEST, convolve
    from rsd_mri.networks.winograd_kernels import PANEL

    return convolve, PANEL, ROWS, LARGEST
