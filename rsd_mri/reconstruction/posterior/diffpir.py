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

    Images of a slice differ by the noise drawn and by how the denoiser is shown them, in the levels that each goes
    alone: much less than the posterior does.
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
    apart: int | None = None
    """Last levels that each sample of a slice goes alone, where the first are of all, or of its chain: there each would
    learn the same of the data for itself (docs/choices.md). None: all levels."""
    width: float | None = None
    """r over t; by default what the problem says."""
    iterations: int = 10
    """Of conjugate gradients at each level, which start at the denoiser's estimate."""
    tolerance: float = 1e-3

    def sample(self, problem: "Problem") -> "Tensor":
        """Noise of the first level is added to the problem's start; samples of a slice part at the last `apart`."""
        levels, common = self.schedule(), problem.common
        together = 0 if self.apart is None or common is None else max(len(levels) - self.apart, 0)
        found: tuple[Tensor, ...] = (problem.start,)
        if common is not None and together:
            if self not in common.kept:
                common.kept[self] = self._through(common, 0, levels[:together], (common.start,))
            found = tuple(problem.of_each(one) for one in common.kept[self])
        return self._through(problem, together, levels[together:], found)[0]

    def _through(
        self, problem: "Problem", first: int, levels: "list[float]", found: "tuple[Tensor, ...]"
    ) -> "tuple[Tensor, ...]":
        """The image after some levels, and what the denoiser gave last; the first level is the step of that number.

        `found` is that of the levels before.
        """
        image, *before = found
        width = problem.over_images(problem.width if self.width is None else self.width)
        for step, t in enumerate(levels, first):
            denoised = problem.estimate(image + self.noise * t * problem.noise(step, "diffusion", image), t, step)
            estimate = denoised + self.extrapolation * (denoised - before[0]) if before else denoised
            before = [denoised]
            variance = (width * t) ** 2 + problem.floor**2
            right = problem.precision * problem.adjoint_kspace + estimate / variance
            image = problem.solve(right, variance, estimate, self.iterations, self.tolerance)
            problem.progress((step + 1) / self.levels)
        return image, *before
