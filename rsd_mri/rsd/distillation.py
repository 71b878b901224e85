"""Phase two as the training loop runs it: the fake score and the one-step generator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.corruption import Corruption, Key, Measurements
from rsd_mri.diffusion.autoguidance import Autoguided
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.diffusion.noise_levels import LOWEST, distillation_levels, log_normal
from rsd_mri.machine.randomness import normal_items, uniform_items
from rsd_mri.networks import UNet
from rsd_mri.operators import LinearOperator
from rsd_mri.protocol import DistillationSettings, Protocol
from rsd_mri.rsd.adversarial import Critic, passing_loss, telling_loss
from rsd_mri.rsd.data import Data, Monitor, shuffled_index, training_items
from rsd_mri.rsd.generating import GeneratorStage
from rsd_mri.rsd.generator import draw_further, generate, noise_for
from rsd_mri.rsd.objectives import (
    compare,
    dmd_loss,
    estimate_loss,
    noisy_adjoint,
    restoration_loss,
    sds_loss,
    sid_loss,
)
from rsd_mri.rsd.stages import Finish
from rsd_mri.training.checkpoint import load_weights
from rsd_mri.training.descent import ItemLosses, descend, ramps, set_learning_rate
from rsd_mri.training.ema import averaged_copy

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
    measured: Measurements | None = None
    """What the generator's images are told apart from."""


@dataclass(frozen=True)
class Beginning:
    """What an earlier distillation left."""

    generator: Denoiser
    judges: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    """Weights of `fake`, which knows the generator's images, and of `critic`, where they were kept."""


def guided_teacher(teacher: Denoiser, guide: Denoiser | None, settings: DistillationSettings) -> Denoiser:
    """The teacher as it is distilled: guided by the other, where there is one."""
    if guide is None:
        return teacher
    return Autoguided(teacher, guide, settings.autoguidance, settings.autoguidance_below)


class DistillationStage(GeneratorStage):
    """Phase two: fake score and one-step generator, alternately.

    No measured data enters but maps and masks; with the adversarial term measurements do, never a clean image.

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
        Judges the averaged generator's images; what it holds out is not trained on.
    compiled
        Compile the networks.
    measured
        What the teacher learned from: the adversarial term needs it.
    start
        What the generator, and what judges it, begin as; the teacher without it.
    guide
        A worse teacher, which guides the other where the generator's images are judged.
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
        measured: Data | None = None,
        start: Beginning | None = None,
        guide: Denoiser | None = None,
    ) -> None:
        teacher = teacher.to(fabric.device)
        begun = teacher if start is None else start.generator.to(fabric.device)
        super().__init__(begun, corruption, protocol, finish, monitor, TRAINING_CALLS)
        self.teacher = averaged_copy(guided_teacher(teacher, guide, protocol.distillation).to(fabric.device))
        judges = {} if start is None else start.judges
        fake, student = averaged_copy(teacher).requires_grad_(True), averaged_copy(begun).requires_grad_(True)
        if "fake" in judges:
            load_weights(fake, judges["fake"], "the earlier fake score")
        if compiled:
            for denoiser in (self.teacher, fake, student):
                for network in (one for one in denoiser.modules() if isinstance(one, UNet)):
                    network.compile()
        s = self.settings
        self.cooldown = s.cooldown
        self._measured, self._critic = measured, None
        learned = list(fake.parameters())
        if s.adversarial:
            if measured is None:
                raise ValueError("the adversarial term needs the measurements")
            critic = Critic(fake.network).to(fabric.device)
            if "critic" in judges:
                load_weights(critic, judges["critic"], "the earlier critic")
            learned += critic.parameters()
            self._critic = fabric.setup_module(critic)
            self._items = training_items(measured, monitor)
        fake_optimizer = torch.optim.Adam(learned, lr=s.learning_rate_fake, betas=(0.0, 0.999))
        optimizer = torch.optim.Adam(
            student.parameters(), lr=s.learning_rate_generator, betas=(s.beta1_generator, 0.999)
        )
        self._fake = fake
        fake_module, fake_optimizer = fabric.setup(fake, fake_optimizer)
        fake_module.mark_forward_method("with_deepest")
        student_module, optimizer = fabric.setup(student, optimizer)
        # Fabric's wrappers, which answer as the denoisers do.
        self._fake_module: Denoiser = fake_module
        self._student: Denoiser = student_module
        self.modules: dict[str, nn.Module] = {"fake": fake_module, "generator": student_module}
        if self._critic is not None:
            self.modules["critic"] = self._critic
        self.optimizers = {"fake": fake_optimizer, "generator": optimizer}

    def draw(self, positions: Sequence[int]) -> dict[str, Draw]:
        """Operators and noise of both updates."""
        seed = self.protocol.seed
        fake, generator = (self._draw([(seed, name, p) for p in positions]) for name in ("fake", "generator"))
        if self._critic is not None and self._measured is not None:
            items = [self._items[shuffled_index(p, len(self._items), seed)] for p in positions]
            fake = replace(fake, measured=self._measured.batch(items))
        return {"fake": fake, "generator": generator}

    def _draw(self, keys: list[Key]) -> Draw:
        corruption = self.corruption
        diffusion = normal_items(corruption.image_shape, [(*k, "diffusion") for k in keys], corruption.dtype)
        further = draw_further(corruption, [(*k, "input") for k in keys])
        return Draw(further, noise_for(corruption, keys), diffusion, keys)

    def step(self, fabric: Fabric, parts: Sequence[dict[str, Draw]], images: int) -> Mapping[str, ItemLosses]:
        """One update of the fake score on the generator's images, then one of the generator."""
        s, losses = self.settings, {}
        share = ramps(images, s.images, cooldown=self.cooldown)
        set_learning_rate(self.optimizers["fake"], s.learning_rate_fake * share)
        share = ramps(images, s.images, s.warmup, self.cooldown)
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
            data = data.to(fabric.device)
            if part.measured is None or self._critic is None:
                loss = restoration_loss(module, corruption, data, hidden, t, noise, s.fake_mask)
            else:
                others = [(*k, "measured") for k in keys]
                loss = self._telling(self._critic, data, hidden, t, noise, part.measured.to(fabric.device), others)
            return ItemLosses(loss, t, keys)

        return descend(fabric, module, optimizer, parts, losses, s.grad_clip, f"fake score after {images} images")

    def _telling(
        self,
        critic: nn.Module,
        data: Measurements,
        hidden: LinearOperator,
        t: Tensor,
        noise: Tensor,
        measured: Measurements,
        keys: Sequence[Key],
    ) -> Tensor:
        """The fake score's loss, and that of telling its images from measured ones at the same noise levels."""
        corruption, module = self.corruption, self._fake_module
        further = corruption.further(measured.operator, keys).to(t.device)
        levels = torch.maximum(t, measured.sigma)
        grain = normal_items(corruption.image_shape, [(*k, "diffusion") for k in keys], corruption.dtype).to(t.device)
        u, other = noisy_adjoint(data, hidden, t, noise), noisy_adjoint(measured, further, levels, grain)
        shown = torch.cat([corruption.preconditioner(hidden)(u), corruption.preconditioner(further)(other)])
        condition = corruption.condition(hidden).joined(corruption.condition(further))
        estimate, deepest = module.with_deepest(shown, torch.cat([t, levels]), condition, len(t))
        loss = estimate_loss(module, corruption, data, hidden, t, u, estimate, self.settings.fake_mask)
        logits = critic(deepest)
        return loss + telling_loss(logits[: len(t)], logits[len(t) :])

    def _generator_step(self, fabric: Fabric, parts: Sequence[Draw], images: int) -> ItemLosses:
        s, corruption = self.settings, self.corruption
        student, optimizer = self._student, self.optimizers["generator"]
        student.train()
        # The bare network, frozen: the generator's gradient passes through its input only.
        fake = self._fake.requires_grad_(False).eval()
        if self._critic is not None:
            self._critic.requires_grad_(False)

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
            pair = compare(self.teacher, fake, corruption, made, keys, t, noise, grain, bool(s.adversarial))
            if s.method == "sid":
                loss = sid_loss(pair, s.alpha, s.generator_mask)
            else:
                loss = dmd_loss(pair) if s.method == "dmd" else sds_loss(pair)
            if self._critic is not None and pair.deepest is not None:
                loss = loss + s.adversarial * passing_loss(self._critic(pair.deepest))
            return ItemLosses(loss, t, keys)

        found = descend(fabric, student, optimizer, parts, losses, 0.0, f"generator after {images} images")
        fake.requires_grad_(True)
        if self._critic is not None:
            self._critic.requires_grad_(True)
        return found
