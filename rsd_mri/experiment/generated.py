"""Sets of images that a run's networks make, and what its law makes of them: what comparisons start from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.diffusion.noise_levels import karras
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.guided import GUIDE, guided_by
from rsd_mri.priors.prior import Prior, data_corruption, load_corruption, load_prior
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Data
from rsd_mri.rsd.generator import sample_generator, sample_teacher
from rsd_mri.rsd.sampling import timed

TRUNCATED_AT = 0.2
"""Noise level at which the teacher's sampler is stopped where the data have no noise: that of the published scripts."""


@dataclass(frozen=True)
class GeneratedSets:
    """What teacher and student made of the same keys."""

    taught: dict[str, NDArray[Any]]
    """`teacher`, and `teacher, truncated` where the sampler passes the noise of the data; `teacher, guided` where it
    was distilled so; in the teacher's space."""
    student: NDArray[Any]
    corruption: Corruption
    """The law of the measurements."""
    keys: list[Key]
    truncated_at: float
    """Noise level at which the truncated samples end."""
    teacher_seconds: float
    student_seconds: float
    """Per image, network and sampler only."""

    def in_teacher_space(self) -> NDArray[Any]:
        """The student's images in the teacher's space."""
        return in_teacher_space(self.corruption, self.student)

    def corrupted_again(self) -> dict[str, NDArray[Any]]:
        """A^H y of every set, corrupted by operators and noise that no network was told of."""
        sets = {**self.taught, "student": self.in_teacher_space()}
        return {name: _observed(self.corruption, images, self.keys) for name, images in sets.items()}


def generate_sets(
    protocol: Protocol, run: Path, count: int, device: torch.device, progress: Progress, batch: int = 32
) -> GeneratedSets:
    """Generate with the networks of a run; the truncated samples come from the same trajectories as the full ones.

    Parameters
    ----------
    protocol
        Of the run.
    run
        Holds teacher and generator.
    count
        Images per set.
    device
        Where to compute.
    progress
        Told of each set.
    batch
        Images at a time.
    """
    teacher, student = (load_prior(run, kind).to(device) for kind in (protocol.distillation.teacher, "generator"))
    own, corruption = load_corruption(run, student), data_corruption(run, student)
    keys: list[Key] = [(protocol.seed, "compare", i) for i in range(count)]
    sigma = float(corruption.draw(keys[: min(count, 64)])[1].median()) or TRUNCATED_AT
    full, truncated, teacher_seconds = _sample_teacher(teacher, own, keys, sigma, batch, progress)
    made, seconds = timed(
        lambda part: sample_generator(student.denoiser, own, part, protocol.distillation.sigma_init),
        keys,
        batch,
        device,
        progress.step("student"),
    )
    taught = {"teacher": full} | ({} if truncated is None else {"teacher, truncated": truncated})
    s = protocol.distillation
    if s.autoguidance and (run / GUIDE).is_file():
        guided = guided_by(teacher, run / GUIDE, s.autoguidance, s.autoguidance_below).to(device)
        taught["teacher, guided"] = _sample_teacher(guided, own, keys, sigma, batch, progress)[0]
    return GeneratedSets(taught, made, corruption, keys, sigma, teacher_seconds, seconds)


def measured(data: Data, count: int) -> NDArray[Any]:
    """A^H y of the first measurements."""
    parts = []
    for first in range(0, min(count, len(data)), 64):
        batch = data.batch(range(first, min(first + 64, count, len(data))))
        parts.append(batch.operator.adjoint(batch.y).numpy())
    return np.concatenate(parts)


def enlarged(images: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Images brought to the size of the clean ones by cubic interpolation, where they are smaller."""
    if images.shape[-2:] == shape[-2:]:
        return images
    size = [int(n) for n in shape[-2:]]
    return interpolate(torch.from_numpy(images), size, mode="bicubic", align_corners=False).numpy()


def in_teacher_space(corruption: Corruption, images: NDArray[Any]) -> NDArray[Any]:
    """Images in the teacher's space."""
    return np.asarray(corruption.to_teacher(torch.from_numpy(images).to(corruption.dtype)).numpy())


def _observed(corruption: Corruption, images: NDArray[Any], keys: list[Key]) -> NDArray[Any]:
    """A^H y of images of the teacher's space, corrupted by operators and noise that no network was told of."""
    parts = []
    for first in range(0, len(images), 64):
        chosen = [(*k, "again") for k in keys[first : first + 64]]
        batch = corruption.observe(torch.from_numpy(images[first : first + 64]), chosen)
        parts.append(batch.operator.adjoint(batch.y).numpy())
    return np.concatenate(parts)


def _sample_teacher(
    teacher: Prior, corruption: Corruption, keys: list[Key], sigma: float, batch: int, progress: Progress
) -> tuple[NDArray[Any], NDArray[Any] | None, float]:
    settings = teacher.protocol.sampler
    levels = karras(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho).tolist()
    ends = [*levels[1:], 0.0]
    stop = next(i for i, end in enumerate(ends) if end < sigma or end == 0)
    stopped: list[Tensor] = []

    def keep(step: int, estimate: Tensor) -> None:
        if step == stop:
            stopped.append(estimate)

    def sample(part: list[Key]) -> Tensor:
        return sample_teacher(teacher.denoiser, corruption, part, settings, callback=keep)

    device = next(teacher.denoiser.parameters()).device
    full, seconds = timed(sample, keys, batch, device, progress.step("teacher"))
    # The first batch was sampled twice, to warm up.
    early = torch.cat(stopped[1:]).cpu().numpy() if stop + 1 < len(levels) else None
    return full, early, seconds
