"""The two stages of the method as the training loop runs them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol as Interface

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.corruption import Corruption, Key, Measurements
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.diffusion.noise_levels import distillation_levels, log_normal, log_normal_below
from rsd_mri.operators import LinearOperator, Sense
from rsd_mri.protocol import Protocol
from rsd_mri.randomness import generator, normal_items, uniform_items
from rsd_mri.rsd.consistency import DRAWS, consistency_loss
from rsd_mri.rsd.generator import draw_further, generate, noise_for, sample_generator, sample_teacher
from rsd_mri.rsd.objectives import check_finite, compare, dmd_loss, restoration_loss, sds_loss, seen_at, sid_loss
from rsd_mri.training.ema import averaged_copy
from rsd_mri.training.stage import Stage


class Data(Interface):
    """Measurements to train on."""

    @property
    def corruption(self) -> Corruption:
        """The law the measurements come from."""

    @property
    def identity(self) -> str:
        """Hash of the measurements; a checkpoint is continued on the same ones only."""

    def __len__(self) -> int: ...
    def batch(self, indices: Sequence[int]) -> Measurements:
        """Collate items."""


CONSISTENCY_STEPS = 3
"""Steps from the noise level of the data term down to the one that the consistency term trains."""

Finish = Callable[[nn.Module, dict[str, float]], None]
"""(averaged network, what was measured of it): writes the result."""


@torch.no_grad()
def hidden_error(teacher: Denoiser, data: Data, seed: int, items: int = 32) -> float:
    """Root mean square error of a teacher's images, from measurements alone.

    The teacher is given the further-corrupted data and judged on the data kept from it, whose noise is known
    and taken off; the error is taken to be as large in what nobody measured.

    Returns
    -------
    float
        In the unit of the images.
    """
    device = next(teacher.parameters()).device
    corruption = data.corruption
    errors = []
    for start in range(0, min(items, len(data)), 8):
        keys = [(seed, "hidden error", i) for i in range(start, min(start + 8, items, len(data)))]
        batch = data.batch([int(k[2]) for k in keys]).to(device)
        further = corruption.further(batch.operator, keys).to(device)
        t = batch.sigma.clamp_min(0.002)
        estimate = teacher(further.adjoint(batch.y), t, corruption.condition(further))
        difference = batch.operator.forward(estimate) - batch.y
        hidden = difference - further.forward(estimate) + _restrict(further, batch.y)
        count = (hidden != 0).flatten(1).sum(1).clamp_min(1)
        mean = hidden.abs().square().flatten(1).sum(1) / count - batch.sigma**2
        # Coils share the energy of one image: with unit-norm maps their errors add up to the image's.
        values = hidden.shape[1] if hidden.ndim == 4 and estimate.ndim == 3 else 1
        errors.append(mean.clamp_min(0) * values)
    return float(torch.cat(errors).mean().sqrt())


def _restrict(operator: LinearOperator, y: Tensor) -> Tensor:
    """The part of measurements that lies in an operator's sampled points."""
    return operator.sampling.forward(y) if isinstance(operator, Sense) else operator.forward(y)


def shuffled_index(position: int, count: int, seed: int) -> int:
    """Item at a running position, every epoch in another order; no state to store."""
    epoch, place = divmod(position, count)
    return int(_permutation(epoch, count, seed)[place])


_permutations: dict[tuple[int, int, int], Tensor] = {}


def _permutation(epoch: int, count: int, seed: int) -> Tensor:
    wanted = (epoch, count, seed)
    if wanted not in _permutations:
        if len(_permutations) > 4:
            _permutations.clear()
        _permutations[wanted] = torch.randperm(count, generator=generator(seed, "epoch", epoch))
    return _permutations[wanted]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float, images: int, warmup: int) -> None:
    """Linear ramp over the first `warmup` images."""
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, (images + 1) / warmup) if warmup else rate


def descend(
    fabric: Fabric, module: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, grad_clip: float
) -> None:
    """One step of the optimiser; `grad_clip` bounds the norm of the gradient, 0 leaves it."""
    optimizer.zero_grad()
    fabric.backward(loss)
    if grad_clip:
        nn.utils.clip_grad_norm_(module.parameters(), grad_clip)
    optimizer.step()


class TeacherStage(Stage):
    """Phase one: the corruption-aware diffusion teacher, from measurements only."""

    name = "teacher"

    def __init__(
        self, denoiser: Denoiser, data: Data, protocol: Protocol, fabric: Fabric, finish: Finish
    ) -> None:
        self.settings, self.protocol, self.data = protocol.teacher, protocol, data
        self.batch = protocol.teacher.batch
        self._finish = finish
        denoiser = denoiser.to(fabric.device)
        self.averages: dict[str, nn.Module] = {"teacher": averaged_copy(denoiser)}
        optimizer = torch.optim.Adam(denoiser.parameters(), lr=protocol.teacher.learning_rate)
        module, optimizer = fabric.setup(denoiser, optimizer)
        self.modules: dict[str, nn.Module] = {"teacher": module}
        self.optimizers = {"teacher": optimizer}

    def step(self, fabric: Fabric, positions: Sequence[int], images: int) -> dict[str, Tensor]:
        """One update on measured data."""
        seed, s = self.protocol.seed, self.settings
        keys = [(seed, "teacher", p) for p in positions]
        indices = [shuffled_index(p, len(self.data), seed) for p in positions]
        data = self.data.batch(indices)
        t = log_normal(
            uniform_items([(*k, "level") for k in keys]), s.log_mean, s.log_std, data.sigma, s.noise_law == "clamped"
        )
        corruption = self.data.corruption
        noise = normal_items(corruption.image_shape, [(*k, "noise") for k in keys], corruption.dtype)
        further = corruption.further(data.operator, keys).to(fabric.device)
        module, optimizer = self.modules["teacher"], self.optimizers["teacher"]
        module.train()
        set_learning_rate(optimizer, s.learning_rate, images, s.warmup)
        loss = restoration_loss(
            module, corruption, data.to(fabric.device), further, t.to(fabric.device), noise.to(fabric.device)
        )
        if s.consistency:
            u = seen_at(data.to(fabric.device), further, t.to(fabric.device), noise.to(fabric.device))
            loss = loss + s.consistency * self._consistency(module, u, further, t.to(fabric.device), keys)
        check_finite(loss, t, keys, self.name, images)
        descend(fabric, module, optimizer, loss.mean(), s.grad_clip)
        return {f"{self.name} loss": loss.mean()}

    def _consistency(
        self, module: nn.Module, u: Tensor, further: LinearOperator, t: Tensor, keys: Sequence[Key]
    ) -> Tensor:
        s, corruption = self.settings, self.data.corruption
        lowest = log_normal_below(
            uniform_items([(*k, "consistency") for k in keys]), s.log_mean, s.log_std, t.cpu()
        ).to(t.device)
        shares = torch.linspace(0, 1, CONSISTENCY_STEPS + 1, device=t.device)[1:, None]
        levels = t * (lowest / t) ** shares
        noise = torch.stack([
            torch.stack([
                normal_items(corruption.image_shape, [(*k, "consistency", step, draw) for k in keys], corruption.dtype)
                for draw in range(DRAWS)
            ])
            for step in range(CONSISTENCY_STEPS)
        ])
        return consistency_loss(module, corruption, u, further, t, levels, noise.to(t.device))

    def preview(self, count: int) -> Tensor:
        """Samples of the averaged teacher."""
        teacher = self.averages["teacher"]
        keys: list[Key] = [(self.protocol.seed, "preview", i) for i in range(count)]
        corruption = self.data.corruption
        coarse = replace(self.protocol.sampler, steps=min(self.protocol.sampler.steps, 8))
        return corruption.picture(sample_teacher(teacher, corruption, keys, coarse))

    def finish(self) -> None:
        """Hand over the averaged teacher and its error on what it is not shown."""
        teacher = self.averages["teacher"]
        assert isinstance(teacher, Denoiser)  # noqa: S101 - for the type checker
        self._finish(teacher, {"hidden_error": hidden_error(teacher, self.data, self.protocol.seed)})


class DenoiserStage(TeacherStage):
    """The reconstruction prior: the teacher's stage on restored whole images."""

    name = "denoiser"


class DistillationStage(Stage):
    """Phase two: fake score and one-step generator, alternately. No measured data enters but maps and masks."""

    name = "generator"

    def __init__(
        self, teacher: Denoiser, data: Data, protocol: Protocol, fabric: Fabric, finish: Finish
    ) -> None:
        self.settings, self.protocol, self.data = protocol.distillation, protocol, data
        self.batch = protocol.distillation.batch
        self._finish = finish
        teacher = teacher.to(fabric.device)
        self.teacher = averaged_copy(teacher)
        fake, student = averaged_copy(teacher).requires_grad_(True), averaged_copy(teacher).requires_grad_(True)
        self.averages = {"generator": averaged_copy(student)}
        s = self.settings
        fake_optimizer = torch.optim.Adam(fake.parameters(), lr=s.learning_rate_fake, betas=(0.0, 0.999))
        optimizer = torch.optim.Adam(student.parameters(), lr=s.learning_rate_generator, betas=(0.0, 0.999))
        self._fake = fake
        fake_module, fake_optimizer = fabric.setup(fake, fake_optimizer)
        student_module, optimizer = fabric.setup(student, optimizer)
        self.modules = {"fake": fake_module, "generator": student_module}
        self.optimizers = {"fake": fake_optimizer, "generator": optimizer}

    def step(self, fabric: Fabric, positions: Sequence[int], images: int) -> dict[str, Tensor]:
        """One update of the fake score on the generator's images, then one of the generator."""
        losses = {} if self.settings.method == "sds" else {"fake loss": self._fake_step(fabric, positions, images)}
        losses["generator loss"] = self._generator_step(fabric, positions, images)
        return losses

    def _fake_step(self, fabric: Fabric, positions: Sequence[int], images: int) -> Tensor:
        seed, s, corruption = self.protocol.seed, self.settings, self.data.corruption
        keys = [(seed, "fake", p) for p in positions]
        with torch.no_grad():
            student = self.modules["generator"].eval()
            further = draw_further(corruption, [(*k, "input") for k in keys]).to(fabric.device)
            noise = noise_for(corruption, keys).to(fabric.device)
            # Every adjoint masks, so noise outside the mask is never seen.
            data = corruption.measure(generate(student, corruption, further, noise, s.sigma_init), keys)
        t = log_normal(
            uniform_items([(*k, "level") for k in keys]), self.protocol.teacher.log_mean,
            self.protocol.teacher.log_std, data.sigma, self.protocol.teacher.noise_law == "clamped",
        )
        n = normal_items(corruption.image_shape, [(*k, "diffusion") for k in keys], corruption.dtype)
        hidden = corruption.further(data.operator, keys).to(fabric.device)
        module, optimizer = self.modules["fake"], self.optimizers["fake"]
        module.train()
        loss = restoration_loss(
            module, corruption, data.to(fabric.device), hidden, t.to(fabric.device), n.to(fabric.device), s.fake_mask
        )
        check_finite(loss, t, keys, "fake score", images)
        descend(fabric, module, optimizer, loss.mean(), s.grad_clip)
        return loss.mean()

    def _generator_step(self, fabric: Fabric, positions: Sequence[int], images: int) -> Tensor:
        seed, s, corruption = self.protocol.seed, self.settings, self.data.corruption
        keys = [(seed, "generator", p) for p in positions]
        further = draw_further(corruption, [(*k, "input") for k in keys]).to(fabric.device)
        noise = noise_for(corruption, keys).to(fabric.device)
        student, optimizer = self.modules["generator"], self.optimizers["generator"]
        student.train()
        made = generate(student, corruption, further, noise, s.sigma_init)
        t = distillation_levels(uniform_items([(*k, "level") for k in keys]), s.t_max)
        n = normal_items(corruption.image_shape, [(*k, "diffusion") for k in keys], corruption.dtype)
        # The bare network, frozen: the generator's gradient passes through its input only.
        fake = self._fake.requires_grad_(False).eval()
        grain = None
        if s.student_noise == "matched":
            grain = normal_items(corruption.image_shape, [(*k, "grain") for k in keys], corruption.dtype)
            grain = grain.to(fabric.device)
        pair = compare(self.teacher, fake, corruption, made, keys, t.to(fabric.device), n.to(fabric.device), grain)
        if s.method == "sid":
            loss = sid_loss(pair, s.alpha, s.generator_mask)
        else:
            loss = dmd_loss(pair) if s.method == "dmd" else sds_loss(pair)
        check_finite(loss, t, keys, "generator", images)
        descend(fabric, student, optimizer, loss.mean(), 0.0)
        fake.requires_grad_(True)
        return loss.mean()

    def preview(self, count: int) -> Tensor:
        """Images of the averaged generator."""
        keys = [(self.protocol.seed, "preview", i) for i in range(count)]
        corruption = self.data.corruption
        made = sample_generator(self.averages["generator"], corruption, keys, self.settings.sigma_init)
        return corruption.picture(made)

    def finish(self) -> None:
        """Hand over the averaged generator."""
        self._finish(self.averages["generator"], {})
