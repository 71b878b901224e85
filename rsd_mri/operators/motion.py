"""Rigid motion in the plane between segments of lines, as an operator.

The object moves and the coils do not: A x = sum over segments of M_s F S T_s x, with T_s the motion of a segment and
M_s its lines (Batchelor et al. 2005, doi:10.1002/mrm.20656). T_s is made of three shears (Unser et al. 1995,
doi:10.1109/83.465102), each a phase in the Fourier transform of one axis: it is unitary, and its adjoint turns back.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rsd_mri.operators.coils import CoilExpand
from rsd_mri.operators.linear_operator import LinearOperator
from rsd_mri.operators.sampling import SamplingMask
from rsd_mri.operators.sense import Sense

POWER_ITERATIONS, POWER_MARGIN = 12, 1.1
"""Of the largest eigenvalue of A^H A, which grows where moved lines lie closer than those that stayed."""


class Rigid:
    """Images moved in their plane, each by a pose of its own.

    Parameters
    ----------
    poses
        [pose, 3], real: shift along rows and columns [pixels], and angle [rad], by which what lies at (row, column) is
        turned towards (row cos - column sin, row sin + column cos) about index n // 2, before it is shifted.
    size
        (rows, columns).
    aspect
        Pixel size along rows over that along columns.
    """

    def __init__(self, poses: Tensor, size: tuple[int, int], aspect: float = 1.0) -> None:
        rows, columns = (torch.arange(n, device=poses.device, dtype=poses.dtype) - n // 2 for n in size)
        angle = poses[:, 2, None]
        across, along = -(angle / 2).tan() / aspect, angle.sin() * aspect
        shift_rows, shift_columns = poses[:, 0, None], poses[:, 1, None]
        k_rows, k_columns = (2 * math.pi * torch.fft.fftfreq(n, device=poses.device, dtype=poses.dtype) for n in size)
        first = across * columns
        second = shift_columns + along * rows
        third = shift_rows - across * shift_columns + across * columns
        self.first = _phase(k_rows[:, None] * first[:, None])
        self.second = _phase(k_columns * second[..., None])
        self.third = _phase(k_rows[:, None] * third[:, None])

    def __len__(self) -> int:
        return len(self.first)

    def to(self, *args: Any, **kwargs: Any) -> "Rigid":
        """A copy with its constants moved as by `Tensor.to`."""
        moved = copy.copy(self)
        moved.first, moved.second, moved.third = (
            one.to(*args, **kwargs) for one in (self.first, self.second, self.third)
        )
        return moved

    def move(self, image: Tensor, pose: int | slice = slice(None)) -> Tensor:
        """[..., row, column] moved by one pose, or [pose, row, column] each by its own."""
        image = _times(image, self.first[pose], -2)
        image = _times(image, self.second[pose], -1)
        return _times(image, self.third[pose], -2)

    def back(self, image: Tensor, pose: int | slice = slice(None)) -> Tensor:
        """The other way."""
        image = _times(image, self.third[pose].conj(), -2)
        image = _times(image, self.second[pose].conj(), -1)
        return _times(image, self.first[pose].conj(), -2)


def _phase(angle: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(angle), -angle)


def _times(image: Tensor, phase: Tensor, axis: int) -> Tensor:
    made: Tensor = torch.fft.ifft(torch.fft.fft(image, dim=axis) * phase, dim=axis)
    return made


class MovingSense(Sense):
    """`Sense` of an object that moved between segments of its lines.

    Parameters
    ----------
    csm, mask
        As `sense_operator` takes them; the mask is one for all items.
    segments
        [phase_encode] or [readout, phase_encode]: number of the segment of each line or point.
    poses
        [segment, 3], as `Rigid` takes them.
    aspect
        As `Rigid` takes it.
    """

    def __init__(self, csm: Tensor, mask: Tensor, segments: Tensor, poses: Tensor, aspect: float = 1.0) -> None:
        super().__init__(CoilExpand(csm), SamplingMask(mask))
        if len(self.sampling.mask) > 1 or segments.shape not in (csm.shape[-1:], csm.shape[-2:]):
            raise ValueError(f"segments {list(segments.shape)} do not fit maps {list(csm.shape)}, or masks differ")
        self.segments, self.poses, self.aspect = segments, poses, aspect
        self.motion = Rigid(poses, (csm.shape[-2], csm.shape[-1]), aspect)
        lines = [(self.sampling.mask & (segments == number))[:, 0] for number in range(len(poses))]
        self.still = [(number, Sense(self.coils, SamplingMask(one))) for number, one in enumerate(lines) if one.any()]

    def with_maps(self, csm: Tensor, mask: Tensor) -> "MovingSense":
        """Return the operator of the same motion with other maps and another mask."""
        return MovingSense(csm, mask, self.segments, self.poses, self.aspect)

    def of_maps(self) -> Callable[[Tensor, Tensor], "MovingSense"]:
        """As `with_maps`, without holding these maps."""
        segments, poses, aspect = self.segments, self.poses, self.aspect
        return lambda csm, mask: MovingSense(csm, mask, segments, poses, aspect)

    def lying_still(self) -> Sense:
        """Return the operator of an object that did not move."""
        return Sense(self.coils, self.sampling)

    def to(self, *args: Any, **kwargs: Any) -> "MovingSense":
        """Return a copy with every constant moved."""
        moved: MovingSense = super().to(*args, **kwargs)  # type: ignore[assignment]
        moved.motion = self.motion.to(*args, **kwargs)
        moved.still = [(number, one.to(*args, **kwargs)) for number, one in self.still]  # type: ignore[misc]
        return moved

    def forward(self, x: Tensor) -> Tensor:
        """Image to acquired k-space."""
        parts = (one.forward(self.motion.move(x, number)) for number, one in self.still)
        return sum(parts, x.new_zeros(()))

    def adjoint(self, y: Tensor) -> Tensor:
        """Acquired k-space to coil-combined image."""
        parts = (self.motion.back(one.adjoint(y), number) for number, one in self.still)
        return sum(parts, y.new_zeros(()))

    @property
    def norm_bound(self) -> float:
        """Upper bound of ||A^H A||, by its power."""
        gram = self.gram
        x = torch.ones(1, *self.csm.shape[1:-3], *self.csm.shape[-2:], dtype=self.csm.dtype, device=self.csm.device)
        value = 1.0
        for _ in range(POWER_ITERATIONS):
            x = gram(x)
            value = float(torch.linalg.vector_norm(x))
            x = x / max(value, 1e-30)
        return min(max(POWER_MARGIN * value, super().norm_bound), len(self.still) * super().norm_bound)

    @property
    def gram(self) -> LinearOperator:
        """A^H A, segment by segment."""
        return MovingGram(self)

    def __repr__(self) -> str:
        return f"<MovingSense csm={list(self.csm.shape)} mask={list(self.mask.shape)} segments={len(self.still)}>"


class MovingGram(LinearOperator):
    """A^H A of `MovingSense`."""

    def __init__(self, sense: MovingSense) -> None:
        self.motion = sense.motion
        self.grams = [(number, one.gram) for number, one in sense.still]

    def forward(self, x: Tensor) -> Tensor:
        """Apply A^H A."""
        parts = (self.motion.back(gram.forward(self.motion.move(x, number)), number) for number, gram in self.grams)
        # One at a time: all at once would hold as many images as there are segments.
        return sum(parts, x.new_zeros(()))

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H A, which is its own adjoint."""
        return self.forward(y)
