"""How well single pictures are restored: held-out ones, degraded here, beside a method that needs no training."""

from collections.abc import Mapping, Sequence
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
from rsd_mri.corruption.corruption import Key
from rsd_mri.corruption.kernels import gaussian_kernel
from rsd_mri.experiment.runs import train_run
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.priors.prior import Prior, load_prior
from rsd_mri.protocol import load_protocol
from rsd_mri.randomness import generator, normal
from rsd_mri.reconstruction.pictures.degradations import Degradation, restore
from rsd_mri.reconstruction.pictures.restoration import quality
from rsd_mri.reconstruction.pictures.samplers import PICTURE_SAMPLERS
from rsd_mri.reconstruction.posterior.samplers import Sampler
from rsd_mri.training.fabric import TrainOptions

Picture: TypeAlias = NDArray[np.float32]
"""[channel, y, x] in [-1, 1]."""
WIENER = 0.1
"""Weight of roughness in the Wiener filter: the best of 0.01 to 0.4 for the task below, on 60 patches of training."""
PROTOCOL = "pictures"
"""What the prior is trained by where none is given."""


@dataclass(frozen=True)
class Task:
    """One way to degrade a picture, and the plain way to undo it."""

    name: str
    degradation: Degradation
    hidden: float = 0.0
    """Inpainting: share of the pixels that are hidden."""
    baseline: str = ""


TASKS = (
    Task("denoise, sigma 0.2", Degradation("noise", 0.2), baseline="total variation"),
    Task("inpaint, p = 0.6", Degradation("inpainting"), 0.6, "biharmonic"),
    Task("inpaint, p = 0.8, sigma 0.2", Degradation("inpainting", 0.2), 0.8, "biharmonic, TV"),
    Task("deblur 9x9, std 2, sigma 0.02", Degradation("gaussian-blur", 0.02), baseline="Wiener"),
    Task("enlarge x2", Degradation("super-resolution"), baseline="cubic"),
    Task("enlarge x2, sigma 0.2", Degradation("super-resolution", 0.2), baseline="cubic, TV"),
)


def restore_held_out(
    prior: Prior,
    clean: NDArray[np.float32],
    tasks: Sequence[Task] = TASKS,
    samples: int = 8,
    seed: int = 0,
    sampler: Sampler | None = None,
    progress: Progress = SILENT,
) -> list[RestoredRow]:
    """Degrade clean pictures, restore them, and compare.

    Parameters
    ----------
    prior
        Teacher of a run on noise or inpainting.
    clean
        [picture, channel, y, x] in [-1, 1], none of which the prior has seen.
    tasks
        What to undo.
    samples
        Posterior samples per picture.
    seed
        Of degradations and samples.
    sampler
        With its levels; those of `rsd-mri restore` where None.
    progress
        Told the share done.
    """
    rows = []
    for task, part in progress.each(tasks, lambda task: task.name):
        found: list[Mapping[str, float]] = []
        for (i, picture), _ in part.each(list(enumerate(clean))):
            y, seen = degraded(task, torch.from_numpy(picture), seed, i)
            device = next(prior.denoiser.parameters()).device
            keys: list[Key] = [(seed, "restore", task.name, i, k) for k in range(samples)]
            made = restore(
                prior,
                y.to(device),
                task.degradation,
                seen,
                keys,
                sampler or PICTURE_SAMPLERS["diffpir"],
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
        spread = 1.96 * float(np.std(gains, ddof=1)) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        rows.append(RestoredRow(task.name, len(clean), samples, baseline=task.baseline, interval=spread, **means))
    return rows


def degraded(task: Task, picture: Tensor, seed: int, number: int) -> tuple[Tensor, Tensor | None]:
    """The degraded picture, and which of its pixels are seen where some are hidden."""
    size = picture.shape[-2:]
    d = task.degradation
    if task.hidden:
        seen = torch.rand(size, generator=generator(seed, "hidden", number)) >= task.hidden
        noisy = picture + d.sigma * normal(picture.shape, generator(seed, "noise", number), torch.float32)
        return torch.where(seen, noisy, -torch.ones(())), seen
    # The operator is made for the degraded picture, of which only the size is read.
    small = picture[:, : size[0] // d.factor, : size[1] // d.factor] if d.kind == "super-resolution" else picture
    operator, _ = d.operator(small, None)
    y = operator.forward(picture[None])[0]
    return y + d.sigma * normal(y.shape, generator(seed, "noise", number), torch.float32), None


def plainly_restored(task: Task, y: Picture, seen: NDArray[np.bool_] | None) -> Picture:
    """What scikit-image makes of the degraded picture, told what `restore` is told."""
    from skimage import restoration

    kind, sigma = task.degradation.kind, task.degradation.sigma
    shown = np.moveaxis((y + 1) / 2, 0, -1).astype(np.float64)
    if kind == "noise":
        best = _smoothed(shown, sigma / 2)
    elif kind == "inpainting" and seen is not None:
        best = restoration.inpaint_biharmonic(shown, ~seen, channel_axis=-1)
        best = _smoothed(best, sigma / 2) if sigma else best
    elif kind == "gaussian-blur":
        kernel = gaussian_kernel(task.degradation.kernel_size, task.degradation.kernel_std).numpy().astype(np.float64)
        margin = kernel.shape[0]
        # The Fourier transform takes the picture for periodic: mirrored margins keep its edges from ringing.
        wide = np.pad(shown, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
        planes = [restoration.wiener(wide[..., c], kernel, WIENER, clip=False) for c in range(wide.shape[-1])]
        best = np.stack(planes, -1)[margin:-margin, margin:-margin]
    else:
        best = (np.moveaxis(enlarged(y, task.degradation.factor), 0, -1).astype(np.float64) + 1) / 2
        best = _smoothed(best, sigma / 2) if sigma else best
    return np.moveaxis(2 * best - 1, -1, 0).astype(np.float32)


def _smoothed(shown: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Total variation, with the weight whose residual is closest to the noise (the discrepancy principle)."""
    from skimage.restoration import denoise_tv_chambolle

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
