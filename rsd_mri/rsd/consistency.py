"""The consistency term: it trains a denoiser below the noise level of its data."""

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption
from rsd_mri.diffusion.denoiser import Denoiser, expand, loss_weight, per_item_mean
from rsd_mri.operators import LinearOperator
from rsd_mri.rsd.objectives import real_inner

DRAWS = 2


def backward_step(estimate: Tensor, u: Tensor, noise: Tensor, t: Tensor, lower: Tensor, view: LinearOperator) -> Tensor:
    """Draw the seen image of a lower noise level from that of a higher one.

    Given the clean image, the law of x_s is Gaussian with mean (s/t)^2 x_t + (1 - (s/t)^2) x_0 and variance
    s^2 (1 - (s/t)^2); the estimate of x_0 stands in for it. What the denoiser sees of each is W A~^H A~ of it.

    Parameters
    ----------
    estimate
        D(u, t).
    u
        W A~^H A~ x_t.
    noise
        Standard normal.
    t, lower
        [batch]: from level t to level s <= t.
    view
        W A~^H A~.
    """
    share = expand((lower / t) ** 2, u)
    std = expand(lower, u) * (1 - share).clamp_min(0).sqrt()
    return share * u + (1 - share) * view(estimate) + std * view(noise)


def consistency_loss(
    denoiser: Denoiser,
    corruption: Corruption,
    u: Tensor,
    further: LinearOperator,
    t: Tensor,
    levels: Tensor,
    noise: Tensor,
) -> Tensor:
    """How far the denoiser is from being a martingale along its own trajectories.

    E[D(x_s, s) | x_t] = D(x_t, t) for s < t holds for the true denoiser. With two independent draws of x_s the
    product of their two errors is an unbiased estimate of the squared difference: it vanishes where the identity
    holds, which the squared norm of one draw's error does not. Daras et al. 2024 (arXiv 2404.10177, section 3.2);
    the two draws are theirs, the reference code of arXiv 2505.13377 averages draws of one deterministic sampler.

    Parameters
    ----------
    denoiser
        The network under training.
    corruption
        Says what the denoiser is told about the operators.
    u
        W A~^H A~ x_t, as the denoiser saw it.
    further
        A~.
    t
        [batch]: noise level of u, above that of the data.
    levels
        [steps, batch]: decreasing noise levels below t; the last is the one that is trained.
    noise
        [steps, 2, batch, *image], standard normal.

    Returns
    -------
    Tensor
        [batch], real; it may be negative.
    """
    condition, view = corruption.condition(further), corruption.view(further)
    upper = denoiser(u, t, condition)
    lower = []
    for draw in range(DRAWS):
        state, level, estimate = u, t, upper
        for step, below in enumerate(levels):
            # Only the ends are trained; the way between is the denoiser's as it stands.
            state = backward_step(estimate.detach(), state, noise[step, draw], level, below, view)
            level = below
            last = step + 1 == len(levels)
            with torch.set_grad_enabled(last and torch.is_grad_enabled()):
                estimate = denoiser(state, level, condition)
        lower.append(estimate)
    errors = [view(one - upper) for one in lower]
    weight_of_level = loss_weight(levels[-1], denoiser.sigma_data, denoiser.sigma_hidden)
    return weight_of_level * per_item_mean(real_inner(errors[0], errors[1]))
