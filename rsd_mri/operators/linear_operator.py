"""The linear operator: forward, adjoint, composition."""

import copy
from abc import ABC, abstractmethod
from typing import Any, overload

import torch
from torch import Tensor


class LinearOperator(ABC):
    """A linear map between batches of tensors.

    Subclasses write `forward` and `adjoint` and keep their constants (maps, masks) as plain tensor
    attributes. Operators are immutable: a new mask is a new operator. `A(x)` and `A @ x` apply, `A @ B`
    composes, `A.H` is the adjoint (`A.H.H is A`), `A.gram` is A^H A, faster than its two halves where the
    subclass knows how.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Apply A."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply A."""
        return self.forward(x)

    @property
    def H(self) -> "LinearOperator":  # noqa: N802 - the field's notation
        """The adjoint operator."""
        return Adjoint(self)

    @property
    def gram(self) -> "LinearOperator":
        """The self-adjoint operator A^H A."""
        return Composition(self.H, self)

    @overload
    def __matmul__(self, other: "LinearOperator") -> "LinearOperator": ...
    @overload
    def __matmul__(self, other: Tensor) -> Tensor: ...
    def __matmul__(self, other: "Tensor | LinearOperator") -> "Tensor | LinearOperator":
        if isinstance(other, LinearOperator):
            return Composition(self, other)
        return self.forward(other)

    def to(self, *args: Any, **kwargs: Any) -> "LinearOperator":
        """Return a copy with every constant moved as by `Tensor.to` (device; complex dtype)."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, LinearOperator):
                setattr(moved, name, value.to(*args, **kwargs))
            elif isinstance(value, Tensor):
                setattr(moved, name, _move(value, *args, **kwargs))
        return moved

    def __repr__(self) -> str:
        parts = [f"{k}={list(v.shape)}" for k, v in vars(self).items() if isinstance(v, Tensor)]
        return f"<{type(self).__name__} {' '.join(parts)}>"


def _move(value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`Tensor.to` that keeps real masks real when a complex dtype is asked for."""
    dtypes = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.dtype)]
    if dtypes and dtypes[0].is_complex and not value.is_complex():
        real = dtypes[0].to_real() if value.is_floating_point() else value.dtype
        args = tuple(real if a is dtypes[0] else a for a in args)
        kwargs = {k: real if v is dtypes[0] else v for k, v in kwargs.items()}
    return value.to(*args, **kwargs)


class Adjoint(LinearOperator):
    """A^H as an operator of its own."""

    def __init__(self, operator: LinearOperator) -> None:
        self.operator = operator

    def forward(self, x: Tensor) -> Tensor:
        """Apply A^H."""
        return self.operator.adjoint(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A."""
        return self.operator.forward(y)

    @property
    def H(self) -> LinearOperator:  # noqa: N802
        """The operator this is the adjoint of, itself."""
        return self.operator

    def __repr__(self) -> str:
        return f"{self.operator!r}.H"


class Composition(LinearOperator):
    """A B: first B, then A."""

    def __init__(self, outer: LinearOperator, inner: LinearOperator) -> None:
        self.outer = outer
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Apply A B."""
        return self.outer.forward(self.inner.forward(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply B^H A^H."""
        return self.inner.adjoint(self.outer.adjoint(y))

    def __repr__(self) -> str:
        return f"{self.outer!r} @ {self.inner!r}"


class Identity(LinearOperator):
    """The identity."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Return y."""
        return y

    @property
    def gram(self) -> LinearOperator:
        """The identity again."""
        return self


def require_rank(x: Tensor, rank: int, axes: str, who: str) -> None:
    """Refuse an array of the wrong rank, naming the axes that were expected.

    Raises
    ------
    ValueError
        If `x` does not have `rank` axes.
    """
    if x.ndim != rank:
        raise ValueError(f"{who} expects {rank} axes [{axes}], got shape {list(x.shape)}")


def require_complex(x: Tensor, who: str) -> None:
    """Refuse real input where images and k-space are complex.

    Raises
    ------
    TypeError
        If `x` is not complex.
    """
    if not x.is_complex():
        raise TypeError(f"{who} expects a complex array, got {x.dtype}")
