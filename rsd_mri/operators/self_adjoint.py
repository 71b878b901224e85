"""Linear maps of other libraries, and self-adjoint ones, in autograd: their derivative is their adjoint."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def apply_self_adjoint(x: Tensor, apply: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a self-adjoint linear map, differentiably and without storing anything.

    Parameters
    ----------
    x
        [batch, ...].
    apply
        Works outside autograd; may broadcast a batch of one.
    """
    found: Tensor = _SelfAdjoint.apply(x, apply)
    return found


class _SelfAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, apply: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.linear = apply
        ctx.batch = x.shape[0]
        return apply(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        grad: Tensor = _SelfAdjoint.apply(grads[0], ctx.linear)
        return (grad if grad.shape[0] == ctx.batch else grad.sum(0, keepdim=True)), None


def apply_linear(x: Tensor, apply: Callable[[Tensor], Tensor], adjoint: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a linear map that works outside autograd, differentiably: its derivative is its adjoint."""
    found: Tensor = _Linear.apply(x, apply, adjoint)
    return found


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, apply: Callable[[Tensor], Tensor], adjoint: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.both = apply, adjoint
        return apply(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        apply, adjoint = ctx.both
        return _Linear.apply(grads[0], adjoint, apply), None, None
