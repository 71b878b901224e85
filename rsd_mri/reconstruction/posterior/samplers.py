"""Posterior samplers: plain functions of a problem and its noise levels.

`diffpir` alternates denoising and data steps: it gives the best images, and a spread that is not calibrated.
`decoupled_annealing` and `preconditioned_langevin` take the likelihood exactly at every level and sample the exact
posterior of a Gaussian image. `guided` follows the gradient of the data misfit through the denoiser, as DPS and
A-DPS do: it approaches the data, at a weight that has to be chosen, and samples no known law.
"""

import torch
from torch import Tensor

from rsd_mri.operators import LinearOperator
from rsd_mri.reconstruction.conjugate_gradient import conjugate_gradient, energy
from rsd_mri.reconstruction.posterior.problem import Problem


@torch.no_grad()
def diffpir(
    problem: Problem, levels: Tensor, width: float = 2.0, iterations: int = 10, tolerance: float = 1e-3
) -> Tensor:
    """Add noise, denoise, take a data step; then again with less noise.

    The data step minimises ||y - A x||^2 / sigma^2 + |x - D(x_t, t)|^2 / r^2 with r = `width` t: half-quadratic
    splitting with fresh noise before every denoising (DiffPIR, Zhu et al. 2023, arXiv 2305.08995, algorithm 1, with
    zeta = 1 and lambda = 1 / width^2). The noise matters: without it what undersampling left stays. So does a
    width above the denoiser's error on white noise, for the errors of undersampling are not white: on simulated
    heads at R = 4, 1 / 3 gave 32.8 dB, 1 gave 35.4, 2 gave 36.1, 4 gave 35.3. For Gaussian images of power C^2 the
    mean at a fixed level tends to the posterior's for the power width^2 (C^2 + t^2).

    Parameters
    ----------
    problem
        The problem; noise of the first level is added to its start.
    levels
        Decreasing noise levels.
    width
        r over t.
    iterations, tolerance
        Of conjugate gradients at each level, which start at the denoiser's estimate.

    Returns
    -------
    Tensor
        One image per item. They differ by the noise drawn, less than the posterior does.
    """
    image = problem.start
    for step, t in enumerate(levels.tolist()):
        estimate = problem.estimate(image + t * problem.noise(step, "diffusion", image), t, step)
        variance = (width * t) ** 2 + problem.floor**2
        right = problem.precision * problem.seen + estimate / variance
        image = problem.solve(right, variance, estimate, iterations, tolerance)
        problem.progress((step + 1) / len(levels))
    return image


@torch.no_grad()
def decoupled_annealing(
    problem: Problem,
    levels: Tensor,
    iterations: int = 20,
    tolerance: float = 1e-3,
    measured: bool = False,
    final_noise: bool = True,
) -> Tensor:
    """Sample x | y by alternating a Gaussian draw of the clean image with fresh noise of a lower level.

    At level t the law of the clean image given the noisy one is taken as Gaussian around D(x_t, t). Its product with
    the likelihood is sampled exactly, by one linear solve on perturbed data; then noise of the next level is added.
    Decoupled annealing: Zhang et al. 2024 (arXiv 2407.01521); perturb-and-solve: Papandreou and Yuille 2010.

    The variance r^2 of that law is t^2 sd^2 / (t^2 + sd^2), what it is for an image of power sd^2: for a Gaussian
    image every level, and so the result, follows the exact law. With `measured` it is what the denoiser itself says,
    place by place: see `denoised_variance`. A denoiser of images is far more certain than the Gaussian formula.

    Parameters
    ----------
    problem
        The problem; noise of the first level is added to its start.
    levels
        Decreasing noise levels.
    iterations, tolerance
        Of conjugate gradients at each level, which start at the denoiser's estimate.
    measured
        Take the denoiser's own variance.
    final_noise
        Draw from the last level's law; without it the result is that law's mean, which lacks the spread left at the
        lowest level.

    Returns
    -------
    Tensor
        One sample per item.
    """
    clean = problem.start
    last = len(levels) - 1
    for step, t in enumerate(levels.tolist()):
        added = problem.noise(step, "diffusion", clean)
        estimate = problem.estimate(clean + t * added, t, step)
        r2 = problem.spread(t)
        if measured:
            r2 = torch.minimum(denoised_variance(added, estimate - clean, t), r2)
        trust = r2 + problem.floor**2
        right = problem.precision * problem.seen + estimate / trust
        if final_noise or step < last:
            # Variance r2 where nothing was measured, sigma^2 where everything was.
            right = right + problem.precision**0.5 * problem.data_noise(step, "data")
            right = right + problem.noise(step, "prior", estimate) * (r2.sqrt() / trust)
        clean = problem.solve(right, trust, estimate, iterations, tolerance)
        problem.progress((step + 1) / (last + 1))
    return clean


def denoised_variance(added: Tensor, change: Tensor, t: float, window: int = 15) -> Tensor:
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
    product = (added.conj() * change).real
    side = min(window, *((n - 1) // 2 * 2 + 1 for n in product.shape[-2:]))
    flat = product.reshape(-1, 1, *product.shape[-2:])
    mean = torch.nn.functional.avg_pool2d(flat, side, 1, side // 2, count_include_pad=False)
    return (t * mean.reshape(product.shape)).clamp_min((t / 10) ** 2)


@torch.no_grad()
def preconditioned_langevin(
    problem: Problem,
    levels: Tensor,
    step_size: float = 0.5,
    steps_per_level: int = 1,
    iterations: int = 20,
    tolerance: float = 1e-4,
) -> Tensor:
    """Sample x | y by annealed Langevin steps preconditioned with P = A^H A / sigma^2 + 1 / t^2.

    The likelihood is exact and not annealed; only the prior is smoothed by noise of level t (pULA,
    arXiv 2512.05791). A step is

        x <- x + g P^-1 [A^H (y - A x) / sigma^2 + (D(x, t) - x) / t^2] + sqrt(2 g) P^(-1/2) n,

    with P^(-1/2) n drawn as P^-1 [A^H w1 / sigma + w2 / t]. Where the prior's curvature is 1 / t^2 the
    variance comes out too large by 1 / (1 - g / 2); the noise is scaled by that factor.

    Parameters
    ----------
    problem, levels
        As for `decoupled_annealing`; the chain starts at a draw of the posterior under the prior
        CN(start, t_max^2).
    step_size
        g, above 0 and at most 1.
    steps_per_level
        Langevin steps at each level.
    iterations, tolerance
        Of conjugate gradients per step.
    """

    def solve(right: Tensor, t: float) -> Tensor:
        return problem.solve(right, t**2, None, iterations, tolerance)

    def coloured(step: int, what: str, t: float) -> Tensor:
        prior = problem.noise(step, f"{what} prior", problem.start) / t
        return problem.precision**0.5 * problem.data_noise(step, f"{what} data") + prior

    def pull(x: Tensor) -> Tensor:
        return problem.precision * (problem.seen - problem.gram(x))

    spread = (2 * step_size * (1 - step_size / 2)) ** 0.5
    first = float(levels[0])
    x = problem.start + solve(pull(problem.start) + coloured(0, "start", first), first)
    step, total = 0, len(levels) * steps_per_level
    for t in levels.tolist():
        for _ in range(steps_per_level):
            score = (problem.estimate(x, t, step) - x) / t**2
            x = x + solve(step_size * (pull(x) + score) + spread * coloured(step, "walk", t), t)
            step += 1
            problem.progress(step / total)
    return x


def guided(problem: Problem, levels: Tensor, weight: float = 1.0, stochastic: bool = True) -> Tensor:
    """Follow the prior's diffusion and, at every level, the data misfit's gradient through the denoiser.

        x <- x + prior step + weight J^H A^H e / ||e||,   e = y - A D(x, t)

    with J the Jacobian of D. Stochastic: DPS (Chung et al. 2022, arXiv 2209.14687), ancestral steps
    (t^2 - t'^2) (D - x) / t^2 with noise of that variance. Otherwise A-DPS (Aali et al. 2024, arXiv 2403.08728):
    Euler steps of the probability flow, (t - t') (D - x) / t, and twice the weight, for its gradient is that of
    ||e||^2. With weight 0 both sample the prior; the data's noise level does not enter.

    Parameters
    ----------
    problem
        The problem; chains start at noise of the first level, without its start.
    levels
        Decreasing noise levels, many: 100 or more.
    weight
        Of the data.
    stochastic
        DPS rather than A-DPS.
    """
    following = [*levels.tolist()[1:], 0.0]
    x = float(levels[0]) * problem.noise(0, "start", problem.start)
    for step, (t, after) in enumerate(zip(levels.tolist(), following, strict=True)):
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            estimate = problem.estimate(x, t, step)
            misfit = energy(problem.operator.forward(estimate) - problem.kspace).flatten()
            # d ||e||: the gradient of ||e||^2 over ||e|| is twice that of ||e||.
            (gradient,) = torch.autograd.grad(misfit.clamp_min(1e-20).sqrt().sum(), x)
        with torch.no_grad():
            variance = t**2 - after**2
            share = variance / t**2 if stochastic else (t - after) / t
            x = x + share * (estimate - x) - (1 if stochastic else 2) * weight * gradient
            if stochastic and after:
                x = x + variance**0.5 * problem.noise(step, "diffusion", x)
        problem.progress((step + 1) / len(levels))
    return x.detach()


def measured_consistency(operator: LinearOperator, image: Tensor, seen: Tensor, iterations: int = 20) -> Tensor:
    """Replace the measured part of an image: z + A^+ (y - A z), arXiv 2606.28448, ideal form.

    Parameters
    ----------
    operator
        A.
    image
        z.
    seen
        A^H y.
    iterations
        Of conjugate gradients on the normal equations, from zero: the pseudo-inverse to that order.
    """
    gram = operator.gram
    return image + conjugate_gradient(gram, seen - gram(image), None, iterations, 1e-4)
