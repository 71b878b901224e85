"""The complex convolution of `winograd` in whole numbers of 16 bits, compiled: half the bytes, twice the products.

For processors that multiply and add pairs of such numbers in one instruction (AVX-512 VNNI) or two (AVX2). Tiles are
transformed in single precision, each of their 36 values is rounded to 12 bits and a sign of the largest of its
channels, and sums are kept exactly, in 32 bits. Weights are rounded so that no sum can overflow.
"""

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from rsd_mri.networks.lanes import LANES
from rsd_mri.networks.vectors import (
    ROWS,
    VECTOR,
    VECTORS,
    WIDE,
    compiled,
    first_of,
    load,
    product,
    spread,
    store,
)
from rsd_mri.networks.winograd_kernels import PANEL, POINTS, gather, scatter

llvm.initialize_native_asmparser()
Array = Any
LARGEST = 4095
"""Of the values of a tile, rounded."""
_SHORT = ir.VectorType(ir.IntType(16), LANES)
_WHOLE, _LANES = ir.VectorType(ir.IntType(32), LANES), ir.VectorType(ir.FloatType(), LANES)
_MAGIC = 12582912.0
"""1.5 2^23: a sum with it has the nearest whole number in its lowest bits."""


def _pairs_added(builder: Any, sums: Any, one: Any, other: Any) -> Any:
    """Add the products of pairs to 32-bit sums, by name: the compiler takes the instruction apart into two."""
    kind = ir.FunctionType(_WHOLE, [_WHOLE] * 3)
    return builder.asm(kind, "vpdpwssd $3, $2, $0", "=v,0,v,v", [sums, one, other], side_effect=False)


def _pairs_multiplied(builder: Any, sums: Any, one: Any, other: Any) -> Any:
    """The same in two instructions, on halves that a register of AVX2 holds."""
    half = ir.VectorType(ir.IntType(32), LANES // 2)
    kind = ir.FunctionType(half, [_SHORT] * 2)
    multiply = builder.module.declare_intrinsic("llvm.x86.avx2.pmadd.wd", (), kind)
    made = []
    for first in (0, LANES // 2):
        places = half(list(range(first, first + LANES // 2)))
        halves = [builder.bitcast(builder.shuffle_vector(v, v, places), _SHORT) for v in (one, other)]
        made.append(builder.call(multiply, halves))
    return builder.add(sums, builder.shuffle_vector(*made, _WHOLE(list(range(LANES)))))


_of_pairs = (_WHOLE, _pairs_added if WIDE else _pairs_multiplied)
_product, _product_onto = (product(ROWS, VECTORS, onto, _of_pairs) for onto in (False, True))


def _code_of_round(context: Any, u: Any, v: Any, array: Any, place: Any, distance: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        magic = _LANES([_MAGIC] * LANES)
        short = [builder.trunc(builder.bitcast(builder.fadd(x, magic), _WHOLE), _SHORT) for x in given[:2]]
        first = builder.bitcast(first_of(target, builder, signature, given, 2), ir.IntType(16).as_pointer())
        for part, value in enumerate((builder.add(*short), *short)):
            at = builder.add(given[3], builder.mul(given[4], ir.IntType(64)(part)))
            pointer = builder.bitcast(builder.gep(first, [at]), _SHORT.as_pointer())
            builder.store(value, pointer, align=2)
        return target.get_dummy_value()

    return types.void(u, v, array, types.intp, types.intp), code


def _code_of_widen(context: Any, array: Any, place: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = builder.gep(first_of(target, builder, signature, given, 0), [given[1]])
        return builder.sitofp(builder.load(builder.bitcast(pointer, _WHOLE.as_pointer()), align=4), _LANES)

    return VECTOR(array, types.intp), code


def _code_of_larger(context: Any, most: Any, v: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        most, size = (builder.bitcast(one, _WHOLE) for one in given)
        size = builder.and_(size, _WHOLE([0x7FFFFFFF] * LANES))
        return builder.bitcast(builder.select(builder.icmp_signed(">", size, most), size, most), _LANES)

    return VECTOR(VECTOR, VECTOR), code


def _code_of_largest(context: Any, v: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        kind = ir.FunctionType(ir.IntType(32), [_WHOLE])
        reduce = builder.module.declare_intrinsic(f"llvm.vector.reduce.smax.v{LANES}i32", (), kind)
        return builder.bitcast(builder.call(reduce, [builder.bitcast(given[0], _WHOLE)]), ir.FloatType())

    return types.float32(VECTOR), code


larger: Any = intrinsic(_code_of_larger)
"""(vector of no negative values, another): the magnitude of the other's values where they are larger.

As whole numbers: the bits of larger magnitudes are larger ones, and what is no number is larger than all."""
largest_of: Any = intrinsic(_code_of_largest)
"""(vector of no negative values): the largest, or what is no number."""
round_three: Any = intrinsic(_code_of_round)
"""(vectors u and v, array of 32 bits, place and distance in 16 bits): write u + v, u and v, rounded, each so far on."""
widened: Any = intrinsic(_code_of_widen)
"""(array of 32 bits, place): its whole numbers from there on as a vector."""


@compiled
def convolve(
    maps: Array, shape: Any, weights: Array, scales: Array, sizes: Any, under: Array, out: Array, rooms: Any,
    chunk: int, share: Any,
) -> None:  # fmt: skip
    """As `winograd_kernels.convolve` of complex maps.

    Parameters
    ----------
    weights
        [36, part, panel of outputs, pair of inputs, output of it, one of the pair], 16 bits, as 32.
    scales
        [36, output]: what one unit of the weights stands for.
    rooms
        Memory for 108 (`chunk` inputs / 2 + 16) and 36 (`chunk` channels made + 16) values of 32 bits, for 36 `chunk`
        scales, and for one tile before and after.
    """
    _, channels, height, width = shape
    inputs, outputs = sizes
    before, after, units, tile_before, tile_after = rooms
    pairs = inputs // 2
    across = (width + 3) // 4
    tiles = across * ((height + 3) // 4)
    tile, shares = np.empty(POINTS * LANES, np.float32), np.empty(POINTS, np.float32)
    shown = chunk * pairs + LANES
    whole = (outputs + PANEL - 1) // PANEL * PANEL
    every, makes = 2 * whole, 2 * outputs
    made = chunk * every + LANES
    for start in range(share[0], share[1], chunk):
        count = min(chunk, share[1] - start)
        for n in range(count):
            item, t = divmod(start + n, tiles)
            first = item * height * width * channels
            for part in range(2):
                begun, into = first + part * inputs, part * inputs
                down, right = t // across, t % across
                scatter(maps, begun, channels, height, width, down, right, tile, tile_before, into, channels, inputs)
            _round(tile_before, inputs, before, 2 * n * pairs, 2 * shown, units, n * POINTS, shares)
        for p in range(POINTS):
            for part in range(3):
                for o in range(0, whole, PANEL):
                    matrix = ((3 * p + part) * whole + o) * pairs
                    for n in range(0, count, ROWS):
                        left, into = (3 * p + part) * shown + n * pairs, p * made + n * every + o
                        if part == 0:
                            _product(before, left, pairs, weights, matrix, PANEL, after, into, every, whole, pairs)
                        else:
                            into += whole if part == 1 else 0
                            _product_onto(before, left, pairs, weights, matrix, PANEL, after, into, every, 0, pairs)
        for n in range(count):
            item, t = divmod(start + n, tiles)
            first = item * height * width * makes
            _scale(after, n * every, made, whole, scales, units, n * POINTS, tile_after)
            for part in range(2):
                begun, place = first + part * outputs, part * whole
                down, right = t // across, t % across
                gather(out, under, begun, makes, height, width, down, right, tile, tile_after, place, every, outputs)


@compiled
def _round(
    tile: Array, inputs: int, values: Array, place: int, distance: int, units: Array, first: int, shares: Array
) -> None:
    """Write the three parts of each of a tile's 36 values, and what one unit of them stands for.

    All the largest first, and quotients of many at once: nothing then waits for a quotient.
    """
    whole = spread(np.float32(0))
    for p in range(POINTS):
        most = spread(np.float32(1e-30))
        for c in range(0, 2 * inputs, LANES):
            most = larger(most, load(tile, 2 * p * inputs + c))
        units[first + p] = largest_of(most)
        whole = larger(whole, most)
    # What is no number, or too large for one, stays so.
    lost = largest_of(whole) * np.float32(0) != 0
    for p in range(POINTS):
        shares[p] = np.float32(LARGEST) / units[first + p]
    for p in range(POINTS):
        units[first + p] = np.float32(np.nan) if lost else units[first + p] * np.float32(1 / LARGEST)
    for p in range(POINTS):
        by = spread(shares[p])
        for c in range(0, inputs, LANES):
            u, v = load(tile, 2 * p * inputs + c), load(tile, (2 * p + 1) * inputs + c)
            round_three(u * by, v * by, values, place + 3 * p * distance + c, distance)


@compiled
def _scale(
    sums: Array, place: int, distance: int, whole: int, scales: Array, units: Array, first: int, tile: Array
) -> None:
    """Write what the sums of a tile stand for, real parts and imaginary ones."""
    for p in range(POINTS):
        unit = spread(units[first + p])
        for c in range(0, whole, LANES):
            scale, at, to = unit * load(scales, p * whole + c), place + p * distance + c, 2 * p * whole + c
            store(tile, to, scale * widened(sums, at))
            store(tile, to + whole, scale * widened(sums, at + whole))
