"""What the training loop sees of a stage: networks, optimisers and one step."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn


class Stage(ABC):
    """One stage of training: the teacher, or the distillation.

    The loop sets `modules` up, calls `step` for every batch, and stores modules, averages and optimisers.
    """

    name: str
    batch: int
    """Global batch size [images]."""
    modules: dict[str, nn.Module]
    """Networks under training, by name."""
    averages: dict[str, nn.Module]
    """Averaged weights of some of them, by the same names."""
    optimizers: dict[str, torch.optim.Optimizer]

    @abstractmethod
    def step(self, fabric: Fabric, positions: Sequence[int], images: int) -> dict[str, Tensor]:
        """Train on one batch.

        Parameters
        ----------
        fabric
            For backward passes and reductions.
        positions
            Running numbers of this rank's training images; everything random is keyed by them.
        images
            Images seen before this step.

        Returns
        -------
        dict
            Losses to log, by name.
        """

    @abstractmethod
    def preview(self, count: int) -> Tensor:
        """Magnitudes of a few images, [count, y, x]; always the same noise."""

    @abstractmethod
    def finish(self) -> None:
        """Write the stage's result."""
