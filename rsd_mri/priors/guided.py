"""A teacher that a worse one guides."""

from dataclasses import replace
from pathlib import Path

from rsd_mri.diffusion.autoguidance import Autoguided
from rsd_mri.errors import InputError
from rsd_mri.priors.prior import Prior, load_prior

GUIDE = "guide.safetensors"
"""The worse one's file in the run folder of a generator that was distilled from both."""


def guided_by(prior: Prior, guide: Prior | Path, weight: float, below: float | None = None) -> Prior:
    """A teacher, guided.

    Raises
    ------
    InputError
        If the prior is no teacher, or the guide is of another kind or told otherwise of its images.
    """
    if prior.in_one_call:
        raise InputError(f"{prior.path}: a generator, which nothing guides; take the teacher (--with teacher)")
    if isinstance(guide, Path):
        guide = load_prior(guide, prior.kind)
    if (guide.kind, guide.inputs) != (prior.kind, prior.inputs):
        raise InputError(f"{guide.path}: a {guide.kind} of other inputs; {prior.path} needs a guide of its own kind")
    return replace(prior, denoiser=Autoguided(prior.denoiser, guide.denoiser, weight, below))
