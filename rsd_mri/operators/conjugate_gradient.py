"""Conjugate gradients for a batch of images, each with its own step (Hestenes and Stiefel 1952)."""

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor],
    right: Tensor,
    start: Tensor | None = None,
    iterations: int = 30,
    tolerance: float = 1e-5,
) -> Tensor:
    """Solve `apply(x) = right` for a self-adjoint positive `apply`.

    Parameters
    ----------
    apply
        Acts on a batch item by item.
    right
        [batch, ...].
    start
        First guess; zero where not given.
    iterations
        At most so many.
    tolerance
        An item is done when its residual norm is below this share of the norm of its right-hand side. The
        loop ends when every item is done.

    Returns
    -------
    Tensor
        The solution, in the shape of `right`.
    """
    x = torch.zeros_like(right) if start is None else start.clone()
    residual = right.clone() if start is None else right - apply(start)
    direction = residual.clone()
    power = energy(residual)
    enough = tolerance**2 * energy(right)
    for _ in range(iterations):
        # An item that is done keeps still: its steps are zero, not 0 / 0.
        active = power > enough
        if not bool(active.any()):
            break
        applied = apply(direction)
        curvature = inner(direction, applied)
        step = torch.where(active, power / torch.where(curvature > 0, curvature, 1), 0)
        step = torch.where(curvature > 0, step, 0)
        x += step * direction
        residual -= step * applied
        before, power = power, energy(residual)
        direction = residual + torch.where(active, power / torch.where(before > 0, before, 1), 0) * direction
    return x


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Re <a, b> per batch item, with axes of size one so that it broadcasts."""
    axes = a.ndim - 1
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    flat = a.flatten(1) * b.flatten(1)
    return flat.sum(1).reshape(-1, *[1] * axes)


def energy(a: Tensor) -> Tensor:
    """||a||^2 per batch item, with axes of size one so that it broadcasts."""
    return inner(a, a)
