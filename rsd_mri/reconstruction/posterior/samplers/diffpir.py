"""Denoising and data steps in turn: the best images, and a spread that is not calibrated."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rsd_mri.reconstruction.posterior.samplers.sampler import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.reconstruction.posterior.problem import Problem


@dataclass(frozen=True, kw_only=True)
class DiffPIR(Sampler):
    """Add noise, denoise, take a data step; then again with less noise.

    The data step minimises ||y - A x||^2 / sigma^2 + |x - D(x_t, t)|^2 / r^2 with r = `width` t: half-quadratic
    splitting with fresh noise before every denoising (DiffPIR, Zhu et al. 2023, arXiv 2305.08995, algorithm 1, with
    zeta = 1 and lambda = 1 / width^2). The noise matters: without it what undersampling left stays. So does a
    width above the denoiser's error on white noise, for the errors of undersampling are not white (docs/choices.md).
    For Gaussian images of power C^2 the mean at a fixed level tends to the posterior's for the power
    width^2 (C^2 + t^2).

    Images differ by the noise drawn, less than the posterior does.
    """

    name: str = "diffpir"
    about: str = field(default="the best images", repr=False, compare=False)
    levels: int = 36
    """Noise levels; more gain little (docs/choices.md)."""
    width: float | None = None
    """r over t; by default what the problem says."""
    iterations: int = 10
    """Of conjugate gradients at each level, which start at the denoiser's estimate."""
    tolerance: float = 1e-3

    def sample(self, problem: "Problem") -> "Tensor":
        """Noise of the first level is added to the problem's start."""
        image, levels = problem.start, self.schedule()
        width = problem.width if self.width is None else self.width
        for step, t in enumerate(levels):
            estimate = problem.estimate(image + t * problem.noise(step, "diffusion", image), t, step)
            variance = (width * t) ** 2 + problem.floor**2
            right = problem.precision * problem.adjoint_kspace + estimate / variance
            image = problem.solve(right, variance, estimate, self.iterations, self.tolerance)
            problem.progress((step + 1) / len(levels))
        return image
