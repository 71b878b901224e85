"""Reconstruction with a learned prior: posterior samples, and the one-step path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Key
from rsd_mri.corruption.undersampling import Undersampling, sampling_features
from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.diffusion.noise_levels import geometric
from rsd_mri.operators import Sense
from rsd_mri.randomness import normal_items
from rsd_mri.reconstruction.classical import cg_sense
from rsd_mri.reconstruction.conjugate_gradient import conjugate_gradient
from rsd_mri.reconstruction.posterior import Denoise, decoupled_annealing, preconditioned_langevin
from rsd_mri.rsd.prior import Prior

SMALLEST_LEVEL = 0.002
"""Below this noise level no network is trained."""


@dataclass(frozen=True)
class PosteriorSettings:
    """Sampler and its levels."""

    sampler: Literal["annealing", "langevin"] = "annealing"
    levels: int = 15
    sigma_max: float = 1.0
    sigma_min: float = 0.01


def prior_denoiser(prior: Prior, operator: Sense, keys: Sequence[Key]) -> Denoise:
    """The prior's denoiser for the images of one scan.

    A teacher that was trained on undersampled data only knows images through further-corrupted operators. At
    each step it sees the noisy image through one with the scan's maps and a mask of its training law, a fresh
    one per step, so that over the steps it sees all of k-space.
    """
    if prior.kind == "denoiser":
        return lambda x, t, step: _by_sets(prior, x, t, None)
    law = Undersampling(prior.protocol.mask, operator.csm.reshape(-1, *operator.csm.shape[-3:]), torch.zeros(1))

    def denoise(x: Tensor, t: Tensor, step: int) -> Tensor:
        step_keys = [(*k, "denoise", step) for k in keys]
        masks = law.draw_masks(step_keys)
        further = law.further(operator.with_mask(masks.to(x.device)), step_keys)
        u = further.gram(x)
        return _by_sets(prior, u, t, sampling_features(further.mask))

    return denoise


def _by_sets(prior: Prior, u: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
    """Denoise; with several sets of maps each set's image is an image of the anatomy in its own right."""
    if u.ndim == 3:
        return prior.denoiser(u, t, Condition(sampling=features))
    n_sets = u.shape[1]
    condition = Condition(sampling=None if features is None else features.repeat_interleave(n_sets, 0))
    flat = u.reshape(-1, *u.shape[-2:])
    return prior.denoiser(flat, t.repeat_interleave(n_sets), condition).reshape(u.shape)


def keyed_noise(keys: Sequence[Key]) -> Callable[[int, str, Tensor], Tensor]:
    """Standard normal numbers per sample, whatever the batch."""

    def noise(step: int, what: str, like: Tensor) -> Tensor:
        shape = like.shape[1:]
        return normal_items(shape, [(*k, what, step) for k in keys], like.dtype).to(like.device)

    return noise


def sample_posterior(
    prior: Prior,
    operator: Sense,
    kspace: Tensor,
    sigma: float,
    keys: Sequence[Key],
    settings: PosteriorSettings,
    tell: Callable[[float], None],
) -> Tensor:
    """Draw one posterior sample per key.

    Parameters
    ----------
    prior
        A teacher.
    operator, kspace
        Of one slice, with a batch axis of one.
    sigma
        Noise level of the k-space, prepared units.
    keys
        One per sample.
    settings
        Sampler and levels.
    tell
        Called with the share done.

    Returns
    -------
    Tensor
        [sample, (set,) readout, phase_encode], prepared units.
    """
    first = cg_sense(operator, kspace, sigma)
    start = first.expand(len(keys), *first.shape[1:]).contiguous()
    levels = geometric(settings.levels, max(settings.sigma_min, sigma / 2), settings.sigma_max)
    data = kspace.expand(len(keys), *kspace.shape[1:])
    noise = keyed_noise(keys)
    denoise = prior_denoiser(prior, operator, keys)
    level = torch.tensor([sigma])

    def callback(step: int, steps: int, image: Tensor) -> None:  # noqa: ARG001
        tell((step + 1) / steps)

    if settings.sampler == "langevin":
        return preconditioned_langevin(
            denoise, operator, data, level, levels, noise, torch.zeros_like(start), callback=callback
        )
    return decoupled_annealing(
        denoise, operator, data, level, levels, noise, prior.protocol.teacher.sigma_data, start, floor_of(prior),
        callback=callback,
    )


def floor_of(prior: Prior) -> float:
    """Root mean square error of a teacher on what it is not shown, as found at the end of its training."""
    return 0.0 if prior.kind == "denoiser" else float(prior.card.get("hidden_error", 0.1))


def one_step(prior: Prior, operator: Sense, kspace: Tensor, sigma: float) -> Tensor:
    """One network call, then one data step.

    The network restores A^H y under the scan's own mask at the noise level of the data, which is what it was
    trained to do; the data step is the maximum of the exact likelihood times a Gaussian around the estimate
    whose width is the network's own error.

    Returns
    -------
    Tensor
        [1, (set,) readout, phase_encode], prepared units.
    """
    gram, seen = operator.gram, operator.adjoint(kspace)
    if prior.kind == "denoiser":
        # The level at which CG-SENSE's error lies for most scans; the network was trained around it.
        first = cg_sense(operator, kspace, sigma)
        width = max(0.05, 2 * sigma)
        estimate = _by_sets(prior, first, torch.full((first.shape[0],), width, device=first.device), None)
        weight = width**2 / sigma**2
        right = weight * seen + estimate
        return conjugate_gradient(lambda v: weight * gram(v) + v, right, estimate, 20, 1e-4)
    level = torch.full((seen.shape[0],), max(sigma, SMALLEST_LEVEL), device=seen.device)
    estimate = _by_sets(prior, seen, level, sampling_features(operator.mask))
    weight = max(floor_of(prior), sigma) ** 2 / sigma**2
    right = weight * seen + estimate
    return conjugate_gradient(lambda v: weight * gram(v) + v, right, estimate, 20, 1e-4)
