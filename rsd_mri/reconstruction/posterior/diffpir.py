"""Denoising and data steps in turn: the best images, and a spread that is not calibrated."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rsd_mri.reconstruction.posterior.sampler import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.reconstruction.posterior.problem import Problem


@dataclass(frozen=True, kw_only=True)
class DiffPIR(Sampler):
    """Add noise, denoise, take a data step; then again with less noise.

    The data step minimises ||y - A x||^2 / sigma^2 + |x - D(x_t, t)|^2 / r^2 with r = `width` t: half-quadratic
    splitting with fresh noise before every denoising (DiffPIR, Zhu et al. 2023, arXiv 2305.08995, algorithm 1, with
    zeta = 1 and lambda = 1 / width^2). A width above the denoiser's error on white noise matters, for the errors of
    undersampling are not white (docs/choices.md). For Gaussian images of power C^2 the mean at a fixed level tends to
    the posterior's for the power width^2 (C^2 + t^2), whatever `noise` and `extrapolation` are.

    What undersampling left goes slowly, a little at each level, and in the same direction: the estimate is taken
    further the way it went since the level before (over-relaxation). That needs little noise, which it would take
    further too.

    Images differ by the noise drawn, much less than the posterior does.
    """

    name: str = "diffpir"
    about: str = field(default="the best images", repr=False, compare=False)
    levels: int = 12
    """Noise levels; more gain little (docs/choices.md)."""
    noise: float = 0.2
    """Level of the noise that is added over the level that the denoiser is told; 1 to draw images of more variety."""
    extrapolation: float = 0.5
    """How much further the estimate is taken than it came since the level before: 0 not at all; more follows data whose
    coil maps are wrong too far, and towards 1 it is no longer stable (docs/choices.md)."""
    width: float | None = None
    """r over t; by default what the problem says."""
    iterations: int = 10
    """Of conjugate gradients at each level, which start at the denoiser's estimate."""
    tolerance: float = 1e-3

    def sample(self, problem: "Problem") -> "Tensor":
        """Noise of the first level is added to the problem's start."""
        image, levels = problem.start, self.schedule()
        width = problem.width if self.width is None else self.width
        before = None
        for step, t in enumerate(levels):
            denoised = problem.estimate(image + self.noise * t * problem.noise(step, "diffusion", image), t, step)
            estimate = denoised if before is None else denoised + self.extrapolation * (denoised - before)
            before = denoised
            variance = (width * t) ** 2 + problem.floor**2
            right = problem.precision * problem.adjoint_kspace + estimate / variance
            image = problem.solve(right, variance, estimate, self.iterations, self.tolerance)
            problem.progress((step + 1) / len(levels))
        return image
