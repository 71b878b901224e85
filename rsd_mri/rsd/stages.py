"""Phase one as the training loop runs it: the teacher, and the denoiser of whole images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.corruption import Key, Measurements
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.diffusion.noise_levels import log_normal, log_normal_below
from rsd_mri.machine.randomness import normal_items, uniform_items
from rsd_mri.operators import LinearOperator, Sense
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.consistency import DRAWS, consistency_loss
from rsd_mri.rsd.data import Data, Monitor, shuffled_index, training_items
from rsd_mri.rsd.generator import sample_teacher
from rsd_mri.rsd.objectives import noisy_adjoint, restoration_loss
from rsd_mri.training.descent import ItemLosses, descend, ramps, set_learning_rate
from rsd_mri.training.ema import averaged_copy
from rsd_mri.training.stage import Stage

TRAINING_CALLS = 3
"""Network calls that a training image of the teacher costs; a backward pass counts as two."""
CONSISTENCY_STEPS = 3
"""Steps from the noise level of the data term down to the one that the consistency term trains."""

Finish = Callable[[nn.Module, dict[str, float]], None]
"""(averaged network, what was measured of it): writes the result."""


@torch.no_grad()
def hidden_error(teacher: Denoiser, data: Data, seed: int, items: Sequence[int]) -> float:
    """Root mean square error of a teacher's images, from measurements alone.

    The teacher is given the further-corrupted data and judged on the data kept from it, whose noise is known
    and taken off; the error is taken to be as large in what nobody measured. At most 32 of the items are used.

    Returns
    -------
    float
        In the unit of the images.
    """
    device = next(teacher.parameters()).device
    corruption = data.corruption
    errors = []
    for start in range(0, min(32, len(items)), 8):
        chosen = items[start : start + 8]
        keys: list[Key] = [(seed, "hidden error", i) for i in chosen]
        batch = data.batch(chosen).to(device)
        further = corruption.further(batch.operator, keys).to(device)
        t = batch.sigma.clamp_min(0.002)
        u = corruption.preconditioner(further)(further.adjoint(batch.y))
        estimate = teacher(u, t, corruption.condition(further))
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


@dataclass(frozen=True)
class Draw:
    """What the teacher's step needs of a part of a batch."""

    data: Measurements
    further: LinearOperator
    t: Tensor
    noise: Tensor
    keys: list[Key]


class TeacherStage(Stage):
    """Phase one: the corruption-aware diffusion teacher, from measurements only.

    Parameters
    ----------
    denoiser
        The untrained network.
    data
        Measurements.
    protocol
        Its `teacher`, `sampler` and `monitor` are used.
    fabric
        Launched.
    finish
        Writes the result.
    monitor
        Judges the averaged teacher's samples; what it holds out is not trained on.
    compiled
        Compile the network.
    """

    name = "teacher"

    def __init__(
        self,
        denoiser: Denoiser,
        data: Data,
        protocol: Protocol,
        fabric: Fabric,
        finish: Finish,
        monitor: Monitor | None = None,
        compiled: bool = False,
    ) -> None:
        self.settings, self.protocol, self.data = protocol.teacher, protocol, data
        self.batch, self.cooldown = protocol.teacher.batch, protocol.teacher.cooldown
        self._finish = finish
        self._monitor = monitor
        self._items = training_items(data, monitor)
        self._coarse = replace(protocol.sampler, steps=min(protocol.sampler.steps, protocol.monitor.steps))
        if monitor is not None:
            self.judged_every = monitor.interval(self._coarse.calls, TRAINING_CALLS)
        denoiser = denoiser.to(fabric.device)
        self._average = averaged_copy(denoiser)
        self.averages: dict[str, nn.Module] = {"teacher": self._average}
        if compiled:
            denoiser.network.compile()
        optimizer = torch.optim.Adam(denoiser.parameters(), lr=protocol.teacher.learning_rate)
        module, optimizer = fabric.setup(denoiser, optimizer)
        # Fabric's wrapper, which answers as the denoiser does.
        self._module: Denoiser = module
        self.modules: dict[str, nn.Module] = {"teacher": module}
        self.optimizers = {"teacher": optimizer}

    def draw(self, positions: Sequence[int]) -> Draw:
        """Measured data, what they are corrupted with further, noise and its levels."""
        seed, s, corruption = self.protocol.seed, self.settings, self.data.corruption
        keys: list[Key] = [(seed, "teacher", p) for p in positions]
        data = self.data.batch([self._items[shuffled_index(p, len(self._items), seed)] for p in positions])
        t = log_normal(
            uniform_items([(*k, "level") for k in keys]), s.log_mean, s.log_std, data.sigma, s.noise_law == "clamped"
        )
        noise = normal_items(corruption.image_shape, [(*k, "noise") for k in keys], corruption.dtype)
        return Draw(data, corruption.further(data.operator, keys), t, noise, keys)

    def step(self, fabric: Fabric, parts: Sequence[Draw], images: int) -> Mapping[str, ItemLosses]:
        """One update on measured data."""
        s, corruption = self.settings, self.data.corruption
        module, optimizer = self._module, self.optimizers["teacher"]
        module.train()
        set_learning_rate(optimizer, s.learning_rate * ramps(images, s.images, s.warmup, s.cooldown))

        def losses(part: Draw) -> ItemLosses:
            data, further = part.data.to(fabric.device), part.further.to(fabric.device)
            t, noise = part.t.to(fabric.device), part.noise.to(fabric.device)
            loss = restoration_loss(module, corruption, data, further, t, noise)
            if s.consistency:
                u = corruption.preconditioner(further)(noisy_adjoint(data, further, t, noise))
                loss = loss + s.consistency * self._consistency(module, u, further, t, part.keys)
            return ItemLosses(loss, t, part.keys)

        where = f"{self.name} after {images} images"
        return {f"{self.name} loss": descend(fabric, module, optimizer, parts, losses, s.grad_clip, where)}

    def _consistency(
        self, module: Denoiser, u: Tensor, further: LinearOperator, t: Tensor, keys: Sequence[Key]
    ) -> Tensor:
        s, corruption = self.settings, self.data.corruption
        lowest = log_normal_below(
            uniform_items([(*k, "consistency") for k in keys]), s.log_mean, s.log_std, t.cpu()
        ).to(t.device)
        shares = torch.linspace(0, 1, CONSISTENCY_STEPS + 1, device=t.device)[1:, None]
        levels = t * (lowest / t) ** shares
        noise = torch.stack(
            [
                torch.stack(
                    [
                        normal_items(
                            corruption.image_shape, [(*k, "consistency", step, draw) for k in keys], corruption.dtype
                        )
                        for draw in range(DRAWS)
                    ]
                )
                for step in range(CONSISTENCY_STEPS)
            ]
        )
        return consistency_loss(module, corruption, u, further, t, levels, noise.to(t.device))

    def preview(self, count: int) -> Tensor:
        """Samples of the averaged teacher."""
        return self.data.corruption.picture(self._sample([(self.protocol.seed, "preview", i) for i in range(count)]))

    def judge(self, fabric: Fabric) -> float:
        """The Proximal distance of the averaged teacher's samples."""
        return super().judge(fabric) if self._monitor is None else self._monitor(fabric, self._sample)

    def _sample(self, keys: Sequence[Key]) -> Tensor:
        return sample_teacher(self._average, self.data.corruption, keys, self._coarse)

    def finish(self, found: Mapping[str, float]) -> None:
        """Hand over the averaged teacher and its error on what it is not shown."""
        items = self._monitor.held_out if self._monitor is not None else self._items
        error = hidden_error(self._average, self.data, self.protocol.seed, items)
        facts = self._monitor.facts if self._monitor is not None else {}
        self._finish(self._average, {"hidden_error": error, **facts, **found})


class DenoiserStage(TeacherStage):
    """The reconstruction prior: the teacher's stage on restored whole images."""

    name = "denoiser"
