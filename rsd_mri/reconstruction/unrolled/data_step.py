"""The data step as a layer: exact Gaussian conditioning, with its derivative."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rsd_mri.operators import LinearOperator
from rsd_mri.operators.regularised import solve_regularised

TOLERANCE = 1e-3


def data_step(
    gram: LinearOperator,
    adjoint_kspace: Tensor,
    precision: Tensor,
    estimate: Tensor,
    variance: Tensor,
    iterations: int,
) -> Tensor:
    """Minimise ||y - A x||^2 / sigma^2 + |x - estimate|^2 / variance.

    Where the image is CN(estimate, variance) this is its mean given the data. Differentiable with respect to estimate
    and variance by the implicit function: the backward pass solves the same equations once more, and nothing of the
    iterations is kept.

    Parameters
    ----------
    gram
        A^H A.
    adjoint_kspace
        A^H y, [item, (set,) readout, phase_encode].
    precision
        1 / sigma^2, with axes that broadcast against images.
    estimate
        The image expected, of the same shape.
    variance
        Real, of the same shape or broadcasting to it.
    iterations
        Of conjugate gradients, from the estimate.
    """
    found: Tensor = _DataStep.apply(
        gram, adjoint_kspace, precision, estimate, variance.expand(estimate.shape), iterations
    )
    return found


class _DataStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        gram: LinearOperator,
        adjoint_kspace: Tensor,
        precision: Tensor,
        estimate: Tensor,
        variance: Tensor,
        iterations: int,
    ) -> Tensor:
        right = precision * adjoint_kspace + estimate / variance
        found = solve_regularised(gram, precision, variance, right, estimate, iterations, TOLERANCE)
        ctx.save_for_backward(precision, estimate, variance, found)
        ctx.gram, ctx.iterations = gram, iterations
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        precision, estimate, variance, found = ctx.saved_tensors
        back = solve_regularised(ctx.gram, precision, variance, grad, None, ctx.iterations, TOLERANCE)
        # x = (p G + 1/v)^-1 (p A^H y + z / v): dx = (p G + 1/v)^-1 (dz / v + (z - x) d(1/v)).
        of_precision = (back.conj() * (estimate - found)).real
        return None, None, None, back / variance, -of_precision / variance.square(), None
