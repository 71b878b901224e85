"""The one-step generator: the denoiser at one noise level, on noise."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.diffusion.noise_levels import karras
from rsd_mri.diffusion.samplers import SOLVERS
from rsd_mri.machine.randomness import normal_items
from rsd_mri.operators import LinearOperator
from rsd_mri.protocol import SamplerSettings


def generate(
    generator: Denoiser, corruption: Corruption, operator: LinearOperator, noise: Tensor, sigma_init: float
) -> Tensor:
    """One network call: G(z) with z = sigma_init n, seen through A~ as in training.

    Parameters
    ----------
    generator
        The distilled network.
    corruption
        Says what the network is told about the operator.
    operator
        A further-corrupted operator A~ per image, from the law of the training data.
    noise
        Standard normal, [batch, *image].
    sigma_init
        Noise level the generator was distilled at.
    """
    level = torch.full((noise.shape[0],), sigma_init, device=noise.device)
    made = generator(corruption.view(operator)(noise * sigma_init), level, corruption.condition(operator))
    return corruption.project(made, operator)


def draw_further(corruption: Corruption, keys: Sequence[Key]) -> LinearOperator:
    """A further-corrupted operator per key, from the law of the training data."""
    return corruption.further(corruption.draw(keys)[0], keys)


def noise_for(corruption: Corruption, keys: Sequence[Key]) -> Tensor:
    """Standard normal input of the generator, one image per key."""
    return normal_items(corruption.generator_shape, [(*k, "noise") for k in keys], corruption.dtype)


@torch.no_grad()
def sample_generator(generator: Denoiser, corruption: Corruption, keys: Sequence[Key], sigma_init: float) -> Tensor:
    """Generate one image per key with the one-step generator.

    Parameters
    ----------
    generator
        The network, in one call from noise of level `sigma_init`.
    corruption
        Gives the operator that it sees its noise through, and the shape of its images.
    keys
        One an image.
    sigma_init
        Noise level that it was distilled at.

    Returns
    -------
    Tensor
        [item, *corruption.generator_shape].
    """
    device = next(generator.parameters()).device
    operator = draw_further(corruption, keys).to(device)
    return generate(generator, corruption, operator, noise_for(corruption, keys).to(device), sigma_init)


@torch.no_grad()
def sample_teacher(
    teacher: Denoiser,
    corruption: Corruption,
    keys: Sequence[Key],
    settings: SamplerSettings,
    stop_at: float = 0.0,
    callback: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Sample one image per key with the teacher; each keeps its operator along the whole trajectory.

    Parameters
    ----------
    teacher
        The network.
    corruption
        Gives the operator that it sees images through.
    keys
        One an image.
    settings
        Noise levels, and what goes from one to the next.
    stop_at, callback
        See `heun`.

    Returns
    -------
    Tensor
        [item, *corruption.image_shape].
    """
    device = next(teacher.parameters()).device
    operator = draw_further(corruption, keys).to(device)
    condition, view = corruption.condition(operator), corruption.view(operator)
    levels = karras(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho)
    noise = normal_items(corruption.image_shape, [(*k, "noise") for k in keys], corruption.dtype).to(device)
    solve = SOLVERS[settings.solver]
    made = solve(lambda x, t: teacher(view(x), t, condition), noise, levels, stop_at, callback)
    return corruption.project(made, operator)
