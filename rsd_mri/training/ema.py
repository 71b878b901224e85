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
def update_average(average: nn.Module, module: nn.Module, batch: int, images: int, halflife: int) -> None:
    """Move the average towards the weights, in place, after a step of `batch` images.

    The half-life, in images, is `halflife` but at most 5 % of `images`: of those seen so far, so that an average does
    not remember its start (Karras et al. 2022, arXiv 2206.00364, app. F.1), or of all to come, where it began as an
    average and starts as good as that.
    """
    span = min(float(halflife), 0.05 * max(images, batch))
    beta = 0.5 ** (batch / max(span, 1e-8))
    for old, new in zip(average.parameters(), module.parameters(), strict=True):
        old.lerp_(new.detach(), 1 - beta)
