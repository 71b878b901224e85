"""Exponential moving average of weights."""

import copy
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def averaged_copy(module: M) -> M:
    """Return a frozen copy that `update_average` moves."""
    return copy.deepcopy(module).requires_grad_(False).eval()


@torch.no_grad()
def update_average(
    average: nn.Module, module: nn.Module, batch: int, images: int, halflife: int, from_nothing: bool = True
) -> None:
    """Move the average towards the weights, in place, after a step of `batch` of the `images` seen so far.

    The half-life, in images, is `halflife`. Of a network that began from nothing it is at most 5 % of the images seen,
    so that an average does not remember its start (Karras et al. 2022, arXiv 2206.00364, app. F.1); one that began as
    an average starts as good as that.
    """
    span = min(float(halflife), 0.05 * max(images, batch)) if from_nothing else float(halflife)
    beta = 0.5 ** (batch / max(span, 1e-8))
    for old, new in zip(average.parameters(), module.parameters(), strict=True):
        old.lerp_(new.detach(), 1 - beta)
