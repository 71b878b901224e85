"""The step of expectation: every undersampled training slice restored with what is known."""

import math
import time
from pathlib import Path

import torch
from torch import Tensor

from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.prior import Prior, load_prior
from rsd_mri.protocol import Protocol
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.posterior_method import Posterior
from rsd_mri.rsd.guide import round_folder
from rsd_mri.training.checkpoint import load_tensors, save_tensors

PIXELS = {"cpu": 2**16, "cuda": 2**21}
"""Restored at a time on each kind of device. The restorations do not depend on it, up to rounding."""

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

    With `restored_by: posterior` under the denoiser of `start`, or of the run's round before.

    Returns
    -------
    Tensor
        [slice, readout, phase_encode] complex64, prepared units, on the CPU.
    """
    method = protocol.denoiser.restored_by
    path = _stored(folder, method)
    prior = load_prior(start, "denoiser") if method == "posterior" and start else None
    made_from = {"data": slices.identity, "prior": prior.sha256 if prior else ""}
    if (images := _kept(path, made_from)) is not None:
        return images
    if method == "posterior" and prior is None:
        prior = load_prior(folder, "denoiser")
    device = device or torch.device("cpu")
    if prior is not None:
        prior.to(device)
    size = max(PIXELS.get(device.type, PIXELS["cpu"]) // math.prod(slices.size), 1)
    checkpoint, saved = folder / "checkpoint" / path.name, time.monotonic()
    begun = _kept(checkpoint, made_from)
    done = [] if begun is None else [begun]
    for first in range(sum(map(len, done)), len(slices), size):
        chosen = range(first, min(first + size, len(slices)))
        done.append(_restored(slices, chosen, protocol, prior, device).cpu())
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            checkpoint.parent.mkdir(exist_ok=True)
            _keep(checkpoint, torch.cat(done), made_from)
            saved = time.monotonic()
        progress(chosen.stop / len(slices))
    _keep(path, torch.cat(done), made_from)
    checkpoint.unlink(missing_ok=True)
    return torch.cat(done)


def _keep(path: Path, images: Tensor, made_from: dict[str, str]) -> None:
    save_tensors(path, {"images": torch.view_as_real(images)}, {"kind": "restored", **made_from})


def _kept(path: Path, made_from: dict[str, str]) -> Tensor | None:
    """The restored slices of a file, if it is there and was made from the same."""
    if not path.is_file():
        return None
    tensors, metadata = load_tensors(path)
    same = all(metadata.get(name) == value for name, value in made_from.items())
    return torch.view_as_complex(tensors["images"]) if same else None


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
    if not path.is_file():
        raise InputError(
            f"{path}: missing; distillation.adversarial tells the generator's images from the restored slices that the "
            "denoiser learned from: train with --stage denoiser first, or set it to 0"
        )
    return torch.view_as_complex(load_tensors(path)[0]["images"])


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
