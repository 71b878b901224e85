"""A problem whose image is known from elsewhere too."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from rsd_mri.operators import LinearOperator
from rsd_mri.reconstruction.posterior.problem import Problem


@dataclass(frozen=True, kw_only=True)
class NearProblem(Problem):
    """A problem whose image is known from elsewhere too, within Gaussian errors: one more measurement of it."""

    near: Tensor
    """[item, ...]: the image as it is known."""
    error: float
    """Root mean square of its error."""

    @property
    def _weight(self) -> float | Tensor:
        """sigma^2 / error^2."""
        return 1 / (self.precision * self.error**2)

    @cached_property
    def gram(self) -> LinearOperator:
        """A^H A of both."""
        return _Heavier(super().gram, self._weight)

    @cached_property
    def adjoint_kspace(self) -> Tensor:
        """A^H y of both."""
        return super().adjoint_kspace + self._weight * self.near

    def data_noise(self, step: int, what: str) -> Tensor:
        """A^H w of both."""
        own = self.noise(step, f"{what} near", self.near)
        return super().data_noise(step, what) + self._weight**0.5 * own


class _Heavier(LinearOperator):
    """G + w."""

    def __init__(self, gram: LinearOperator, weight: float | Tensor) -> None:
        self.gram_alone, self.weight = gram, weight

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return self.gram_alone.forward(x) + self.weight * x

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply it: it is its own adjoint."""
        return self.forward(y)
