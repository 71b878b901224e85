"""Decoupled annealing: the likelihood is taken exactly at every level."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rsd_mri.reconstruction.posterior.sampler import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.reconstruction.posterior.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Annealing(Sampler):
    """Sample x | y by alternating a Gaussian draw of the clean image with fresh noise of a lower level.

    At level t the law of the clean image given the noisy one is taken as Gaussian around D(x_t, t). Its product with
    the likelihood is sampled exactly, by one linear solve on perturbed data; then noise of the next level is added.
    Decoupled annealing: Zhang et al. 2024 (arXiv 2407.01521); perturb-and-solve: Papandreou and Yuille 2010.

    The variance r^2 of that law is t^2 sd^2 / (t^2 + sd^2), what it is for an image of power sd^2: for a Gaussian
    image every level, and so the result, follows the exact law. With `measured` it is what the denoiser itself says,
    place by place: see `denoised_variance`. A denoiser of images is far more certain than the Gaussian formula.
    """

    name: str = "annealing"
    about: str = field(default="exact for a Gaussian prior", repr=False, compare=False)
    levels: int = 6
    sigma_max: float = 0.1
    iterations: int = 20
    """Of conjugate gradients at each level, which start at the denoiser's estimate."""
    tolerance: float = 1e-3
    measured: bool | None = None
    """Take the denoiser's own variance; by default where it is shown whole images."""
    final_noise: bool = True
    """Draw from the last level's law; without it the result is that law's mean, which lacks the spread left at the
    lowest level."""

    def sample(self, problem: "Problem") -> "Tensor":
        """Noise of the first level is added to the problem's start."""
        import torch

        clean, levels = problem.start, self.schedule()
        measured = problem.whole if self.measured is None else self.measured
        last = len(levels) - 1
        for step, t in enumerate(levels):
            added = problem.noise(step, "diffusion", clean)
            estimate = problem.estimate(clean + t * added, t, step)
            r2 = problem.gaussian_variance(t)
            if measured:
                r2 = torch.minimum(denoised_variance(added, estimate - clean, t), r2)
            trust = r2 + problem.floor**2
            right = problem.precision * problem.adjoint_kspace + estimate / trust
            if self.final_noise or step < last:
                # Variance r2 where nothing was measured, sigma^2 where everything was.
                right = right + problem.precision**0.5 * problem.data_noise(step, "data")
                right = right + problem.noise(step, "prior", estimate) * (r2.sqrt() / trust)
            clean = problem.solve(right, trust, estimate, self.iterations, self.tolerance)
            problem.progress((step + 1) / (last + 1))
        return clean


def denoised_variance(added: "Tensor", change: "Tensor", t: float, window: int = 15) -> "Tensor":
    """Variance of the clean image given the noisy one, by the denoiser's own derivative.

    Tweedie's formula of second order: the covariance is t^2 J with J the derivative of D at x + t n; and by Stein's
    lemma (1981, doi:10.1214/aos/1176345632) n^* (D(x + t n) - x) has the mean t J on the diagonal. So the noise that
    was added to x measures the variance without another call of the denoiser.

    Parameters
    ----------
    added
        n, standard normal, [item, ..., readout, phase_encode].
    change
        D(x + t n) - x, of the same shape.
    t
        Noise level.
    window
        Side of the square over which the product is averaged [pixels].

    Returns
    -------
    Tensor
        Real, of the same shape; no less than (t / 10)^2.
    """
    from torch.nn.functional import avg_pool2d

    product = (added.conj() * change).real
    side = min(window, *((n - 1) // 2 * 2 + 1 for n in product.shape[-2:]))
    flat = product.reshape(-1, 1, *product.shape[-2:])
    mean = avg_pool2d(flat, side, 1, side // 2, count_include_pad=False)
    return (t * mean.reshape(product.shape)).clamp_min((t / 10) ** 2)
