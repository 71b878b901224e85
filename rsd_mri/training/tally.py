"""Running means of losses, whole and by noise level."""

from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rsd_mri.training.descent import ItemLosses

EDGES = (0.1, 0.3, 1.0, 3.0)
"""Noise levels that bound the bins."""
BIN_NAMES = tuple(f"sigma {low:g}-{high:g}" for low, high in zip((0.0, *EDGES), EDGES, strict=False)) + (
    f"sigma over {EDGES[-1]:g}",
)


class Tally:
    """Sums of losses; they stay on the device until they are read, so that no step waits for them."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, name: str, losses: ItemLosses) -> None:
        """Add the losses of a batch under a name."""
        edges = torch.tensor(EDGES, device=losses.loss.device)
        bins = torch.bucketize(losses.sigma, edges, right=True)
        pair = torch.stack([losses.loss.float(), torch.ones_like(losses.loss, dtype=torch.float32)])
        new = torch.zeros(2, len(BIN_NAMES), device=losses.loss.device).index_add_(1, bins, pair)
        self._sums[name] = self._sums[name] + new if name in self._sums else new

    def take(self, fabric: Fabric) -> dict[str, float]:
        """Means over all processes since the last call: `NAME`, and `NAME sigma LOW-HIGH` of the bins met."""
        means: dict[str, float] = {}
        for name, mine in self._sums.items():
            (total, count) = cast(Tensor, fabric.all_reduce(mine, reduce_op="sum")).cpu()
            means[name] = float(total.sum() / count.sum())
            means |= {
                f"{name} {label}": float(total[i] / count[i]) for i, label in enumerate(BIN_NAMES) if count[i] > 0
            }
        self._sums = {}
        return means
