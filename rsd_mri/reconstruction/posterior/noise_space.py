"""Posterior sampling in the noise space of a one-step generator."""

from collections.abc import Callable

import torch
from torch import Tensor

from rsd_mri.reconstruction.conjugate_gradient import energy
from rsd_mri.reconstruction.posterior.problem import Problem

ACCEPTED = 0.57
"""Share of accepted moves at which a chain moves fastest (Roberts and Rosenthal 1998, doi:10.1111/1467-9868.00123)."""
SETTLING = 0.5
"""Share of the steps in which each chain finds its step size; the others keep it, so that their law is exact."""


def noise_space_langevin(
    problem: Problem,
    make: Callable[[Tensor], Tensor],
    warm: int = 60,
    steps: int = 120,
    rate: float = 0.05,
) -> Tensor:
    """Sample x = G(z) with z ~ CN(0, 1) given y, by Langevin moves of z.

    The potential U(z) = |z|^2 + ||y - A G(z)||^2 / sigma^2 is that of arXiv 2410.02078, which moves along its gradient
    from a warm start by Adam. Here a Metropolis test follows every move (MALA, Roberts and Tweedie 1996,
    doi:10.2307/3318418), so that no step size has to be chosen and the law is exact at any; each chain finds the one
    at which it moves fastest.

    Parameters
    ----------
    problem
        The problem; its denoiser and start serve for nothing but their shapes.
    make
        G: z [item, readout, phase_encode] to images, differentiable. Standard normal z in, whatever G scales it by.
    warm
        Steps of Adam from a draw of the prior.
    steps
        Moves after that.
    rate
        Of Adam.

    Returns
    -------
    Tensor
        One image per item: G at the end of its chain.
    """

    def potential(z: Tensor) -> tuple[Tensor, Tensor]:
        """U and its conjugate Wirtinger derivative."""
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            error = problem.operator.forward(make(z)) - problem.kspace
            value = energy(z) + problem.precision * energy(error).reshape(-1, *(1,) * (z.ndim - 1))
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), gradient / 2

    total = warm + steps
    z = problem.noise(0, "start", problem.start)
    first, second = torch.zeros_like(z), torch.zeros_like(z.real)
    for step in range(1, warm + 1):
        gradient = potential(z)[1]
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient.abs().square()
        z = z - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-12)
        problem.progress(step / total)
    value, gradient = potential(z)
    # Half the inverse of the steepest curvature there can be, were G of norm one.
    log_size = torch.full_like(value, 1 / (2 * (1 + problem.precision))).log()
    for step in range(steps):
        size = log_size.exp()
        moved = z - size * gradient + (2 * size).sqrt() * problem.noise(step, "move", z)
        new_value, new_gradient = potential(moved)
        forth, back = energy(moved - z + size * gradient), energy(z - moved + size * new_gradient)
        log_ratio = value - new_value + (forth - back) / (2 * size)
        chance = log_ratio.clamp_max(0).exp().nan_to_num(0)
        taken = torch.special.ndtr(problem.noise(step, "test", value)) < chance
        z = torch.where(taken, moved, z)
        value, gradient = torch.where(taken, new_value, value), torch.where(taken, new_gradient, gradient)
        if step < SETTLING * steps:
            log_size = log_size + (step + 1) ** -0.3 * (chance - ACCEPTED)
        problem.progress((warm + step + 1) / total)
    with torch.no_grad():
        return make(z)
