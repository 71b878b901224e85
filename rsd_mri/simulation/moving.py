"""A head that moves in the plane between segments of lines."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.machine.randomness import generator
from rsd_mri.scan.segments import reference_of


class Pose(NamedTuple):
    """How the head lies in the plane of a slice."""

    readout: float = 0.0
    """Shift along the readout [mm]."""
    phase_encode: float = 0.0
    """Along the phase encoding [mm]."""
    angle: float = 0.0
    """From the readout's direction towards the phase encoding's [rad]."""

    def origin(self, readout: Tensor, phase_encode: Tensor) -> tuple[Tensor, Tensor]:
        """Where what lies at a place [mm from the centre] lay before."""
        u, v = readout - self.readout, phase_encode - self.phase_encode
        cos, sin = float(np.cos(self.angle)), float(np.sin(self.angle))
        return cos * u + sin * v, cos * v - sin * u


STILL = Pose()


@dataclass(frozen=True)
class Moving:
    """Motion between segments: lines are interleaved, so that each segment crosses the centre, as in a fast spin echo.

    The head goes from pose to pose by random steps, to `reach` millimetres and degrees away from where it lay when the
    line nearest to the centre was measured.
    """

    reach: float
    """Largest shift along either axis [mm] and largest angle [degrees]."""
    count: int = 8
    """Segments."""

    def segments(self, mask: NDArray[np.bool_]) -> NDArray[np.int16]:
        """Segment of each line or point, in the shape of the mask; -1 where none is measured."""
        found: NDArray[np.int16] = np.full(mask.shape, -1, np.int16)
        count = int(mask.sum())
        found[mask] = np.arange(count) % min(self.count, count)
        return found

    def poses(self, segments: NDArray[np.int16], seed: int, case: int | str) -> list[Pose]:
        """The pose in each segment."""
        count = int(segments.max()) + 1
        rng = generator(seed, case, "motion")
        walk = torch.cumsum(torch.randn(count, 3, generator=rng), 0).double().numpy()
        walk -= walk[reference_of(segments)]
        farthest = np.abs(walk).max(axis=0)
        walk *= self.reach / np.where(farthest > 0, farthest, 1)
        return [Pose(float(a), float(b), float(np.deg2rad(c))) for a, b, c in walk]
