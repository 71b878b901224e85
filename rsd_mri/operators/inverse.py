"""The regularised inverse of A^H A, as a polynomial in it."""

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import LinearOperator
from rsd_mri.operators.self_adjoint import apply_self_adjoint


class RegularisedInverse(LinearOperator):
    """p(G) with p(l) l close to 1 for eigenvalues l of G above a floor, falling to 0 below it.

    The polynomial is that of the Chebyshev iteration (Golub and Varga 1961, doi:10.1007/BF01386013) on the
    interval from the floor to the largest eigenvalue. Unlike conjugate gradients it is exactly linear and
    self-adjoint, the same for every right-hand side and every batch.

    Parameters
    ----------
    gram
        G = A^H A, self-adjoint.
    largest
        [batch or 1]: bound on the eigenvalues of each item.
    floor
        Share of `largest` down to which eigenvalues are inverted. Noise of A is amplified by floor^(-1/2) at most.
    iterations
        Degree of the polynomial p(l) l. Above the floor it differs from 1 by 1 / T((1 + floor) / (1 - floor)) at most,
        T the Chebyshev polynomial of that degree: 0.02 for 10 and a floor of 0.05.
    """

    def __init__(self, gram: LinearOperator, largest: Tensor, floor: float = 0.05, iterations: int = 10) -> None:
        self.inner = gram
        self.largest = largest
        self.floor = floor
        self.iterations = iterations

    def forward(self, x: Tensor) -> Tensor:
        """Apply p(G); differentiable."""
        return apply_self_adjoint(x, self.apply)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply p(G), which is its own adjoint."""
        return self.forward(y)

    @torch.no_grad()
    def apply(self, x: Tensor) -> Tensor:
        """Apply p(G) outside autograd."""
        # Of G / largest, so that the interval is the same for every item.
        scale = 1 / self.largest.reshape(-1, *(1,) * (x.ndim - 1))
        centre, half = (1 + self.floor) / 2, (1 - self.floor) / 2
        ratio = centre / half
        share = 1 / ratio
        residual = x * scale
        step = residual / centre
        solution = step
        for _ in range(self.iterations - 1):
            residual = residual - scale * self.inner(step)
            following = 1 / (2 * ratio - share)
            step = following * share * step + (2 * following / half) * residual
            share = following
            solution = solution + step
        return solution
