"""Annealed Langevin steps with the likelihood's own preconditioner."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rsd_mri.reconstruction.posterior.sampler import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.reconstruction.posterior.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Langevin(Sampler):
    """Sample x | y by annealed Langevin steps preconditioned with P = A^H A / sigma^2 + 1 / t^2.

    The likelihood is exact and not annealed; only the prior is smoothed by noise of level t (pULA,
    arXiv 2512.05791). A step is

        x <- x + g P^-1 [A^H (y - A x) / sigma^2 + (D(x, t) - x) / t^2] + sqrt(2 g) P^(-1/2) n,

    with P^(-1/2) n drawn as P^-1 [A^H w1 / sigma + w2 / t]. Where the prior's curvature is 1 / t^2 the
    variance comes out too large by 1 / (1 - g / 2); the noise is scaled by that factor.
    """

    name: str = "langevin"
    about: str = field(default="exact for a Gaussian prior, in small steps", repr=False, compare=False)
    levels: int = 15
    sigma_max: float = 1.0
    start: str | None = "cg-sense"
    step_size: float = 0.5
    """g, above 0 and at most 1."""
    steps_per_level: int = 1
    iterations: int = 20
    """Of conjugate gradients per step."""
    tolerance: float = 1e-4

    def sample(self, problem: "Problem") -> "Tensor":
        """The chain starts at a draw of the posterior under the prior CN(start, t_max^2)."""
        levels, size = self.schedule(), self.step_size

        def solve(right: "Tensor", t: float) -> "Tensor":
            return problem.solve(right, t**2, None, self.iterations, self.tolerance)

        def coloured(step: int, what: str, t: float) -> "Tensor":
            prior = problem.noise(step, f"{what} prior", problem.start) / t
            found: Tensor = problem.precision**0.5 * problem.data_noise(step, f"{what} data") + prior
            return found

        def pull(x: "Tensor") -> "Tensor":
            return problem.precision * (problem.adjoint_kspace - problem.gram(x))

        std = (2 * size * (1 - size / 2)) ** 0.5
        x = problem.start + solve(pull(problem.start) + coloured(0, "start", levels[0]), levels[0])
        step, total = 0, len(levels) * self.steps_per_level
        for t in levels:
            for _ in range(self.steps_per_level):
                score = (problem.estimate(x, t, step) - x) / t**2
                x = x + solve(size * (pull(x) + score) + std * coloured(step, "walk", t), t)
                step += 1
                problem.progress(step / total)
        return x
