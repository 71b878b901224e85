"""The reconstructor of a prior: training scans restored by it, then an unrolled network that learns from them."""

from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.experiment.restoring import restore
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import load_prior
from rsd_mri.protocol import Protocol
from rsd_mri.reconstruction.unrolled.train import train_reconstructor
from rsd_mri.reconstruction.unrolled.weights import FILE
from rsd_mri.results.figures import write_contact_sheet
from rsd_mri.rsd.train import Trained
from rsd_mri.training.fabric import TrainOptions

RESTORED = "restored"
"""Folder of a run with what its reconstructor learns from."""


def reconstructor_run(
    slices: UndersampledSlices,
    protocol: Protocol,
    out: Path,
    options: TrainOptions,
    progress: Progress,
    card: Card,
    fabric: Fabric,
) -> Trained:
    """Restore the training slices by the posterior of a denoiser, one sample each, and learn from them.

    Parameters
    ----------
    slices
        Undersampled training scans, whole.
    protocol, out, options, progress, fabric
        As for `train_run`. `options.start` names the denoiser, or an earlier reconstructor beside one, whose weights
        are then gone on from; without it the denoiser is the run's.
    card
        What is known of the scans.

    Raises
    ------
    InputError
        If there is no denoiser of whole images.
    """
    source = options.start or out
    prior = load_prior(source.parent if source.name == FILE else source, "denoiser")
    if prior.kind != "denoiser" or not prior.protocol.denoiser.patch:
        raise InputError(f"{prior.path}: a reconstructor begins as a denoiser of patches; this one keeps the framing")
    recipe = replace(protocol, denoiser=replace(protocol.denoiser, restored_by="posterior"))
    folder = out / RESTORED
    folder.mkdir(parents=True, exist_ok=True)
    tell = progress.step("restoring")
    # The first restores and stores; the others then read what it stored.
    if fabric.is_global_zero:
        restore(slices, recipe, folder, tell, prior.path, fabric.device)
    fabric.barrier()
    images: torch.Tensor = restore(slices, recipe, folder, tell, prior.path, fabric.device)
    prior.to(torch.device("cpu"))
    said = replace(card, restored_by="posterior")
    seen = train_reconstructor(images, prior, protocol, out, options, progress, said, write_contact_sheet, fabric)
    return Trained({"reconstructor": seen}, [str(out / FILE)], fabric.is_global_zero)
