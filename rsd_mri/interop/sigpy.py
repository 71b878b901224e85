"""Our operators as linear operators of sigpy, and sigpy's as ours."""

from typing import Any

import numpy as np
import torch
from sigpy.linop import Linop
from torch import Tensor

from rsd_mri.operators import LinearOperator


class ToSigpy(Linop):
    """An operator of ours, without a batch: for sigpy's algorithms on NumPy arrays.

    Parameters
    ----------
    operator
        A, of a batch of one.
    domain, codomain
        Shapes of one image and of its k-space.
    """

    def __init__(self, operator: LinearOperator, domain: tuple[int, ...], codomain: tuple[int, ...]) -> None:
        self.operator, self.domain, self.codomain = operator, domain, codomain
        super().__init__(list(codomain), list(domain))

    def _apply(self, input: Any) -> Any:  # noqa: A002 - sigpy's name
        return self.operator.forward(torch.from_numpy(np.ascontiguousarray(input))[None])[0].numpy()

    def _adjoint_linop(self) -> Linop:
        return ToSigpy(self.operator.H, self.codomain, self.domain)


class FromSigpy(LinearOperator):
    """A linear operator of sigpy on the processor, as ours: item by item of a batch."""

    def __init__(self, linop: Linop) -> None:
        self.linop = linop

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to [batch, ...]."""
        return _each(self.linop, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply its adjoint."""
        return _each(self.linop.H, y)


def _each(linop: Linop, x: Tensor) -> Tensor:
    return torch.stack([torch.from_numpy(np.ascontiguousarray(linop(one))) for one in x.resolve_conj().numpy()])
