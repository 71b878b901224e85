"""What the stages are given: items to train on, and a judge of what they make."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol as Interface

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption, Key, Measurements
from rsd_mri.machine.randomness import generator


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


class Monitor(Interface):
    """Judges generated images by measurements that were kept from training."""

    held_out: Sequence[int]
    """Items that are not for training."""

    @property
    def facts(self) -> Mapping[str, float]:
        """What is judged by, for the card of the weights."""

    def interval(self, calls: int, training_calls: int) -> int:
        """How often to judge [images], given the network calls of a generated and of a training image."""

    def __call__(self, fabric: Fabric, sample: Callable[[Sequence[Key]], Tensor]) -> float:
        """Distance of the images that `sample` makes of keys, in the teacher's space."""


def training_items(data: Data, monitor: Monitor | None) -> list[int]:
    """Items that are not held out."""
    held_out = set(monitor.held_out) if monitor is not None else set()
    return [i for i in range(len(data)) if i not in held_out]


def shuffled_index(position: int, count: int, seed: int) -> int:
    """Item at a running position, every epoch in another order; no state to store."""
    epoch, place = divmod(position, count)
    return int(_permutation(epoch, count, seed)[place])


_permutations: dict[tuple[int, int, int], Tensor] = {}


def _permutation(epoch: int, count: int, seed: int) -> Tensor:
    wanted = (epoch, count, seed)
    order = _permutations.get(wanted)
    if order is None:
        if len(_permutations) > 4:
            _permutations.clear()
        order = _permutations[wanted] = torch.randperm(count, generator=generator(seed, "epoch", epoch))
    return order
