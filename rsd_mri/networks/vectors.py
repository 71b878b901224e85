"""Vectors of `LANES` values for compiled loops, and products of matrices that stay in registers.

A loop over channels is vectorised by the compiler only where it sees that nothing overlaps, and even then not over what
lies between two loops. Here a value of compiled code is a vector itself, which an instruction works on as a whole.
"""

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from rsd_mri.machine.compiling import compiling
from rsd_mri.networks.lanes import LANES

WIDE = bool(llvm.get_host_cpu_features().get("avx512f", False))
"""Whether a register of the processor holds a vector."""
ROWS, VECTORS = (12, 2) if WIDE else (6, 1)
"""Of a product that is held in registers: rows, and vectors a row; sums, factors and one spread value must fit."""
DOWN = 16 if WIDE else 4
"""Rows of a product with `down`, one vector a row."""

_INDEX, _LANES = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
_WHOLE = ir.VectorType(ir.IntType(32), LANES)
_FREE = ("contract", "reassoc", "nsz")
"""Products and sums may be fused and reordered; infinities and NaN keep their meaning."""


class Vector(types.Type):
    """Single precision values of `LANES` channels."""

    def __init__(self) -> None:
        super().__init__("Vector")


VECTOR = Vector()


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _LANES)  # type: ignore[no-untyped-call]


def _code_of_load(context: Any, array: Any, place: Any) -> Any:  # noqa: ARG001 - as numba calls it
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _loaded(builder, builder.gep(first_of(target, builder, signature, given, 0), [given[1]]))

    return VECTOR(array, types.intp), code


def _code_of_store(context: Any, array: Any, place: Any, vector: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        _keep(builder, given[2], builder.gep(first_of(target, builder, signature, given, 0), [given[1]]))
        return target.get_dummy_value()

    return types.void(array, types.intp, VECTOR), code


def _code_of_spread(context: Any, value: Any) -> Any:  # noqa: ARG001
    return VECTOR(types.float32), lambda target, builder, signature, given: _spread(builder, given[0])


def _code_of_near_inverse(context: Any, vector: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        return builder.bitcast(builder.sub(_whole(0x7EF311C7), builder.bitcast(given[0], _WHOLE)), _LANES)

    return VECTOR(VECTOR), code


def _code_of_near_inverse_root(context: Any, vector: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        half = builder.lshr(builder.bitcast(given[0], _WHOLE), _whole(1))
        return builder.bitcast(builder.sub(_whole(0x5F375A86), half), _LANES)

    return VECTOR(VECTOR), code


def _code_of_floor(context: Any, vector: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        kind = ir.FunctionType(_LANES, [_LANES])
        return builder.call(builder.module.declare_intrinsic(f"llvm.floor.v{LANES}f32", (), kind), given)

    return VECTOR(VECTOR), code


def _code_of_power(context: Any, vector: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        exponent = builder.add(builder.fptosi(given[0], _WHOLE), _whole(127))
        return builder.bitcast(builder.shl(exponent, _whole(23)), _LANES)

    return VECTOR(VECTOR), code


def _code_of_within(context: Any, vector: Any, low: Any, high: Any) -> Any:  # noqa: ARG001
    def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        vector, low, high = given
        risen = builder.select(builder.fcmp_ordered("<", vector, low), low, vector)
        return builder.select(builder.fcmp_ordered(">", risen, high), high, risen)

    return VECTOR(VECTOR, VECTOR, VECTOR), code


near_inverse: Any = intrinsic(_code_of_near_inverse)
"""(vector of normal positive values): their inverse to an eighth, from the bits; each step y (2 - v y) squares that."""
near_inverse_root: Any = intrinsic(_code_of_near_inverse_root)
"""(vector of normal positive values): one over their root to 1/28, in the same way."""
floor: Any = intrinsic(_code_of_floor)
"""(vector): the whole numbers below."""
power_of_two: Any = intrinsic(_code_of_power)
"""(vector of whole numbers from -126 to 127): two to their power."""
within: Any = intrinsic(_code_of_within)
"""(vector, low, high): kept between two others."""
load: Any = intrinsic(_code_of_load)
"""(flat array, place): its values from there on."""
store: Any = intrinsic(_code_of_store)
"""(flat array, place, vector): write them there."""
spread: Any = intrinsic(_code_of_spread)
"""(value): a vector of it."""


def product(
    rows: int,
    vectors: int,
    onto: bool = False,
    of: tuple[Any, Callable[..., Any]] | None = None,
    *,
    down: bool = False,
) -> Any:
    """Compiled code that writes a product of `rows` by any depth with any depth by `vectors` vectors.

    It takes for each of left, right and result a flat array, the place of the first value and the distance of rows;
    the distance of a second place, where the result is written as well; and the depth, at least one. With `onto` what
    lies at the first place is added. With `down` the left one is read down its columns: rows are those of its
    transpose, the depth its rows. `of` has another type of sums, and what adds a product to one. Every sum stays in
    a register until it is whole (Goto and van de Geijn 2008, doi:10.1145/1356052.1356053).
    """
    kind, add = of or (_LANES, _fused)

    def multiply(
        context: Any,
        a: Any,
        ap: Any,
        ar: Any,
        b: Any,
        bp: Any,
        br: Any,
        c: Any,
        cp: Any,
        cr: Any,
        again: Any,
        k: Any,  # noqa: ARG001
    ) -> Any:
        n = types.intp

        def code(target: Any, builder: Any, signature: Any, given: Any) -> Any:
            left, right, into = (
                builder.gep(first_of(target, builder, signature, given, i), [given[i + 1]]) for i in (0, 3, 6)
            )
            lefts, intos = (
                [builder.gep(first, [builder.mul(step, _INDEX(r))]) for r in range(rows)]
                for first, step in ((left, _INDEX(1) if down else given[2]), (into, given[8]))
            )
            zero = [kind(None)] * vectors
            begun = [_row(builder, first, vectors, kind) if onto else zero for first in intos]
            before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(_INDEX)
            sums = [[builder.phi(kind) for _ in range(vectors)] for _ in range(rows)]
            factors = _row(builder, builder.gep(right, [builder.mul(k, given[5])]), vectors, kind)
            grown = []
            for first, row in zip(lefts, sums, strict=True):
                step = builder.mul(k, given[2]) if down else k
                one = _spread(builder, builder.load(builder.gep(first, [step])))
                grown.append([add(builder, s, one, factor) for s, factor in zip(row, factors, strict=True)])
            following = builder.add(k, _INDEX(1))
            k.add_incoming(_INDEX(0), before)
            k.add_incoming(following, loop)
            for row, new, old in zip(sums, grown, begun, strict=True):
                for s, m, o in zip(row, new, old, strict=True):
                    s.add_incoming(o, before)
                    s.add_incoming(m, loop)
            builder.cbranch(builder.icmp_signed("<", following, given[10]), loop, after)
            builder.position_at_end(after)
            for first, row in zip(intos, grown, strict=True):
                for v, s in enumerate(row):
                    place = builder.gep(first, [_INDEX(LANES * v)])
                    _keep(builder, s, place)
                    if not onto:
                        _keep(builder, s, builder.gep(place, [given[9]]))
            return target.get_dummy_value()

        return types.void(a, n, n, b, n, n, c, n, n, n, n), code

    return intrinsic(multiply)


def _fused(builder: Any, sums: Any, one: Any, other: Any) -> Any:
    return builder.fadd(sums, builder.fmul(one, other, flags=_FREE), flags=_FREE)


def _row(builder: Any, first: Any, vectors: int, kind: Any) -> list[Any]:
    return [_loaded(builder, builder.gep(first, [_INDEX(LANES * v)]), kind) for v in range(vectors)]


def first_of(target: Any, builder: Any, signature: Any, given: Any, i: int) -> Any:
    """Pointer to the first value of the array that is argument `i`."""
    return target.make_array(signature.args[i])(target, builder, given[i]).data


def _loaded(builder: Any, pointer: Any, kind: Any = _LANES) -> Any:
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=4)


def _keep(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer()), align=4)


def _whole(value: int) -> Any:
    return _WHOLE([value] * LANES)


def _spread(builder: Any, value: Any) -> Any:
    none = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    one = builder.insert_element(none, value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, none, _whole(0))


def _operator(symbol: Callable[..., Any], instruction: str) -> None:
    """Let compiled code join two vectors by an operator, without a function of its own for the compiler to inline."""

    def typed(context: Any) -> Any:  # noqa: ARG001
        return lambda one, other: VECTOR if one == VECTOR == other else None

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:  # noqa: ARG001
        return getattr(builder, instruction)(*given, flags=_FREE)

    type_callable(symbol)(typed)
    lower_builtin(symbol, Vector, Vector)(code)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operator(_symbol, _instruction)

compiled = compiling()
