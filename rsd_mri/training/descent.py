"""One update of one network: in one part or several, in one process or several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

Part = TypeVar("Part")


@dataclass(frozen=True)
class ItemLosses:
    """The loss of each item of a batch, and where it was taken."""

    loss: Tensor
    """[item], real."""
    sigma: Tensor
    """[item]: noise level."""
    keys: Sequence[Sequence[int | str]]
    """Identity of each item."""


def ramps(images: int, total: int, warmup: int = 0, cooldown: int = 0) -> float:
    """Share of the learning rate: rising over the first `warmup` images, falling to 0 over the last `cooldown`.

    Parameters
    ----------
    images
        Seen so far.
    total
        Training length.
    """
    rise = (images + 1) / warmup if warmup else 1.0
    fall = (total - images) / cooldown if cooldown else 1.0
    return max(0.0, min(1.0, rise, fall))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def descend(
    fabric: Fabric,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    parts: Sequence[Part],
    loss_of: Callable[[Part], ItemLosses],
    grad_clip: float,
    where: str,
) -> ItemLosses:
    """Take one step of the optimiser on the mean loss of a batch.

    Parameters
    ----------
    fabric
        Gradients are averaged over its processes, once for all parts.
    module, optimizer
        As `Fabric.setup` returned them.
    parts
        The batch in parts of equal size: their gradients are added up, so only one part is held in memory.
    loss_of
        The losses of a part.
    grad_clip
        Largest norm of the gradient; 0 leaves it.
    where
        Stage and images seen, for the error.

    Returns
    -------
    ItemLosses
        Of the whole batch of this process, detached.

    Raises
    ------
    FloatingPointError
        At a non-finite loss, in every process, before the weights are touched.
    """
    optimizer.zero_grad()
    found: list[ItemLosses] = []
    for number, part in enumerate(parts, start=1):
        with fabric.no_backward_sync(module, enabled=number < len(parts)):  # type: ignore[arg-type]
            one = loss_of(part)
            fabric.backward(one.loss.mean() / len(parts))
        found.append(ItemLosses(one.loss.detach(), one.sigma.to(one.loss.device), one.keys))
    whole = ItemLosses(
        torch.cat([one.loss for one in found]),
        torch.cat([one.sigma for one in found]),
        [key for one in found for key in one.keys],
    )
    stop_if_not_finite(fabric, whole, where)
    if grad_clip:
        # In half precision a scaled gradient may overflow now and then; the scaler leaves that step out.
        fabric.clip_gradients(module, optimizer, max_norm=grad_clip, error_if_nonfinite=False)
    optimizer.step()
    return whole


def stop_if_not_finite(fabric: Fabric, losses: ItemLosses, where: str) -> None:
    """Stop every process at the first non-finite loss of any, saying where it happened.

    Raises
    ------
    FloatingPointError
        With stage, images seen, noise level and item.
    """
    bad = ~torch.isfinite(losses.loss)
    if not bool(fabric.all_reduce(bad.any().float(), reduce_op="sum")):
        return
    found = ""
    if bool(bad.any()):
        i = int(bad.nonzero()[0])
        found = f"loss is {float(losses.loss[i])} at sigma {float(losses.sigma[i]):.4g}, item {losses.keys[i]}"
    everywhere: list[str] = [found]
    if fabric.world_size > 1:
        everywhere = [""] * fabric.world_size
        torch.distributed.all_gather_object(everywhere, found)
    raise FloatingPointError(f"{where}: {'; '.join(text for text in everywhere if text)}")
