"""Reconstruction with a learned prior: posterior samples, and the one-step path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Key
from rsd_mri.corruption.undersampling import Undersampling, sampling_features
from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.diffusion.noise_levels import geometric
from rsd_mri.operators import Sense, sense_operator
from rsd_mri.priors.prior import Prior
from rsd_mri.progress import Progress
from rsd_mri.randomness import normal_items
from rsd_mri.reconstruction.classical.methods import cg_sense, total_variation, zero_filled
from rsd_mri.reconstruction.conjugate_gradient import conjugate_gradient
from rsd_mri.reconstruction.posterior.noise_space import noise_space_langevin
from rsd_mri.reconstruction.posterior.problem import Denoise, Noise, Problem
from rsd_mri.reconstruction.posterior.samplers import (
    decoupled_annealing,
    diffpir,
    guided,
    measured_consistency,
    preconditioned_langevin,
)
from rsd_mri.reconstruction.posterior.support import Window, windows_of

SMALLEST_LEVEL = 0.002
"""Below this noise level no network is trained."""

CG_SENSE_ERROR = 0.07
"""Noise level at which the one-step path denoises CG-SENSE, prepared units: best of 0.05, 0.07 and 0.1 on a real head
with simulated coils (mean of eight slices, R = 4 to 8)."""

Sampler = Literal["diffpir", "few-step", "annealing", "langevin", "dps", "a-dps", "noise-space"]
GUIDED = ("dps", "a-dps")
"""Samplers that follow the data's gradient through the denoiser."""
WITH_GRADIENT = (*GUIDED, "noise-space")
"""Samplers that need the gradient through the network."""
SCANS_ONLY = ("few-step", "noise-space")
"""Samplers that start from a scan or know its coils; pictures have neither."""
Start = Literal["zero-filled", "cg-sense", "tv", "one-step"]
STARTS: dict[str, Callable[[Sense, Tensor, float], Tensor]] = {
    "zero-filled": lambda operator, kspace, sigma: zero_filled(operator, kspace),  # noqa: ARG005
    "cg-sense": cg_sense,
    "tv": total_variation,
}


@dataclass(frozen=True)
class PosteriorSettings:
    """Sampler and its levels."""

    sampler: Sampler = "diffpir"
    levels: int = 36
    """Noise levels; of `noise-space`, whose noise has one level, the moves of a chain. On slices of a real head with
    simulated coils and on simulated heads 36 were 0.0 to 0.8 dB above 24, and 48 0.0 to 0.4 dB above 36."""
    sigma_max: float = 0.15
    """Prepared units. Above the error of the start, but not far: more forgets what the start knew. On simulated wrapped
    heads (means of four and of two, R = 4 and 6) 0.15 was 0.1 to 0.5 dB above 0.3, and 1.0 up to 1.0 dB below it."""
    sigma_min: float = 0.01
    start: Start | None = None
    """What the first level's noise is added to: by default the one-step image of the teacher where the prior comes with
    one, or total variation where that predicts held-out lines better, or there is no teacher. `dps`, `a-dps` and
    `noise-space` start at noise alone."""
    weight: float = 1.0
    """Of the data in `dps` and `a-dps`."""
    consistency: bool = False
    """Replace the measured part of every sample by the data at the end."""

    @classmethod
    def of(cls, sampler: Sampler, levels: int | None = None, consistency: bool = False) -> "PosteriorSettings":
        """A sampler with the levels that suit it."""
        settings = cls(sampler, consistency=consistency)
        if sampler == "few-step":
            settings = replace(settings, levels=4)
        elif sampler == "annealing":
            settings = replace(settings, levels=6, sigma_max=0.1)
        elif sampler == "langevin":
            settings = replace(settings, levels=15, sigma_max=1.0, start="cg-sense")
        elif sampler in GUIDED:
            settings = replace(settings, levels=200, sigma_max=10.0, sigma_min=0.004, start="zero-filled")
        elif sampler == "noise-space":
            settings = replace(settings, levels=120, start="zero-filled")
        return settings if levels is None else replace(settings, levels=levels)


def prior_denoiser(prior: Prior, operator: Sense, keys: Sequence[Key]) -> Denoise:
    """The prior's denoiser for the images of one scan.

    A denoiser of whole images learned from patches turned and flipped at random, so the law it stands for is symmetric,
    but the network is not. Every step shows it the image turned and flipped another way, which averages its errors over
    the steps (Terris et al. 2024, arXiv 2312.01831): 0.1 to 0.6 dB on simulated heads.

    A teacher that was trained on undersampled data only knows images through further-corrupted operators. At
    each step it sees the noisy image through one with the scan's maps and a mask of its training law, a fresh
    one per step, so that over the steps it sees all of k-space.
    """
    windows = windows_of(operator.csm)
    if prior.kind == "denoiser":
        return lambda x, t, step: _by_sets(prior, x, t, None, windows, step)
    law = _law(prior, operator)

    def denoise(x: Tensor, t: Tensor, step: int) -> Tensor:
        step_keys = [(*k, "denoise", step) for k in keys]
        masks = law.draw_masks(step_keys)
        further = law.further(operator.with_mask(masks.to(x.device)), step_keys)
        return _by_sets(prior, law.view(further)(x), t, sampling_features(further.mask), windows)

    return denoise


def _law(prior: Prior, operator: Sense) -> Undersampling:
    """What a teacher was trained with, for the maps of a scan."""
    bank, shown = operator.csm.reshape(-1, *operator.csm.shape[-3:]), prior.protocol.corruption.shown
    return Undersampling(prior.protocol.mask, bank, torch.zeros(1), shown)


def _by_sets(
    prior: Prior, u: Tensor, t: Tensor, features: Tensor | None, windows: Sequence[Window], way: int = 0
) -> Tensor:
    """Denoise where the maps see; with several sets of maps each set's image is an anatomy in its own right."""
    sets = u[:, None] if u.ndim == 3 else u
    condition = Condition(sampling=features)

    def part(image: Tensor, window: Window) -> Tensor:
        estimate = prior.denoiser(_turned(window.cut(image), way), t, condition)
        return window.paste(_turned_back(estimate, way), (u.shape[-2], u.shape[-1]))

    parts = [part(sets[:, m], window) for m, window in enumerate(windows)]
    return parts[0] if u.ndim == 3 else torch.stack(parts, 1)


def _turned(image: Tensor, way: int) -> Tensor:
    """One of the eight symmetries of the square: `way` quarter turns, and a flip for every second four."""
    turned = torch.rot90(image, way % 4, (-2, -1))
    return turned.flip(-1) if way // 4 % 2 else turned


def _turned_back(image: Tensor, way: int) -> Tensor:
    return torch.rot90(image.flip(-1) if way // 4 % 2 else image, -way % 4, (-2, -1))


def keyed_noise(keys: Sequence[Key]) -> Noise:
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
    progress: Progress,
    first: Tensor | None = None,
) -> Tensor:
    """Draw one posterior sample per key.

    Parameters
    ----------
    prior
        A teacher, or a denoiser of whole images; for `noise-space` a one-step generator.
    operator, kspace
        Of one slice or several, [slice, ...].
    sigma
        Noise level of the k-space, prepared units.
    keys
        One per sample; as many for each slice, all of the first slice first.
    settings
        Sampler and levels.
    progress
        Told the share done.
    first
        What the settings' start makes of this k-space, [slice, (set,) readout, phase_encode], where that is known.

    Returns
    -------
    Tensor
        [slice times sample, (set,) readout, phase_encode], prepared units.
    """
    # Where the noise is unknown or none, the network's own limit stands in.
    sigma = max(sigma, SMALLEST_LEVEL)
    # One by one: they stop when they are done, and a slice must not wait for another.
    start = start_of(settings, prior)
    begin = partial(one_step, prior) if start == "one-step" else STARTS[start]
    firsts = [begin(one, y, sigma) for one, y in _slices(operator, kspace)] if first is None else list(first.split(1))
    n = len(keys) // len(kspace)
    if n > 1 and len(kspace) > 1:
        operator = _repeated(operator, n)
        kspace = kspace.repeat_interleave(n, 0)
    problem = Problem(
        operator, kspace, sigma, prior_denoiser(prior, operator, keys), keyed_noise(keys),
        torch.cat([first.expand(n, *first.shape[1:]) for first in firsts]), prior.protocol.teacher.sigma_data,
        floor_of(prior), progress,
    )
    if settings.sampler == "noise-space":
        # The generator is the denoiser of its one noise level, under one further-corrupted operator per chain.
        level = prior.protocol.distillation.sigma_init
        samples = noise_space_langevin(problem, lambda z: problem.estimate(level * z, level, 0), steps=settings.levels)
        return measured_consistency(operator, samples, problem.seen) if settings.consistency else samples
    return sample_problem(problem, settings, measured=prior.kind == "denoiser", width=width_of(operator))


def width_of(operator: Sense) -> float:
    """Width of DiffPIR's data step for a scan: R / 2, at least 1 and at most 2.

    What undersampling adds to the denoiser's own error grows with R. On simulated heads 1 was 0.8 to 3.8 dB above 2 at
    R = 2, between 0.5 dB below and 2.2 above at R = 2.8 and 3; 1.4 was 0.1 to 0.3 dB below 2 at R = 4 and 6, and 7 %
    worse on held-out lines of a real scan at R = 8.
    """
    acceleration = 1 / float(operator.mask.float().mean())
    return min(max(acceleration / 2, 1.0), 2.0)


def start_of(settings: PosteriorSettings, prior: Prior) -> Start:
    """What a sampler starts from under a prior."""
    return settings.start or ("tv" if prior.teacher is None else "one-step")


def sample_problem(
    problem: Problem, settings: PosteriorSettings, measured: bool, final_noise: bool = True, width: float = 2.0
) -> Tensor:
    """Sample as the settings say; `measured` and `final_noise` as in `decoupled_annealing`, `width` as in `diffpir`."""
    levels = geometric(settings.levels, settings.sigma_min, settings.sigma_max)
    if settings.sampler in ("diffpir", "few-step"):
        samples = diffpir(problem, levels, width)
    elif settings.sampler == "langevin":
        samples = preconditioned_langevin(problem, levels)
    elif settings.sampler == "annealing":
        samples = decoupled_annealing(problem, levels, measured=measured, final_noise=final_noise)
    else:
        samples = guided(problem, levels, settings.weight, stochastic=settings.sampler == "dps")
    return measured_consistency(problem.operator, samples, problem.seen) if settings.consistency else samples


def _slices(operator: Sense, kspace: Tensor) -> list[tuple[Sense, Tensor]]:
    """Each slice of a batch by itself."""
    if len(kspace) == 1:
        return [(operator, kspace)]
    masks = operator.mask[:, 0].expand(len(kspace), -1, -1)
    return [
        (sense_operator(operator.csm[i : i + 1], masks[i : i + 1]), kspace[i : i + 1]) for i in range(len(kspace))
    ]


def _repeated(operator: Sense, n: int) -> Sense:
    """The operator of every slice for `n` samples each."""
    mask = operator.mask[:, 0]
    masks = mask if len(mask) == 1 else mask.repeat_interleave(n, 0)
    return sense_operator(operator.csm.repeat_interleave(n, 0), masks)


def floor_of(prior: Prior) -> float:
    """Root mean square error of a teacher on what it is not shown, as found at the end of its training."""
    return 0.0 if prior.kind == "denoiser" else float(prior.card.get("hidden_error", 0.1))


def one_step(prior: Prior, operator: Sense, kspace: Tensor, sigma: float) -> Tensor:
    """One network call, then one data step.

    By the teacher of the prior's run, where there is one. The network restores what it is shown of the data under the
    scan's own mask at the noise level of the data, which is what it was trained to do; the data step is the maximum of
    the exact likelihood times a Gaussian around the estimate whose width is the network's own error.

    Returns
    -------
    Tensor
        [1, (set,) readout, phase_encode], prepared units.
    """
    sigma, prior = max(sigma, SMALLEST_LEVEL), prior.teacher or prior
    gram, seen, windows = operator.gram, operator.adjoint(kspace), windows_of(operator.csm)
    if prior.kind == "denoiser":
        shown, level, features = cg_sense(operator, kspace, sigma), max(CG_SENSE_ERROR, 2 * sigma), None
        trust = level
    else:
        shown = _law(prior, operator).preconditioner(operator)(seen)
        level, features = sigma, sampling_features(operator.mask)
        trust = max(floor_of(prior), sigma)
    estimate = _by_sets(prior, shown, torch.full((len(seen),), level, device=seen.device), features, windows)
    weight = trust**2 / sigma**2
    return conjugate_gradient(lambda v: weight * gram(v) + v, weight * seen + estimate, estimate, 20, 1e-3)
