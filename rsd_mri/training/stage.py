"""What the training loop sees of a stage: networks, optimisers and one step."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.training.descent import ItemLosses


class Stage(ABC):
    """One stage of training: the teacher, or the distillation.

    The loop draws, calls `step` for every batch, and stores modules, averages and optimisers.
    """

    name: str
    batch: int
    """Global batch size [images]."""
    modules: dict[str, nn.Module]
    """Networks under training, by name."""
    averages: dict[str, nn.Module]
    """Averaged weights of some of them, by the same names."""
    optimizers: dict[str, torch.optim.Optimizer]
    cooldown: int = 0
    """The learning rates fall over the last so many images."""
    judged_every: int = 0
    """How often `judge` is called [images]; 0 for never."""

    def draw(self, positions: Sequence[int]) -> Any:
        """What a step needs and no weight decides, on the CPU; the loop may call it ahead, in a thread.

        Parameters
        ----------
        positions
            Running numbers of training images; everything random is keyed by them.
        """
        return positions

    @abstractmethod
    def step(self, fabric: Fabric, parts: Sequence[Any], images: int) -> Mapping[str, ItemLosses]:
        """Train on one batch.

        Parameters
        ----------
        fabric
            For backward passes and reductions.
        parts
            From `draw`: this process's share of the batch, in parts whose gradients are added up.
        images
            Images seen before this step.

        Returns
        -------
        dict
            Losses to log, by name.
        """

    @abstractmethod
    def preview(self, count: int) -> Tensor:
        """Pictures of a few images; always the same noise."""

    def judge(self, fabric: Fabric) -> float:  # noqa: ARG002
        """How far the averaged networks are from the data; the last low one is kept. Called in every process."""
        raise NotImplementedError(f"stage {self.name} is never judged")

    @abstractmethod
    def finish(self, found: Mapping[str, float]) -> None:
        """Write the stage's result, from the averaged networks.

        Parameters
        ----------
        found
            What is known of them: the distance they were chosen by.
        """
