"""What every stage that trains the one-step generator has in common."""

from collections.abc import Mapping, Sequence

from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Monitor
from rsd_mri.rsd.generator import sample_generator
from rsd_mri.rsd.stages import Finish
from rsd_mri.training.ema import averaged_copy
from rsd_mri.training.stage import Stage


class GeneratorStage(Stage):
    """Shows, judges and hands over the averaged generator.

    Parameters
    ----------
    begun
        What the generator begins as, on its device.
    corruption
        The law of the data.
    protocol
        Its `distillation` is used.
    finish
        Writes the result.
    monitor
        Judges the averaged generator's images.
    calls
        Network calls that a training image costs.
    """

    def __init__(
        self,
        begun: Denoiser,
        corruption: Corruption,
        protocol: Protocol,
        finish: Finish,
        monitor: Monitor | None,
        calls: int,
    ) -> None:
        self.settings, self.protocol, self.corruption = protocol.distillation, protocol, corruption
        self.batch = protocol.distillation.batch
        self._finish, self._monitor = finish, monitor
        if monitor is not None:
            self.judged_every = monitor.interval(1, calls)
        self._average = averaged_copy(begun)
        self.averages: dict[str, nn.Module] = {"generator": self._average}

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
