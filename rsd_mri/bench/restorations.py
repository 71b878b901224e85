"""How well single pictures are restored: held-out ones, degraded here, beside a method that needs no training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rsd_mri.bench.cards import RestoredCard, RestoredRow
from rsd_mri.bench.comparison import held_out_images
from rsd_mri.corruption.build import corruption_from
from rsd_mri.corruption.corruption import Key
from rsd_mri.corruption.kernels import gaussian_kernel
from rsd_mri.experiment.runs import train_run
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.priors.prior import Prior, load_prior
from rsd_mri.protocol import (
    GaussianBlurSettings,
    NoiseSettings,
    RandomInpaintingSettings,
    SuperResolutionSettings,
    load_protocol,
)
from rsd_mri.protocol.corruptions import OfImages
from rsd_mri.reconstruction.one_picture import restore
from rsd_mri.reconstruction.picture_samplers import PICTURE_SAMPLERS
from rsd_mri.reconstruction.pictures import quality
from rsd_mri.training.fabric import TrainOptions

Picture: TypeAlias = NDArray[np.float32]
"""[channel, y, x] in [-1, 1]."""
WIENER = 0.1
"""Weight of roughness in the Wiener filter: the best of 0.01 to 0.4 for the task below, on 60 patches of training."""
Shown: TypeAlias = NDArray[np.float64]
"""[y, x, channel] from 0 to 1."""
SAMPLES = 8
"""Posterior samples of a picture."""
PROTOCOL = "pictures"
"""What the prior is trained by where none is given."""


Plain: TypeAlias = "Callable[[Picture, Task, NDArray[np.bool_] | None], Shown]"
"""A plain way to undo a task's corruption, told which pixels are seen."""


@dataclass(frozen=True)
class Task:
    """One way to degrade a picture, and the plain way to undo it."""

    name: str
    corruption: OfImages
    baseline: str
    """Name of the plain way."""
    plain: Plain
    hidden: float = 0.0
    """Inpainting: share of the pixels that are hidden."""


def _denoised(y: Picture, task: Task, seen: NDArray[np.bool_] | None) -> Shown:  # noqa: ARG001
    return _smoothed(_shown(y), task.corruption.sigma / 2)


def _filled(y: Picture, task: Task, seen: NDArray[np.bool_] | None) -> Shown:
    from skimage.restoration import inpaint_biharmonic

    return _smoothed(inpaint_biharmonic(_shown(y), ~np.asarray(seen), channel_axis=-1), task.corruption.sigma / 2)


def _sharpened(y: Picture, task: Task, seen: NDArray[np.bool_] | None) -> Shown:  # noqa: ARG001
    from skimage.restoration import wiener

    kernel = gaussian_kernel(BLUR.kernel_size, BLUR.kernel_std).numpy().astype(np.float64)
    margin = kernel.shape[0]
    # The Fourier transform takes the picture for periodic: mirrored margins keep its edges from ringing.
    wide = np.pad(_shown(y), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    planes = [wiener(wide[..., c], kernel, WIENER, clip=False) for c in range(wide.shape[-1])]
    return np.stack(planes, -1)[margin:-margin, margin:-margin]


def _larger(y: Picture, task: Task, seen: NDArray[np.bool_] | None) -> Shown:  # noqa: ARG001
    _, height, _ = task.corruption.image_shape((1, y.shape[1], y.shape[2]))
    return _smoothed(_shown(enlarged(y, height // y.shape[1])), task.corruption.sigma / 2)


BLUR = GaussianBlurSettings(sigma=0.02)
TASKS = (
    Task("denoise, sigma 0.2", NoiseSettings(sigma=0.2), "total variation", _denoised),
    Task("inpaint, p = 0.6", RandomInpaintingSettings(), "biharmonic", _filled, 0.6),
    Task("inpaint, p = 0.8, sigma 0.2", RandomInpaintingSettings(sigma=0.2), "biharmonic, TV", _filled, 0.8),
    Task("deblur 9x9, std 2, sigma 0.02", BLUR, "Wiener", _sharpened),
    Task("enlarge x2", SuperResolutionSettings(), "cubic", _larger),
    Task("enlarge x2, sigma 0.2", SuperResolutionSettings(sigma=0.2), "cubic, TV", _larger),
)


def restore_held_out(
    prior: Prior,
    clean: NDArray[np.float32],
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[RestoredRow]:
    """Degrade clean pictures, restore them, and compare.

    Parameters
    ----------
    prior
        Teacher of a run on noise or inpainting.
    clean
        [picture, channel, y, x] in [-1, 1], none of which the prior has seen.
    seed
        Of degradations and samples.
    progress
        Told the share done.
    """
    rows = []
    for task, part in progress.each(TASKS, lambda task: task.name):
        found: list[Mapping[str, float]] = []
        for (i, picture), _ in part.each(list(enumerate(clean))):
            y, seen = degraded(task, torch.from_numpy(picture), seed, i)
            device = next(prior.denoiser.parameters()).device
            keys: list[Key] = [(seed, "restore", task.name, i, k) for k in range(SAMPLES)]
            made = restore(
                prior,
                y.to(device),
                task.corruption,
                seen,
                keys,
                PICTURE_SAMPLERS["diffpir"],
            )
            plain = plainly_restored(task, y.numpy(), None if seen is None else seen.numpy())
            given = enlarged(y.numpy(), picture.shape[-1] // y.shape[-1])
            found.append(
                {
                    **quality(picture, given, "_given"),
                    **quality(picture, plain, "_baseline"),
                    **quality(picture, made.mean(0).cpu().numpy(), ""),
                }
            )
        means = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
        gains = [one["psnr"] - one["psnr_baseline"] for one in found]
        interval = 1.96 * float(np.std(gains, ddof=1)) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        rows.append(RestoredRow(task.name, len(clean), SAMPLES, baseline=task.baseline, interval=interval, **means))
    return rows


def degraded(task: Task, picture: Tensor, seed: int, number: int) -> tuple[Tensor, Tensor | None]:
    """The degraded picture, and which of its pixels are seen where some are hidden."""
    channels, height, width = picture.shape
    sigma = task.corruption.sigma
    if task.hidden:
        seen = torch.rand((height, width), generator=generator(seed, "hidden", number)) >= task.hidden
        noisy = picture + sigma * normal(picture.shape, generator(seed, "noise", number), torch.float32)
        return torch.where(seen, noisy, -torch.ones(())), seen
    operator, _ = corruption_from(task.corruption, (channels, height, width)).of_picture(picture)
    y = operator.forward(picture[None])[0]
    return y + sigma * normal(y.shape, generator(seed, "noise", number), torch.float32), None


def plainly_restored(task: Task, y: Picture, seen: NDArray[np.bool_] | None) -> Picture:
    """What scikit-image makes of the degraded picture, told what `restore` is told."""
    return np.moveaxis(2 * task.plain(y, task, seen) - 1, -1, 0).astype(np.float32)


def _shown(y: Picture) -> Shown:
    return (np.moveaxis(y, 0, -1).astype(np.float64) + 1) / 2


def _smoothed(shown: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Total variation, with the weight whose residual is closest to the noise (the discrepancy principle)."""
    from skimage.restoration import denoise_tv_chambolle

    if not sigma:
        return shown
    tried = [denoise_tv_chambolle(shown, weight * sigma, channel_axis=-1) for weight in (0.5, 1, 1.5, 2, 3)]
    return np.asarray(min(tried, key=lambda x: abs(float(np.std(shown - x)) - 0.95 * sigma)))


def enlarged(picture: Picture, factor: int) -> Picture:
    """Enlarge [channel, y, x] by cubic interpolation."""
    if factor == 1:
        return picture
    size = (picture.shape[2] * factor, picture.shape[1] * factor)
    planes = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in picture]
    return np.stack(planes).astype(np.float32)


def run_picture_bench(
    out: Path, prior: Path | None, count: int, device: str, fresh: bool, seed: int, progress: Progress
) -> RestoredCard:
    """Restore held-out patches of photographs under a prior, which is trained where none is given.

    Parameters
    ----------
    out
        The run folder.
    prior
        A run on noise or inpainting.
    count
        Pictures.
    device, fresh
        As `train` takes them.
    seed
        Of the degradations and the samples.
    progress
        Told of each step.
    """
    if prior is None:
        train_run(load_protocol(PROTOCOL), out, None, TrainOptions("teacher", fresh, device), progress)
    loaded = load_prior(prior or out, "teacher").to(resolve_device(device))
    clean = held_out_images(loaded.protocol, out, count, SILENT)
    rows = restore_held_out(loaded, clean, seed=seed, progress=progress.step("restoring"))
    return RestoredCard(loaded.protocol.name, tuple(rows), loaded.sha256, seed)
