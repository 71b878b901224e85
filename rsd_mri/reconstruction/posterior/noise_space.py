"""Posterior sampling in the noise space of a one-step generator."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from rsd_mri.reconstruction.posterior.sampler import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.reconstruction.posterior.problem import Problem

ACCEPTED = 0.57
"""Share of accepted moves at which a chain moves fastest (Roberts and Rosenthal 1998, doi:10.1111/1467-9868.00123)."""
SETTLING = 0.5
"""Share of the moves in which each chain finds its step size; the others keep it, so that their law is exact."""


@dataclass(frozen=True, kw_only=True)
class NoiseSpace(Sampler):
    """Sample x = G(z) with z ~ CN(0, 1) given y, by Langevin moves of z.

    G is the problem's denoiser at its one noise level. The potential U(z) = |z|^2 + ||y - A G(z)||^2 / sigma^2 is that
    of arXiv 2410.02078, which moves along its gradient from a warm start by Adam. Here a Metropolis test follows every
    move (MALA, Roberts and Tweedie 1996, doi:10.2307/3318418), so that no step size has to be chosen and the law is
    exact at any; each chain finds the one at which it moves fastest.
    """

    name: str = "noise-space"
    about: str = field(default="through a run's one-step generator", repr=False, compare=False)
    levels: int = 120
    """Moves of a chain; the noise has one level."""
    start: str | None = "zero-filled"
    """Only its shape counts: chains start at noise alone."""
    warm: int = 60
    """Steps of Adam from a draw of the prior."""
    rate: float = 0.05
    """Of Adam."""

    through_network: ClassVar[bool] = True
    network: ClassVar[str | None] = "generator"

    def sample(self, problem: "Problem") -> "Tensor":
        """G at the end of each chain."""
        import torch

        from rsd_mri.operators.conjugate_gradient import energy

        def make(z: "Tensor") -> "Tensor":
            return problem.estimate(problem.level * z, problem.level, 0)

        def potential(z: "Tensor") -> tuple["Tensor", "Tensor"]:
            """U and its conjugate Wirtinger derivative."""
            with torch.enable_grad():
                z = z.detach().requires_grad_(True)
                error = problem.operator.forward(make(z)) - problem.kspace
                value = energy(z) + problem.precision * energy(error).reshape(-1, *(1,) * (z.ndim - 1))
                (gradient,) = torch.autograd.grad(value.sum(), z)
            return value.detach(), gradient / 2

        total = self.warm + self.levels
        z = problem.noise(0, "start", problem.start)
        first, second = torch.zeros_like(z), torch.zeros_like(z.real)
        for step in range(1, self.warm + 1):
            gradient = potential(z)[1]
            first = 0.9 * first + 0.1 * gradient
            second = 0.99 * second + 0.01 * gradient.abs().square()
            z = z - self.rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-12)
            problem.progress(step / total)
        value, gradient = potential(z)
        # Half the inverse of the steepest curvature there can be, were G of norm one.
        log_size = -(torch.zeros_like(value) + 2 * (1 + problem.precision)).log()
        for step in range(self.levels):
            size = log_size.exp()
            moved = z - size * gradient + (2 * size).sqrt() * problem.noise(step, "move", z)
            new_value, new_gradient = potential(moved)
            forth, back = energy(moved - z + size * gradient), energy(z - moved + size * new_gradient)
            log_ratio = value - new_value + (forth - back) / (2 * size)
            chance = log_ratio.clamp_max(0).exp().nan_to_num(0)
            taken = torch.special.ndtr(problem.noise(step, "test", value)) < chance
            z = torch.where(taken, moved, z)
            value, gradient = torch.where(taken, new_value, value), torch.where(taken, new_gradient, gradient)
            if step < SETTLING * self.levels:
                log_size = log_size + (step + 1) ** -0.3 * (chance - ACCEPTED)
            problem.progress((self.warm + step + 1) / total)
        with torch.no_grad():
            return make(z)
