"""Where the generator begins: it learns to repeat, in one call, the samples that its teacher makes of the same noise.

A deterministic sampler maps noise to images; the map itself can be learned from pairs of the two (Luhman and Luhman
2021, arXiv 2101.02388; as a term of distillation Yin et al. 2023, arXiv 2311.18828). No image but the teacher's enters.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod, sqrt
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.errors import InputError
from rsd_mri.machine.device import images_at_once
from rsd_mri.machine.progress import Progress
from rsd_mri.operators import LinearOperator
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Monitor, shuffled_index
from rsd_mri.rsd.generating import GeneratorStage
from rsd_mri.rsd.generator import draw_further, generate, noise_for, sample_teacher
from rsd_mri.rsd.stages import TRAINING_CALLS, Finish
from rsd_mri.training.checkpoint import keep_images, kept_images
from rsd_mri.training.descent import ItemLosses, descend, ramps, set_learning_rate
from rsd_mri.training.ema import averaged_copy

CHUNK = 256
"""Samples a file."""
FALL = 0.6
"""Share of the training over which the learning rate falls to zero."""
WARMUP = 2_000
"""Images over which it rises."""


@dataclass(frozen=True)
class Pairs:
    """Samples of a teacher, whose noise is known by their numbers."""

    numbers: Sequence[int]
    """[pair]: see `pair_keys`."""
    images: Tensor
    """[pair, *corruption.image_shape] on the CPU."""


def pair_keys(seed: int, numbers: Sequence[int]) -> list[Key]:
    """Identity of pairs by number, by which their noise and their operators are drawn."""
    return [(seed, "pairs", number) for number in numbers]


def paired_in(protocol: Protocol, corruption: Corruption) -> None:
    """Refuse pairs where the generator's noise is not that of its teacher.

    Raises
    ------
    InputError
        If their images differ in shape (super-resolution).
    """
    if protocol.distillation.pairs and tuple(corruption.generator_shape) != tuple(corruption.image_shape):
        raise InputError(
            f"protocol '{protocol.name}': distillation.pairs: the teacher's images have another size than the "
            "generator's, so that they share no noise; set it to 0"
        )


@torch.no_grad()
def draw_pairs(
    teacher: Denoiser,
    corruption: Corruption,
    protocol: Protocol,
    folder: Path,
    made_by: str,
    progress: Progress,
    fabric: Fabric,
    seconds: float = 0.0,
) -> Pairs:
    """Sample the teacher, guided where it is; kept in the folder, a few at a time, so that a stopped call goes on.

    Parameters
    ----------
    teacher
        What is distilled.
    corruption
        What stands between its images and the generator's.
    protocol
        Its `distillation.pairs`, `distillation.pair_steps`, `distillation.sigma_min` and `sampler` are used.
    folder
        Where the samples are kept; all processes see it, and each draws its share.
    made_by
        What decides the samples beside the protocol; others in the folder are not used.
    progress
        Told the share done.
    fabric
        Launched.
    seconds
        Longest time; 0 for as long as it takes.

    Returns
    -------
    Pairs
        All, or fewer where time was short.
    """
    s, seed = protocol.distillation, protocol.seed
    # Below the lowest level that is distilled the teacher is not believed, and the calls are better spent above.
    lowest = max(protocol.sampler.sigma_min, s.sigma_min or 0.0)
    sampler = replace(protocol.sampler, solver="multistep", steps=s.pair_steps, sigma_min=lowest)
    identity = {"made_by": hashlib.sha256(f"{made_by} {sampler} {seed}".encode()).hexdigest()}
    size = images_at_once(fabric.device, prod(corruption.image_shape))
    began = time.monotonic()
    chunks: dict[int, Tensor] = {}
    firsts = range(0, s.pairs, CHUNK)
    for first in firsts[fabric.global_rank :: fabric.world_size]:
        stop = min(first + CHUNK, s.pairs)
        chunk = kept_images(_file(folder, first), identity)
        if chunk is None or len(chunk) < stop - first:
            made = [
                sample_teacher(teacher, corruption, pair_keys(seed, range(i, min(i + size, stop))), sampler).cpu()
                for i in range(first, stop, size)
            ]
            chunk = torch.cat(made)
            folder.mkdir(parents=True, exist_ok=True)
            keep_images(_file(folder, first), chunk, "pairs", identity)
        chunks[first] = chunk[: stop - first]
        progress(stop / s.pairs)
        if seconds and time.monotonic() - began > seconds:
            break
    fabric.barrier()
    for first in firsts:
        if first not in chunks and (chunk := kept_images(_file(folder, first), identity)) is not None:
            chunks[first] = chunk[: s.pairs - first]
    numbers = [first + i for first in sorted(chunks) for i in range(len(chunks[first]))]
    return Pairs(numbers, torch.cat([chunks[first] for first in sorted(chunks)]))


def _file(folder: Path, first: int) -> Path:
    return folder / f"pairs-{first:07d}.safetensors"


@dataclass(frozen=True)
class Draw:
    """What a step needs of a part of a batch."""

    further: LinearOperator
    """What generator and teacher are told."""
    noise: Tensor
    """Of both, standard normal."""
    images: Tensor
    """What the teacher made of it."""
    keys: list[Key]


class PairsStage(GeneratorStage):
    """The generator learns to repeat its teacher's samples.

    Parameters
    ----------
    teacher
        Whose weights it begins with.
    pairs
        Its samples.
    corruption
        What stands between its images and the generator's.
    protocol
        Its `distillation` and `monitor` are used.
    fabric
        Launched.
    finish
        Writes the result.
    monitor
        Judges the averaged generator's images.
    """

    name = "start"

    def __init__(
        self,
        teacher: Denoiser,
        pairs: Pairs,
        corruption: Corruption,
        protocol: Protocol,
        fabric: Fabric,
        finish: Finish,
        monitor: Monitor | None = None,
    ) -> None:
        teacher = teacher.to(fabric.device)
        super().__init__(teacher, corruption, protocol, finish, monitor, TRAINING_CALLS)
        self._pairs = pairs
        self.cooldown = int(FALL * self.settings.pair_images)
        student = averaged_copy(teacher).requires_grad_(True)
        optimizer = torch.optim.Adam(student.parameters(), lr=self.settings.learning_rate_fake)
        module, optimizer = fabric.setup(student, optimizer)
        self._student: Denoiser = module
        self.modules: dict[str, nn.Module] = {"generator": module}
        self.optimizers = {"generator": optimizer}

    def draw(self, positions: Sequence[int]) -> Draw:
        """Pairs of noise and image."""
        seed = self.protocol.seed
        chosen = [shuffled_index(p, len(self._pairs.numbers), seed) for p in positions]
        keys = pair_keys(seed, [self._pairs.numbers[i] for i in chosen])
        further = draw_further(self.corruption, keys)
        return Draw(further, noise_for(self.corruption, keys), self._pairs.images[torch.as_tensor(chosen)], keys)

    def step(self, fabric: Fabric, parts: Sequence[Draw], images: int) -> Mapping[str, ItemLosses]:
        """One update on the distance of the generator's images to its teacher's of the same noise."""
        s, optimizer = self.settings, self.optimizers["generator"]
        rate = ramps(images, s.pair_images, WARMUP, self.cooldown)
        set_learning_rate(optimizer, s.learning_rate_fake * rate)
        self._student.train()

        def losses(part: Draw) -> ItemLosses:
            further, noise = part.further.to(fabric.device), part.noise.to(fabric.device)
            made = self.corruption.to_teacher(generate(self._student, self.corruption, further, noise, s.sigma_init))
            level = torch.full((len(made),), s.sigma_init)
            return ItemLosses(image_distance(made, part.images.to(fabric.device)), level, part.keys)

        where = f"start of the generator after {images} images"
        return {"start loss": descend(fabric, self._student, optimizer, parts, losses, s.grad_clip, where)}


def image_distance(images: Tensor, others: Tensor) -> Tensor:
    """Pseudo-Huber distance of whole images, [batch]: of each alike, however far it is still off.

    Song and Dhariwal 2023 (arXiv 2310.14189), with their constant of 0.00054 times the root of the number of values.

    Parameters
    ----------
    images, others
        [batch, *image], real or complex.
    """
    difference = images - others
    values = difference[0].numel() * (2 if difference.is_complex() else 1)
    c = 0.00054 * sqrt(values)
    return (difference.abs().square().flatten(1).sum(1) + c**2).sqrt() - c
