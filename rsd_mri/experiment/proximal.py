"""The Proximal distance: which weights to keep, judged without a single clean image."""

import math
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from rsd_mri.corruption.corruption import Key, Measurements
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.distribution import Array, frechet_distance
from rsd_mri.metrics.picture_features import FEATURES, PictureFeatures
from rsd_mri.protocol import MonitorSettings, Protocol
from rsd_mri.rsd.data import Data

FEWEST = 16
"""Measurements below which a distance to them is not worth its noise."""
CHUNK = 16


def proximal_distance(data: Data, protocol: Protocol) -> "ProximalDistance | None":
    """The distance of a protocol, or None where its monitor is off or the data are too few to spare any."""
    _, held_out = split_items(len(data), protocol.monitor, protocol.seed)
    return ProximalDistance(data, held_out, protocol.monitor, protocol.seed) if held_out else None


def split_items(count: int, settings: MonitorSettings, seed: int) -> tuple[list[int], list[int]]:
    """Split item numbers into those to train on and those to judge by; the same ones every time.

    All are for training where the monitor is off or too few would be held out.
    """
    held = min(round(count * settings.held_out), settings.images)
    if settings.cost <= 0 or held < FEWEST:
        return list(range(count)), []
    order = torch.randperm(count, generator=generator(seed, "held out")).tolist()
    return sorted(order[held:]), sorted(order[:held])


class ProximalDistance:
    """How far generated images, corrupted again, are from measurements that were kept from training.

    Both are compared as pictures of A^H y, by the structure and the detail of the measured ones, by the Frechet
    distance. It is the model selection of arXiv 2505.13377 with features that need no download. The value
    depends on the numbers of images: compare distances of one run only.

    Parameters
    ----------
    data
        All measurements.
    held_out
        Items that are not for training.
    settings
        How many images.
    seed
        Of the protocol; the generated images have the same noise, masks and maps every time.
    """

    def __init__(self, data: Data, held_out: Sequence[int], settings: MonitorSettings, seed: int) -> None:
        self.corruption, self.settings, self.seed = data.corruption, settings, seed
        self.held_out = held_out
        chunks = [held_out[i : i + CHUNK] for i in range(0, len(held_out), CHUNK)]
        real = np.concatenate([self._pictures(data.batch(chunk)) for chunk in chunks])
        # A quarter as many features as images: a covariance of more would be noise.
        self._features = PictureFeatures.fit(real, min(FEATURES, len(real) // 4))
        self._real = self._features(real)

    def interval(self, calls: int, training_calls: int) -> int:
        """How often to judge [images], for the share of the computation that the settings allow.

        Parameters
        ----------
        calls
            Network calls that generate an image.
        training_calls
            Network calls that a training image costs; a backward pass counts as two.
        """
        return math.ceil(self.settings.images * calls / (training_calls * self.settings.cost))

    def __call__(self, fabric: Fabric, sample: Callable[[Sequence[Key]], Tensor]) -> float:
        """Distance of the images that `sample` makes of keys, in the teacher's space; every process makes its share."""
        share = max(self.settings.images // fabric.world_size, 1)
        numbers = range(fabric.global_rank * share, (fabric.global_rank + 1) * share)
        found: list[Array] = []
        for first in range(0, share, CHUNK):
            keys: list[Key] = [(self.seed, "proximal", i) for i in numbers[first : first + CHUNK]]
            # Other keys, so another mask: one that the network was not told of.
            again = self.corruption.observe(sample(keys), [(*k, "again") for k in keys])
            found.append(self._features(self._pictures(again)))
        mine = torch.from_numpy(np.concatenate(found)).float()
        if not bool(torch.isfinite(mine).all()):
            mine = torch.full_like(mine, torch.inf)
        gathered = cast(Tensor, fabric.all_gather(mine.to(fabric.device)))
        every = gathered.cpu().numpy().reshape(-1, mine.shape[1])
        return frechet_distance(self._real, every.astype(np.float64)) if np.isfinite(every).all() else math.inf

    @property
    def facts(self) -> dict[str, float]:
        """For the card of the weights."""
        return {"proximal_images": self.settings.images, "proximal_held_out": len(self.held_out)}

    def _pictures(self, batch: Measurements) -> np.ndarray:
        """A^H y as pictures, [item, y, x] or [item, colour, y, x]."""
        pictures = self.corruption.picture(batch.operator.adjoint(batch.y)).cpu().numpy()
        return pictures if pictures.ndim == 3 else np.moveaxis(pictures, -1, 1)
