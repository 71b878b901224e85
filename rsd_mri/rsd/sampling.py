"""Generate images from a run and write them down."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from torch import Tensor

from rsd_mri.about import __version__
from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.diffusion.samplers import SOLVERS
from rsd_mri.errors import InputError
from rsd_mri.files import require_target
from rsd_mri.files.hdf5 import written_hdf5
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.guided import guided_by
from rsd_mri.priors.prior import Prior, load_corruption, load_prior
from rsd_mri.protocol.settings import Solver
from rsd_mri.rsd.generator import sample_generator, sample_teacher

if TYPE_CHECKING:
    from rsd_mri.training.loop import Picture


@dataclass(frozen=True)
class Generated:
    """Generated images that were written."""

    out: str
    sheet: str
    """Contact sheet beside them."""
    images: int
    seconds_per_image: float
    network: str
    network_calls: int
    """Per image, the guide's too."""
    seed: int


def sample_prior(prior: Prior, corruption: Corruption, keys: list[Key], truncate: float = 0.0) -> Tensor:
    """One image per key: one call of a generator, or the sampler of its protocol with a teacher.

    Parameters
    ----------
    prior
        Generator, teacher or denoiser.
    corruption
        What its networks see images through.
    keys
        One an image.
    truncate
        Noise level at which a teacher's trajectory stops.

    Returns
    -------
    Tensor
        [item, readout, phase_encode] complex, prepared units, or pictures [item, channel, y, x].
    """
    if prior.in_one_call:
        return sample_generator(prior.denoiser, corruption, keys, prior.protocol.distillation.sigma_init)
    return sample_teacher(prior.denoiser, corruption, keys, prior.protocol.sampler, truncate)


def sampled_by(prior: Prior, solver: str | None, steps: int | None, truncate: float = 0.0) -> Prior:
    """The prior whose images are sampled in another way than its protocol says.

    Parameters
    ----------
    prior
        Teacher, or denoiser of whole images.
    solver, steps
        Of `SamplerSettings`; the protocol's where None.
    truncate
        Noise level at which its trajectory is to stop.

    Raises
    ------
    InputError
        If there is no such solver, or the prior makes images in one call.
    """
    if prior.in_one_call and (truncate or solver is not None or steps is not None):
        raise InputError(
            f"{prior.path}: makes an image in one call, so that it has no solver, no steps and no noise level at which "
            "to stop; take the teacher (--with teacher)"
        )
    if solver is None and steps is None:
        return prior
    settings = prior.protocol.sampler
    if solver is not None:
        if solver not in SOLVERS:
            raise InputError(f"solver {solver}: expected one of {', '.join(SOLVERS)}")
        settings = replace(settings, solver=cast(Solver, solver))
    if steps is not None:
        if steps < 1:
            raise InputError(f"steps {steps}: expected at least 1")
        settings = replace(settings, steps=steps)
    return replace(prior, protocol=replace(prior.protocol, sampler=settings))


def network_of(run: Path, network: str) -> Prior:
    """The generator of a run, or what it was distilled from: its teacher, or its denoiser of whole images.

    Raises
    ------
    InputError
        If the run lacks it.
    """
    found = run / "denoiser.safetensors"
    if network == "teacher" and found.is_file() and not (run / "teacher.safetensors").is_file():
        denoiser = load_prior(run, "denoiser")
        if denoiser.protocol.denoiser.patch:
            raise InputError(f"{found}: learned from patches of images, so it cannot make whole ones")
        return denoiser
    return load_prior(run, network)


def timed(
    sample: Callable[[list[Key]], Tensor],
    keys: list[Key],
    batch: int,
    device: torch.device,
    progress: Progress,
) -> tuple[np.ndarray, float]:
    """Sample in batches, after one to warm up.

    Parameters
    ----------
    sample
        Keys to images on `device`.
    keys
        One per image.
    batch
        Images at a time.
    device
        Waited for before the clock is read.
    progress
        Told the share done.

    Returns
    -------
    images
        [image, ...].
    seconds
        Per image: the median over the full batches, which what else runs on the machine disturbs least. Network and
        sampler only.
    """
    sample(keys[:batch])
    made, seconds = [], []
    for first in range(0, len(keys), batch):
        part = keys[first : first + batch]
        _wait(device)
        begun = time.perf_counter()
        images = sample(part)
        _wait(device)
        if len(part) == min(batch, len(keys)):
            seconds.append((time.perf_counter() - begun) / len(part))
        made.append(images.cpu().numpy())
        progress(min(1.0, (first + batch) / len(keys)))
    return np.concatenate(made), statistics.median(seconds)


def generate_file(
    run: Path,
    count: int,
    network: Literal["teacher", "generator"] | str,
    out: Path,
    batch: int,
    truncate: float,
    device: str,
    seed: int,
    progress: Progress,
    picture: "Picture",
    guide: Path | None = None,
    autoguidance: float = 1.0,
    solver: str | None = None,
    steps: int | None = None,
) -> Generated:
    """Write `count` images to an HDF5 file, and a contact sheet beside it.

    Images are keyed by (seed, number): the batch size does not change them. The time per image is that of `timed`.

    Parameters
    ----------
    run
        Run folder.
    count
        How many images.
    network
        `generator`, or `teacher`: what it was distilled from.
    out
        HDF5 file.
    batch
        Images at a time.
    truncate
        Noise level at which a teacher's trajectory stops.
    device, seed
        As everywhere.
    progress
        Told the share done.
    picture
        Writes the contact sheet.
    guide
        Run folder or weights of a worse teacher, which guides the teacher.
    autoguidance
        By which weight.
    solver, steps
        How the teacher is sampled; see `sampled_by`.

    Returns
    -------
    Generated
        Where they are, and what they cost.

    Raises
    ------
    InputError
        If the run lacks the network, or the guide does not fit it.
    """
    if not run.is_dir():
        raise InputError(f"{run}: expected a run folder written by 'rsd-mri train'")
    require_target(out)
    prior = sampled_by(network_of(run, network), solver, steps, truncate)
    if guide is not None:
        prior = guided_by(prior, guide, autoguidance)
    prior = prior.to(resolve_device(device))
    corruption = load_corruption(run, prior)
    keys: list[Key] = [(seed, "generate", i) for i in range(count)]
    images_all, seconds = timed(
        lambda part: sample_prior(prior, corruption, part, truncate),
        keys,
        batch,
        next(prior.denoiser.parameters()).device,
        progress,
    )
    if not np.isfinite(images_all).all():
        raise InputError(f"{prior.path}: the network gives infinite or undefined values; train it again")
    calls = 1 if network == "generator" else prior.protocol.sampler.calls * (1 if guide is None else 2)
    sheet = out.with_suffix(".png")
    with written_hdf5(out) as file:
        file.create_dataset("images", data=images_all, chunks=(1, *images_all.shape[1:]), fletcher32=True)
        file.attrs.update(
            method=network,
            prior=str(prior.path),
            prior_hash=prior.sha256,
            seed=seed,
            version=__version__,
            protocol=prior.protocol.to_yaml(),
            network_calls=calls,
            truncate=truncate,
            **({} if network == "generator" else {"solver": prior.protocol.sampler.solver}),
            **({} if guide is None else {"guide": str(guide), "autoguidance": autoguidance}),
            not_for_diagnostic_use=True,
        )
        # Both or neither: a picture that finds no room leaves no file without its picture.
        picture(sheet, corruption.picture(torch.from_numpy(images_all[:64])).numpy())
    return Generated(str(out), str(sheet), count, seconds, network, calls, seed)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
