"""Posterior samplers: plain functions of a denoiser, an operator and the measured k-space.

The noise of the k-space is CN(0, sigma^2): the likelihood is exp(-||y - A x||^2 / sigma^2), taken exactly
at every level. Nothing is tuned to a scan.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from rsd_mri.operators import LinearOperator
from rsd_mri.reconstruction.conjugate_gradient import conjugate_gradient

Denoise = Callable[[Tensor, Tensor, int], Tensor]
"""(noisy images [batch, ...], noise level [batch], step) to the estimated clean images."""
Noise = Callable[[int, str, Tensor], Tensor]
"""(step, what for, an array of the wanted shape) to standard normal noise, keyed per item."""
Callback = Callable[[int, int, Tensor], None]
"""(step, steps, current estimate)."""


@torch.no_grad()
def decoupled_annealing(
    denoise: Denoise,
    operator: LinearOperator,
    kspace: Tensor,
    sigma: Tensor,
    levels: Tensor,
    noise: Noise,
    sigma_data: float,
    start: Tensor,
    floor: float = 0.0,
    iterations: int = 10,
    callback: Callback | None = None,
) -> Tensor:
    """Sample x | y by alternating a Gaussian draw of the clean image with fresh noise of a lower level.

    At level t the law of the clean image given the noisy one is taken as Gaussian around D(x_t, t), with the
    variance r^2 = t^2 sd^2 / (t^2 + sd^2) it has for an image of power sd^2. Its product with the likelihood
    is sampled exactly, by one linear solve on perturbed data; then noise of the next level is added. For a
    Gaussian image of that power every level, and so the result, follows the exact law. Decoupled annealing:
    Zhang et al. 2024 (arXiv 2407.01521); perturb-and-solve: Papandreou and Yuille 2010.

    Parameters
    ----------
    denoise
        D(x, t).
    operator
        A.
    kspace
        y, [batch, coil, readout, phase_encode].
    sigma
        [batch] or a number: its noise level.
    levels
        Decreasing noise levels.
    noise
        Source of standard normal numbers.
    sigma_data
        sd, the root mean square magnitude of the images.
    start
        An image of the right shape; only the noise of the first level is added to it.
    floor
        Root mean square error that the denoiser makes at any level, because it is shown less than the whole
        image. Its estimate is trusted no further; 0 for a denoiser of whole images.
    iterations
        Of conjugate gradients per level; warm-started.
    callback
        Called at each level with the current clean image.

    Returns
    -------
    Tensor
        One sample per item: the mean of the last level's law, which holds no noise of that level.
    """
    precision = _column(1 / torch.as_tensor(sigma) ** 2, start)
    gram, seen = operator.gram, operator.adjoint(kspace)
    x = start + float(levels[0]) * noise(0, "start", start)
    last = len(levels) - 1
    clean = start
    for step, t in enumerate(levels.tolist()):
        level = torch.full((x.shape[0],), t, device=x.device)
        estimate = denoise(x, level, step)
        r2 = t**2 * sigma_data**2 / (t**2 + sigma_data**2)
        trust = r2 + floor**2
        right = precision * seen + estimate / trust
        if step < last:
            grain = operator.adjoint(noise(step, "data", kspace))
            # Variance r2 where nothing was measured, 1 / precision where everything was.
            right = right + precision.sqrt() * grain + noise(step, "prior", start) * (r2**0.5 / trust)
        clean = _solve(gram, precision, trust, right, estimate, iterations)
        if callback is not None:
            callback(step, last + 1, clean)
        if step < last:
            x = clean + float(levels[step + 1]) * noise(step, "diffusion", start)
    return clean


@torch.no_grad()
def preconditioned_langevin(
    denoise: Denoise,
    operator: LinearOperator,
    kspace: Tensor,
    sigma: Tensor,
    levels: Tensor,
    noise: Noise,
    start: Tensor,
    step_size: float = 0.5,
    steps_per_level: int = 1,
    iterations: int = 10,
    callback: Callback | None = None,
) -> Tensor:
    """Sample x | y by annealed Langevin steps preconditioned with P = A^H A / sigma^2 + 1 / t^2.

    The likelihood is exact and not annealed; only the prior is smoothed by noise of level t (pULA,
    arXiv 2512.05791). A step is

        x <- x + g P^-1 [A^H (y - A x) / sigma^2 + (D(x, t) - x) / t^2] + sqrt(2 g) P^(-1/2) n,

    with P^(-1/2) n drawn as P^-1 [A^H w1 / sigma + w2 / t]. Where the prior's curvature is 1 / t^2 the
    variance comes out too large by 1 / (1 - g / 2); the noise is scaled by that factor.

    Parameters
    ----------
    denoise, operator, kspace, sigma, levels, noise, callback
        As for `decoupled_annealing`.
    start
        An image of the right shape; the chain starts at a draw of the posterior under the prior
        CN(start, t_max^2).
    step_size
        g, above 0 and at most 1.
    steps_per_level
        Langevin steps at each level.
    iterations
        Of conjugate gradients per step.
    """
    precision = _column(1 / torch.as_tensor(sigma) ** 2, start)
    gram, seen = operator.gram, operator.adjoint(kspace)

    def solve(right: Tensor, t: float) -> Tensor:
        return _solve(gram, precision, t**2, right, None, iterations)

    def coloured(step: int, what: str, t: float) -> Tensor:
        grain = operator.adjoint(noise(step, f"{what} data", kspace))
        return precision.sqrt() * grain + noise(step, f"{what} prior", start) / t

    spread = (2 * step_size * (1 - step_size / 2)) ** 0.5
    first = float(levels[0])
    x = start + solve(precision * (seen - gram(start)) + coloured(0, "start", first), first)
    step, total = 0, len(levels) * steps_per_level
    for t in levels.tolist():
        level = torch.full((x.shape[0],), t, device=x.device)
        for _ in range(steps_per_level):
            score = (denoise(x, level, step) - x) / t**2
            drift = precision * (seen - gram(x)) + score
            x = x + solve(step_size * drift + spread * coloured(step, "walk", t), t)
            if callback is not None:
                callback(step, total, x)
            step += 1
    return x


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


def _solve(
    gram: LinearOperator, precision: Tensor, variance: float, right: Tensor, start: Tensor | None, iterations: int
) -> Tensor:
    """Solve (A^H A / sigma^2 + 1 / variance) x = right; scaled, so that its norm stays near one at low levels."""
    weight = variance * precision
    return conjugate_gradient(lambda v: weight * gram(v) + v, variance * right, start, iterations, 1e-5)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device, like.real.dtype).reshape(-1, *(1,) * (like.ndim - 1))
