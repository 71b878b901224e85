"""The gradient of the data misfit through the denoiser, as DPS and A-DPS follow it: it samples no known law."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from rsd_mri.reconstruction.posterior.sampler import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.reconstruction.posterior.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Guided(Sampler):
    """Follow the prior's diffusion and, at every level, the data misfit's gradient through the denoiser.

        x <- x + prior step + weight J^H A^H e / ||e||,   e = y - A D(x, t)

    with J the Jacobian of D. Stochastic: DPS (Chung et al. 2022, arXiv 2209.14687), ancestral steps
    (t^2 - t'^2) (D - x) / t^2 with noise of that variance. Otherwise A-DPS (Aali et al. 2024, arXiv 2403.08728):
    Euler steps of the probability flow, (t - t') (D - x) / t, and twice the weight, for its gradient is that of
    ||e||^2. With weight 0 both sample the prior; the data's noise level does not enter.
    """

    name: str = "dps"
    about: str = field(default="follows the data's gradient, slow", repr=False, compare=False)
    levels: int = 200
    sigma_max: float = 10.0
    sigma_min: float = 0.004
    start: str | None = "zero-filled"
    """Only its shape counts: chains start at noise alone."""
    weight: float = 1.0
    """Of the data."""
    stochastic: bool = True
    """DPS rather than A-DPS."""

    through_network: ClassVar[bool] = True

    def sample(self, problem: "Problem") -> "Tensor":
        """Chains start at noise of the first level, without the problem's start."""
        import torch

        from rsd_mri.operators.conjugate_gradient import energy

        levels = self.schedule()
        following = [*levels[1:], 0.0]
        x = levels[0] * problem.noise(0, "start", problem.start)
        for step, (t, after) in enumerate(zip(levels, following, strict=True)):
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                estimate = problem.estimate(x, t, step)
                misfit = energy(problem.operator.forward(estimate) - problem.kspace).flatten()
                # d ||e||: the gradient of ||e||^2 over ||e|| is twice that of ||e||.
                (gradient,) = torch.autograd.grad(misfit.clamp_min(1e-20).sqrt().sum(), x)
            with torch.no_grad():
                variance = t**2 - after**2
                share = variance / t**2 if self.stochastic else (t - after) / t
                x = x + share * (estimate - x) - (1 if self.stochastic else 2) * self.weight * gradient
                if self.stochastic and after:
                    x = x + variance**0.5 * problem.noise(step, "diffusion", x)
            problem.progress((step + 1) / len(levels))
        return x.detach()
