"""`Problem`: what every posterior sampler is given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators import LinearOperator
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import compiled

Denoise = Callable[[Tensor, Tensor, int], Tensor]
"""(noisy images [item, ...], noise level [item], step) to the estimated clean images."""
Noise = Callable[[int, str, Tensor], Tensor]
"""(step, what for, an array of the wanted shape) to standard normal noise, keyed per item."""


@dataclass(frozen=True)
class Problem:
    """y = A x + noise of variance sigma^2 for one batch of items, and the prior of x.

    Complex noise is CN(0, sigma^2), real noise N(0, sigma^2): with variances of whole numbers the same formulas hold
    for both. No sampler tunes the likelihood to a scan.
    """

    operator: LinearOperator
    """A."""
    kspace: Tensor
    """y, [item, coil, readout, phase_encode], or [item, channel, y, x] where images are real; a batch of one serves
    all items."""
    sigma: float | Tensor
    """Noise level of y: one number, or one per item [item]."""
    denoise: Denoise
    """D(x, t)."""
    noise: Noise
    """Source of standard normal numbers."""
    start: Tensor
    """[item, ...]: the first guess of every item."""
    sigma_data: float
    """Root mean square magnitude of the images."""
    floor: float = 0.0
    """Root mean square error that the denoiser makes at any level, because it is shown less than the whole image.
    Its estimate is trusted no further; 0 for a denoiser of whole images."""
    progress: Progress = SILENT
    whole: bool = False
    """Whether the denoiser is shown whole images: its own variance can then be measured."""
    width: float | Tensor = 2.0
    """Trust of the data over that of the denoiser, for samplers that alternate between the two: see `width_of`. One
    number, or one per item [item]."""
    level: float = 0.0
    """The one noise level of a denoiser that is a one-step generator."""
    common: "Problem | None" = None
    """The same for what samples of a slice share, with one item a slice or several chains; None where they share
    nothing."""
    parents: Tensor | None = None
    """[item]: which item of `common` each is of; all of the first slice are first where not given."""
    kept: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What samplers have found of it and need not find again."""

    @property
    def precision(self) -> float | Tensor:
        """1 / sigma^2; of several noise levels with axes of size one, so that it broadcasts against images."""
        return 1 / self.over_images(self.sigma) ** 2

    def over_images(self, value: float | Tensor) -> float | Tensor:
        """One number, or one per item [item] with axes of size one: to broadcast against images."""
        return value.reshape(-1, *(1,) * (self.start.ndim - 1)) if isinstance(value, Tensor) else value

    @cached_property
    def gram(self) -> LinearOperator:
        """A^H A."""
        return compiled(self.operator.gram)

    @cached_property
    def adjoint_kspace(self) -> Tensor:
        """A^H y."""
        return self.operator.adjoint(self.kspace)

    def estimate(self, x: Tensor, t: float, step: int) -> Tensor:
        """D(x, t) at one level for all items."""
        return self.denoise(x, torch.full((x.shape[0],), t, dtype=x.real.dtype, device=x.device), step)

    def data_noise(self, step: int, what: str) -> Tensor:
        """A^H w with w ~ CN(0, 1) in k-space."""
        like = self.kspace.expand(len(self.start), *self.kspace.shape[1:])
        return self.operator.adjoint(self.noise(step, what, like))

    def of_each(self, images: Tensor) -> Tensor:
        """What `common` has for each item, [item, ...]."""
        if self.parents is not None:
            return images[self.parents]
        return images.repeat_interleave(len(self.start) // len(images), 0)

    def gaussian_variance(self, t: float) -> Tensor:
        """Variance of an image of power sd^2 given itself with noise of level t."""
        return self.start.real.new_tensor(t**2 * self.sigma_data**2 / (t**2 + self.sigma_data**2))

    def solve(
        self, right: Tensor, variance: Tensor | float, start: Tensor | None, iterations: int, tolerance: float
    ) -> Tensor:
        """Solve (A^H A / sigma^2 + 1 / variance) x = right, with one variance or one per pixel."""
        return solve_regularised(self.gram, self.precision, variance, right, start, iterations, tolerance)
