"""A volume and how far it is done, and what all jobs share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.scan.sign import settle_sign
from rsd_mri.serve.measurement import Key, Volume
from rsd_mri.serve.methods import Learned, Loaded, Prepared, SliceResult
from rsd_mri.serve.noise_store import NoiseStore


@dataclass(eq=False)
class Work:
    """A volume, and how far it is done."""

    volume: Volume
    keys: tuple[Key, ...]
    energies: NDArray[np.float64]
    offset: int
    """Slices of the same frame that were begun before."""
    prepared: Prepared | None = None
    doubts: tuple[str, ...] = ()
    learned: Learned | None = None
    shown: int = 0
    """Slices of series 1 done."""
    sampled: int = 0
    """Slices of the learned method done."""
    stack: list[SliceResult] = field(default_factory=list)
    """Of a 3-D acquisition, whose images lie across the slices that are reconstructed."""

    @property
    def count(self) -> int:
        """Slices."""
        return self.volume.scan.n_slices


@dataclass(frozen=True)
class Shop:
    """What all jobs share."""

    loaded: Callable[[], Loaded]
    """Waits until prior and calibration are loaded."""
    device: torch.device
    noise: NoiseStore
    flip: str
    save: Path | None
    memory: int


def turn_of(flip: str, vendor: str | None) -> bool:
    """Whether an image is sent turned by 180 degrees against the scan, whose reader turns what the vendor asks for."""
    turned, *_ = settle_sign(vendor)
    return {"none": turned, "both": not turned}.get(flip, False)


def across(stack: Sequence[SliceResult]) -> list[SliceResult]:
    """From slices [phase_encode, partition] at each position of the readout to partitions [readout, phase_encode]."""

    def cut(arrays: Sequence[NDArray[np.generic] | None], number: int) -> NDArray[np.generic] | None:
        if any(a is None for a in arrays):
            return None
        return np.stack([a[:, number] for a in arrays if a is not None])

    first = stack[0]
    several, complexes = range(len(first.samples)), range(len(first.sample_images))
    return [
        SliceResult(
            magnitude=cut([s.magnitude for s in stack], number),  # type: ignore[arg-type]
            image=cut([s.image for s in stack], number),  # type: ignore[arg-type]
            std=cut([s.std for s in stack], number),  # type: ignore[arg-type]
            half_width=cut([s.half_width for s in stack], number),  # type: ignore[arg-type]
            samples=tuple(cut([s.samples[k] for s in stack], number) for k in several),  # type: ignore[misc]
            sample_images=tuple(cut([s.sample_images[k] for s in stack], number) for k in complexes),  # type: ignore[misc]
            distrust=first.distrust,
        )
        for number in range(first.magnitude.shape[1])
    ]


def same_frame(a: Volume, b: Volume) -> bool:
    """Whether two volumes are slices of one, which came at different times."""
    return a.frame == b.frame and same_stack(a, b)


def same_stack(a: Volume, b: Volume) -> bool:
    """Whether two volumes hold slices of one orientation, or frames of one slab."""
    if a.scan.n_coils != b.scan.n_coils or a.scan.size != b.scan.size or a.is_3d != b.is_3d:
        return False
    return same_slices(a, b) if a.is_3d else a.oriented_as(b)


def same_slices(a: Volume, b: Volume) -> bool:
    """Whether two volumes hold the same slices."""
    return [place.counter for place in a.places] == [place.counter for place in b.places]
