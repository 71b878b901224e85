"""Phase two as the training loop runs it: the fake score and the one-step generator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.diffusion.noise_levels import LOWEST, distillation_levels, log_normal
from rsd_mri.machine.randomness import normal_items, uniform_items
from rsd_mri.operators import LinearOperator
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Monitor
from rsd_mri.rsd.generator import draw_further, generate, noise_for, sample_generator
from rsd_mri.rsd.objectives import compare, dmd_loss, restoration_loss, sds_loss, sid_loss
from rsd_mri.rsd.stages import Finish
from rsd_mri.training.descent import ItemLosses, descend, ramps, set_learning_rate
from rsd_mri.training.ema import averaged_copy
from rsd_mri.training.stage import Stage

TRAINING_CALLS = 11
"""Network calls that a training image costs: 4 of the fake score's step, 7 of the generator's."""


@dataclass(frozen=True)
class Draw:
    """What one of the two updates needs of a part of a batch."""

    further: LinearOperator
    """What the generator is told."""
    noise: Tensor
    """The generator's input."""
    diffusion: Tensor
    """Standard normal, for the networks that judge its images."""
    keys: list[Key]


class DistillationStage(Stage):
    """Phase two: fake score and one-step generator, alternately. No measured data enters but maps and masks.

    Parameters
    ----------
    teacher
        From phase one.
    corruption
        The law of the data.
    protocol
        Its `distillation` and `monitor` are used.
    fabric
        Launched.
    finish
        Writes the result.
    monitor
        Judges the averaged generator's images.
    compiled
        Compile the networks.
    """

    name = "generator"

    def __init__(
        self,
        teacher: Denoiser,
        corruption: Corruption,
        protocol: Protocol,
        fabric: Fabric,
        finish: Finish,
        monitor: Monitor | None = None,
        compiled: bool = False,
    ) -> None:
        self.settings, self.protocol, self.corruption = protocol.distillation, protocol, corruption
        self.batch = protocol.distillation.batch
        self._finish = finish
        self._monitor = monitor
        if monitor is not None:
            self.judged_every = monitor.interval(1, TRAINING_CALLS)
        teacher = teacher.to(fabric.device)
        self.teacher = averaged_copy(teacher)
        fake, student = averaged_copy(teacher).requires_grad_(True), averaged_copy(teacher).requires_grad_(True)
        self._average = averaged_copy(student)
        self.averages: dict[str, nn.Module] = {"generator": self._average}
        if compiled:
            for denoiser in (self.teacher, fake, student):
                denoiser.network.compile()
        s = self.settings
        fake_optimizer = torch.optim.Adam(fake.parameters(), lr=s.learning_rate_fake, betas=(0.0, 0.999))
        optimizer = torch.optim.Adam(
            student.parameters(), lr=s.learning_rate_generator, betas=(s.beta1_generator, 0.999)
        )
        self._fake = fake
        fake_module, fake_optimizer = fabric.setup(fake, fake_optimizer)
        student_module, optimizer = fabric.setup(student, optimizer)
        # Fabric's wrappers, which answer as the denoisers do.
        self._fake_module: Denoiser = fake_module
        self._student: Denoiser = student_module
        self.modules: dict[str, nn.Module] = {"fake": fake_module, "generator": student_module}
        self.optimizers = {"fake": fake_optimizer, "generator": optimizer}

    def draw(self, positions: Sequence[int]) -> dict[str, Draw]:
        """Operators and noise of both updates."""
        return {name: self._draw([(self.protocol.seed, name, p) for p in positions]) for name in ("fake", "generator")}

    def _draw(self, keys: list[Key]) -> Draw:
        corruption = self.corruption
        diffusion = normal_items(corruption.image_shape, [(*k, "diffusion") for k in keys], corruption.dtype)
        further = draw_further(corruption, [(*k, "input") for k in keys])
        return Draw(further, noise_for(corruption, keys), diffusion, keys)

    def step(self, fabric: Fabric, parts: Sequence[dict[str, Draw]], images: int) -> Mapping[str, ItemLosses]:
        """One update of the fake score on the generator's images, then one of the generator."""
        s, losses = self.settings, {}
        share = ramps(images, s.images, cooldown=s.cooldown)
        set_learning_rate(self.optimizers["fake"], s.learning_rate_fake * share)
        set_learning_rate(self.optimizers["generator"], s.learning_rate_generator * share)
        if s.method != "sds":
            losses["fake loss"] = self._fake_step(fabric, [part["fake"] for part in parts], images)
        losses["generator loss"] = self._generator_step(fabric, [part["generator"] for part in parts], images)
        return losses

    def _generate(self, fabric: Fabric, part: Draw) -> Tensor:
        further, noise = part.further.to(fabric.device), part.noise.to(fabric.device)
        return generate(self._student, self.corruption, further, noise, self.settings.sigma_init)

    def _fake_step(self, fabric: Fabric, parts: Sequence[Draw], images: int) -> ItemLosses:
        s, levels, corruption = self.settings, self.protocol.teacher, self.corruption
        module, optimizer = self._fake_module, self.optimizers["fake"]
        module.train()
        self._student.eval()

        def losses(part: Draw) -> ItemLosses:
            keys = part.keys
            with torch.no_grad():
                # Every adjoint masks, so noise outside the mask is never seen.
                data = corruption.measure(self._generate(fabric, part), keys)
            uniform = uniform_items([(*k, "level") for k in keys])
            t = log_normal(uniform, levels.log_mean, levels.log_std, data.sigma.cpu(), levels.noise_law == "clamped")
            hidden = corruption.further(data.operator, keys).to(fabric.device)
            t, noise = t.to(fabric.device), part.diffusion.to(fabric.device)
            loss = restoration_loss(module, corruption, data.to(fabric.device), hidden, t, noise, s.fake_mask)
            return ItemLosses(loss, t, keys)

        return descend(fabric, module, optimizer, parts, losses, s.grad_clip, f"fake score after {images} images")

    def _generator_step(self, fabric: Fabric, parts: Sequence[Draw], images: int) -> ItemLosses:
        s, corruption = self.settings, self.corruption
        student, optimizer = self._student, self.optimizers["generator"]
        student.train()
        # The bare network, frozen: the generator's gradient passes through its input only.
        fake = self._fake.requires_grad_(False).eval()

        def losses(part: Draw) -> ItemLosses:
            keys = part.keys
            made = self._generate(fabric, part)
            uniform = uniform_items([(*k, "level") for k in keys])
            t = distillation_levels(uniform, s.t_max, s.sigma_min or LOWEST).to(fabric.device)
            grain = None
            if s.student_noise == "matched":
                grain = normal_items(corruption.image_shape, [(*k, "grain") for k in keys], corruption.dtype)
                grain = grain.to(fabric.device)
            noise = part.diffusion.to(fabric.device)
            pair = compare(self.teacher, fake, corruption, made, keys, t, noise, grain)
            if s.method == "sid":
                loss = sid_loss(pair, s.alpha, s.generator_mask)
            else:
                loss = dmd_loss(pair) if s.method == "dmd" else sds_loss(pair)
            return ItemLosses(loss, t, keys)

        found = descend(fabric, student, optimizer, parts, losses, 0.0, f"generator after {images} images")
        fake.requires_grad_(True)
        return found

    def preview(self, count: int) -> Tensor:
        """Images of the averaged generator."""
        return self.corruption.picture(self._sample([(self.protocol.seed, "preview", i) for i in range(count)]))

    def judge(self, fabric: Fabric) -> float:
        """The Proximal distance of the averaged generator's images."""
        if self._monitor is None:
            return super().judge(fabric)
        return self._monitor(fabric, lambda keys: self.corruption.to_teacher(self._sample(keys)))

    def _sample(self, keys: Sequence[Key]) -> Tensor:
        return sample_generator(self._average, self.corruption, keys, self.settings.sigma_init)

    def finish(self, found: Mapping[str, float]) -> None:
        """Hand over the averaged generator."""
        facts = self._monitor.facts if self._monitor is not None else {}
        self._finish(self._average, {**facts, **found})
