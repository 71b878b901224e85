"""The step of expectation: every undersampled training slice restored with what is known."""

import math
import time
from pathlib import Path

import torch
from torch import Tensor

from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.machine.device import images_at_once
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.prior import Prior, load_prior
from rsd_mri.protocol import Protocol
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.posterior_method import Posterior
from rsd_mri.rsd.guide import round_folder
from rsd_mri.training.checkpoint import keep_images, kept_images

CHECKPOINT_SECONDS = 60.0
"""The most that is restored again after a stop."""


def restore(
    slices: UndersampledSlices,
    protocol: Protocol,
    folder: Path,
    progress: Progress,
    start: Path | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Restore every undersampled training slice; stored in the run, done once for each prior. Stopped, it goes on.

    Parameters
    ----------
    slices
        Undersampled.
    protocol
        Its `denoiser` says by what they are restored.
    folder
        Of the run, or of its round.
    progress
        Told the share done.
    start
        Whose denoiser `restored_by: posterior` restores under; the folder's own without it.
    device
        Where to compute; the CPU without it.

    Returns
    -------
    Tensor
        [slice, readout, phase_encode] complex64, prepared units, on the CPU.
    """
    method = protocol.denoiser.restored_by
    path = _stored(folder, method)
    prior = load_prior(start, "denoiser") if method == "posterior" and start else None
    made_from = {"data": slices.identity, "prior": prior.sha256 if prior else ""}
    if (images := kept_images(path, made_from)) is not None:
        return images
    if method == "posterior" and prior is None:
        prior = load_prior(folder, "denoiser")
    device = device or torch.device("cpu")
    if prior is not None:
        prior.to(device)
    size = images_at_once(device, math.prod(slices.size))
    checkpoint, saved = folder / "checkpoint" / path.name, time.monotonic()
    begun = kept_images(checkpoint, made_from)
    done = [] if begun is None else [begun]
    for first in range(sum(map(len, done)), len(slices), size):
        chosen = range(first, min(first + size, len(slices)))
        done.append(_restored(slices, chosen, protocol, prior, device).cpu())
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            checkpoint.parent.mkdir(exist_ok=True)
            keep_images(checkpoint, torch.cat(done), "restored", made_from)
            saved = time.monotonic()
        progress(chosen.stop / len(slices))
    keep_images(path, torch.cat(done), "restored", made_from)
    checkpoint.unlink(missing_ok=True)
    return torch.cat(done)


def _stored(folder: Path, method: str) -> Path:
    return folder / f"restored-{method}.safetensors"


def last_restored(protocol: Protocol, out: Path) -> Tensor:
    """The restored slices that the run's denoiser was trained on last, [slice, readout, phase_encode] complex64.

    Raises
    ------
    InputError
        If the run holds none.
    """
    rounds = protocol.denoiser.rounds
    path = _stored(round_folder(protocol, out, rounds), protocol.denoiser.of_round(rounds).restored_by)
    images = kept_images(path, {})
    if images is None:
        raise InputError(
            f"{path}: missing; distillation.adversarial tells the generator's images from the restored slices that the "
            "denoiser learned from: train with --stage denoiser first, or set it to 0"
        )
    return images


def _restored(
    slices: UndersampledSlices, chosen: range, protocol: Protocol, prior: Prior | None, device: torch.device
) -> Tensor:
    """A batch of slices, restored."""
    operator, y, sigma = slices.measured(chosen, device)
    # Not the mean of the posterior: what is learned from them is the law of images.
    sampler = SAMPLERS["varied"].with_levels(protocol.denoiser.levels)
    method: Method = CLASSICAL[protocol.denoiser.restored_by] if prior is None else Posterior(prior, sampler, 1)
    images = method.run(operator, y, sigma, [(protocol.seed, "restore", i) for i in chosen])
    # An image that is learned whole ends where its maps end.
    return images if protocol.denoiser.patch else slices.corruption.project(images, operator)
