"""Restoring one picture with a prior of natural images, by the samplers that reconstruct scans."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from rsd_mri.corruption.build import corruption_from, image_corruption
from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators import Identity
from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol.corruptions import OfImages
from rsd_mri.reconstruction.posterior.problem import Denoise, Problem
from rsd_mri.reconstruction.posterior.restorers import SMALLEST_LEVEL
from rsd_mri.reconstruction.posterior.samplers import Sampler
from rsd_mri.reconstruction.posterior_method import keyed_noise

ROUNDING = 2 / 255 / 12**0.5
"""Standard deviation of rounding to bytes, images in [-1, 1]: no picture has less noise."""
START_RIDGE = 0.1
"""Weight of |x|^2 in the first guess."""


def restore(
    prior: Prior,
    picture: Tensor,
    corruption: OfImages,
    mask: Tensor | None,
    keys: Sequence[Key],
    sampler: Sampler,
    progress: Progress = SILENT,
) -> Tensor:
    """Draw one posterior sample of the image per key.

    A teacher that learned from noisy images knows nothing of the levels below their noise: the sampler ends there,
    with the mean of the last level's law, so that the samples lack the spread below it. A picture with no more noise
    than they had is denoised in one call, and all samples are the same.

    Parameters
    ----------
    prior
        The teacher of a run on images behind noise or inpainting.
    picture
        [channel, y, x] in [-1, 1], on the prior's device.
    corruption
        What to undo.
    mask
        As for `Corruption.of_picture`.
    keys
        One per sample.
    sampler
        One of `PICTURE_SAMPLERS`, perhaps with other levels.
    progress
        Told the share done.

    Returns
    -------
    Tensor
        [sample, channel, y, x].

    Raises
    ------
    InputError
        If the prior is none of whole images, or the picture does not fit it or the corruption.
    """
    channels, height, width = picture.shape
    shape = corruption.image_shape((channels, height, width))
    operator, y = corruption_from(corruption, shape).of_picture(picture, mask)
    of_training = corruption_of(prior, shape)
    operator = operator.to(picture.device)
    gram, right = operator.gram, operator.adjoint(y)
    start = conjugate_gradient(lambda v: gram(v) + START_RIDGE * v, right)
    floor = prior.card.floor
    problem = Problem(
        operator,
        y,
        max(corruption.sigma, ROUNDING, SMALLEST_LEVEL),
        denoiser_of_images(prior, of_training, keys),
        keyed_noise(keys),
        start.expand(len(keys), *shape),
        prior.denoiser.sigma_data,
        floor,
        progress,
        whole=floor == 0,
    )
    lowest = max(sampler.sigma_min, float(of_training.draw(keys)[1].max()))
    if isinstance(operator, Identity) and corruption.sigma <= lowest and floor == 0:
        # The sampler would start where it ends: what it adds to the picture it could not take away again.
        with torch.no_grad():
            return problem.estimate(picture.expand(len(keys), *shape), lowest, 0)
    with torch.no_grad():
        return replace(sampler, sigma_min=lowest, sigma_max=max(sampler.sigma_max, lowest)).sample(problem)


def corruption_of(prior: Prior, shape: tuple[int, int, int]) -> Corruption:
    """The law of a prior's training data, for images of a shape.

    Raises
    ------
    InputError
        If the prior is none of natural images, has other channels, or models measurements instead of images.
    """
    if prior.kind != "teacher" or len(prior.inputs.image_shape) != 3:
        raise InputError(f"{prior.path}: expected the teacher of a run on natural images")
    if prior.inputs.image_shape[0] != shape[0]:
        raise InputError(
            f"{prior.path}: a prior of {prior.inputs.image_shape[0]} channels cannot restore a picture of {shape[0]}"
        )
    corruption = image_corruption(prior.protocol, shape)
    if corruption.models_measurements:
        raise InputError(
            f"{prior.path}: this teacher models {prior.protocol.corruption.kind} measurements, not images; take a "
            "run on noise or inpainting"
        )
    return corruption


def denoiser_of_images(prior: Prior, corruption: Corruption, keys: Sequence[Key]) -> Denoise:
    """The prior's denoiser, which sees images as it did in training: through a fresh A~ at each step."""

    def denoise(x: Tensor, t: Tensor, step: int) -> Tensor:
        step_keys = [(*k, "denoise", step) for k in keys]
        further = corruption.further(corruption.draw(step_keys)[0], step_keys).to(x.device)
        found: Tensor = prior.denoiser(further.gram(x), t, corruption.condition(further))
        return found

    return denoise
