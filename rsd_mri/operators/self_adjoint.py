"""Self-adjoint maps in autograd: their derivative is themselves."""

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
