"""The dot-product test: <A u, v> = <u, A^H v>, relative to |A u| |v|.

An absolute tolerance says nothing at the size of a scan. And the data must be complex and the sizes odd: a
forgotten conjugate passes with real maps, a swapped shift passes with even sizes.
"""

import torch
from torch import Tensor

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import LinearOperator

LIMIT = {torch.complex128: 1e-12, torch.complex64: 1e-6, torch.float64: 1e-12, torch.float32: 1e-6}


def inner(a: Tensor, b: Tensor) -> complex:
    """<a, b>, conjugate in the first argument, summed in double precision."""
    wide = torch.complex128 if a.is_complex() else torch.float64
    return complex(torch.vdot(a.to(wide).flatten(), b.to(wide).flatten()))


def adjoint_error(operator: LinearOperator, u: Tensor, v: Tensor) -> float:
    """|<A u, v> - <u, A^H v>| / (|A u| |v|)."""
    image, back = operator.forward(u), operator.adjoint(v)
    assert image.shape == v.shape, f"A u has shape {list(image.shape)}, not {list(v.shape)}"
    assert back.shape == u.shape, f"A^H v has shape {list(back.shape)}, not {list(u.shape)}"
    scale = abs(inner(image, image)) ** 0.5 * abs(inner(v, v)) ** 0.5
    return abs(inner(image, v) - inner(u, back)) / scale


def assert_adjoint(
    operator: LinearOperator,
    domain: tuple[int, ...],
    codomain: tuple[int, ...],
    dtype: torch.dtype = torch.complex128,
    draws: int = 3,
) -> None:
    """Fail unless `adjoint` is the adjoint of `forward`, at the limit of the precision."""
    for draw in range(draws):
        u = normal(domain, generator("u", draw), dtype)
        v = normal(codomain, generator("v", draw), dtype)
        error = adjoint_error(operator, u, v)
        assert error < LIMIT[dtype], f"{operator!r}: relative adjointness error {error:.1e}"
