"""The maximum of a likelihood times a Gaussian: (A^H A / sigma^2 + 1 / variance) x = right, by conjugate gradients."""

import torch
from torch import Tensor

from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.operators.linear_operator import LinearOperator
from rsd_mri.operators.sense import SenseGram


def solve_regularised(
    gram: LinearOperator,
    precision: Tensor | float,
    variance: Tensor | float,
    right: Tensor,
    start: Tensor | None,
    iterations: int,
    tolerance: float,
) -> Tensor:
    """Solve (precision A^H A + 1 / variance) x = right.

    Outside autograd. Solved for x over the root of the variance: its norm stays near one at low levels, and the
    iterations are as few for a variance that differs from place to place. Where `gram` is by compiled loops, so are
    they.

    Parameters
    ----------
    gram
        A^H A.
    precision
        One number, or one per item with axes that broadcast against images.
    variance
        One number, or real and broadcasting against images.
    right
        [item, (set,) readout, phase_encode].
    start
        First guess, of the same shape; zero where not given.
    iterations, tolerance
        See `conjugate_gradient`.

    Returns
    -------
    Tensor
        The solution, in the shape of `right`.
    """
    if isinstance(gram, SenseGram) and gram.loops_take(right):
        return _by_loops(gram, precision, variance, right, start, iterations, tolerance)
    root = torch.as_tensor(variance, dtype=right.real.dtype, device=right.device).sqrt()
    scaled = None if start is None else start / root
    return root * conjugate_gradient(
        lambda v: precision * root * gram(root * v) + v, root * right, scaled, iterations, tolerance
    )


def _by_loops(
    gram: SenseGram,
    precision: Tensor | float,
    variance: Tensor | float,
    right: Tensor,
    start: Tensor | None,
    iterations: int,
    tolerance: float,
) -> Tensor:
    """The same iterates, of x itself: preconditioned by the variance."""
    from rsd_mri.operators.gradient_kernels import begin, step  # loads a compiler

    axes = (1,) * (right.ndim - 1)
    weight = torch.as_tensor(precision, dtype=torch.float32).detach().reshape(-1, *axes).expand(len(right), *axes)
    trust = torch.as_tensor(variance, dtype=torch.float32).detach()
    one_each = trust.numel() == 1 or (trust.numel() == len(trust) and trust.ndim == right.ndim)
    trust = trust.reshape(-1, *axes).expand(len(right), *axes) if one_each else trust.expand(right.shape)
    x = torch.zeros_like(right) if start is None else start.detach().resolve_conj().contiguous().clone()
    residual = right.detach().resolve_conj().contiguous().clone()
    direction = torch.empty_like(residual)
    ps, vs = (one.reshape(len(right), -1).contiguous().numpy() for one in (weight, trust))
    xs, rs, ds = (torch.view_as_real(one).reshape(len(right), -1).numpy() for one in (x, residual, direction))

    def applied(images: Tensor) -> Tensor:
        return torch.view_as_real(gram.apply(images)).reshape(len(right), -1)

    image = None if start is None else applied(x).numpy()
    power, enough = begin(rs if image is None else image, image is not None, xs, rs, ds, ps[:, 0], vs, tolerance)
    for _ in range(iterations):
        if not (power > enough).any():
            break
        step(applied(direction).numpy(), xs, rs, ds, ps[:, 0], vs, power, enough)
    return x
