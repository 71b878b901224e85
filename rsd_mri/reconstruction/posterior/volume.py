"""Slices that are one volume: sampled together, and denoised in the volume's three planes in turn.

For the data a 3-D acquisition that was transformed along its readout is one problem a slice; for the prior it is one.
Images learned in two dimensions serve for three where each level denoises another plane (Lee et al. 2023, arXiv
2303.08440, with two priors): what no slice can tell of its neighbours, the other planes do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.files.slices import Slices
from rsd_mri.machine.device import quick_products
from rsd_mri.operators import LinearOperator, Sense
from rsd_mri.operators.sense import compiled
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.posterior.problem import Noise, Problem
from rsd_mri.reconstruction.posterior.restorers import turned, turned_back
from rsd_mri.reconstruction.posterior.support import Window, windows_of

AXES = (0, -2, -1)
"""Axis across each plane of a volume [slice, (set,) readout, phase_encode]: the slices' own plane first."""
STRETCHED = 1.1
"""A plane whose pixels are longer than wide by more shows the denoiser images unlike those it learned from
(docs/choices.md)."""
WAYS = 8
"""Symmetries of the square."""
AT_ONCE = 1 << 15
"""Pixels of images computed at once on a processor: of few of them a call takes longer than its work."""
AT_ONCE_GPU = 1 << 21
"""The same on a GPU."""


OfMaps = Callable[[Tensor, Tensor], Sense]
"""From maps and a mask to an operator."""


def in_turn(count: int, pixels: int, device: torch.device) -> list[slice]:
    """Images of so many pixels, as many at once as it takes to keep a device busy."""
    room = AT_ONCE if device.type == "cpu" else AT_ONCE_GPU
    step = max(room // max(pixels, 1), 1)
    return [slice(begin, min(begin + step, count)) for begin in range(0, count, step)]


class Planes:
    """A volume [slice, (set,) readout, phase_encode] seen as a stack of its slices across any of its three axes.

    Parameters
    ----------
    support
        [slice, (set,) readout, phase_encode], boolean: where the maps see anything.
    """

    def __init__(self, support: Tensor) -> None:
        self.support = support

    def __len__(self) -> int:
        return len(AXES)

    def stack(self, volume: Tensor, plane: int) -> Tensor:
        """The volume as images of a plane, [image, (set,) row, column]."""
        if plane == 0:
            return volume
        across = volume.movedim(AXES[plane], 0)
        return across.transpose(1, 2) if across.ndim == 4 else across

    def back(self, stack: Tensor, plane: int) -> Tensor:
        """Images of a plane as the volume."""
        if plane == 0:
            return stack
        return (stack.transpose(1, 2) if stack.ndim == 4 else stack).movedim(0, AXES[plane])

    @cached_property
    def windows(self) -> list[list[tuple[list[int], Window]]]:
        """Of each plane: images, counted with their sets, that are denoised at once, and where their maps see."""
        return [_windows(self.stack(self.support, plane)) for plane in range(len(self))]


def _windows(support: Tensor) -> list[tuple[list[int], Window]]:
    """Of the images of one plane, [image, (set,) row, column]: neighbours together, without those that nothing sees."""
    sets = support if support.ndim == 4 else support[:, None]
    found = []
    for number in range(sets.shape[1]):
        one = sets[:, number]
        seen = one.flatten(1).any(1).nonzero().flatten().tolist()
        for part in in_turn(len(seen), one[0].numel(), support.device):
            images = seen[part]
            window = windows_of(one[images].any(0)[None, None])[0]
            found.append(([image * sets.shape[1] + number for image in images], window))
    return found


def planes_of(voxel: tuple[float, float, float] | None) -> tuple[int, ...]:
    """The planes in which a denoiser that learned from square pixels knows a volume: those whose pixels are nearly so.

    Parameters
    ----------
    voxel
        Voxel size along (readout, phase_encode, slice); a cube where it is not known.

    Returns
    -------
    tuple of int
        Of `AXES`; the slices' own plane always.
    """
    if voxel is None:
        return tuple(range(len(AXES)))
    sizes = (voxel[2], voxel[0], voxel[1])
    found = [0]
    for plane in range(1, len(AXES)):
        # Across the readout there are slice and phase encoding.
        first, second = (size for axis, size in enumerate(sizes) if axis != plane)
        if max(first, second) <= STRETCHED * min(first, second):
            found.append(plane)
    return tuple(found)


@dataclass(frozen=True)
class InPlanes:
    """A denoiser of images as one of volumes: each level another plane, each round of planes another way round."""

    prior: Prior
    planes: Planes
    used: tuple[int, ...] = (0, 1, 2)
    """Planes taken in turn."""
    turn: int = 0
    """How much further than another sample's the images are turned."""

    def denoise(self, x: Tensor, t: Tensor, step: int) -> Tensor:
        """Estimate the clean volume from a noisy one [slice, (set,) readout, phase_encode] of one level [slice]."""
        plane, way = self.used[step % len(self.used)], (step // len(self.used) + self.turn) % WAYS
        stack = self.planes.stack(x, plane)
        size = (stack.shape[-2], stack.shape[-1])
        images = stack.reshape(-1, *size)
        estimate = torch.zeros_like(images)
        for numbers, window in self.planes.windows[plane]:
            shown = turned(window.cut(images[numbers]), way)
            with quick_products(x.device):
                made = self.prior.denoiser(shown, t[:1].expand(len(shown)), Condition())
            estimate[numbers] = window.paste(turned_back(made, way), size)
        return self.planes.back(estimate.reshape(stack.shape), plane)


class SliceOperators(LinearOperator):
    """The operators of all slices of a volume as one, a few slices at a time.

    Parameters
    ----------
    first
        Of one slice.
    maps
        [slice, (set,) coil, readout, phase_encode]; where they lie on disk the operators are made anew each time.
    moved
        Of slices that moved, from their maps and the mask to their operator; they are taken one by one.
    """

    def __init__(
        self, first: Sense, maps: "NDArray[np.complex64] | Slices", moved: "Mapping[int, OfMaps] | None" = None
    ) -> None:
        self.first, self.maps, self.moved = first, maps, moved or {}
        if self.moved:
            self.groups = [slice(index, index + 1) for index in range(len(maps))]
        else:
            self.groups = in_turn(len(maps), first.csm.shape[-2] * first.csm.shape[-1], first.csm.device)
        self._kept: dict[int, tuple[Sense, LinearOperator]] = {}

    def __len__(self) -> int:
        return len(self.maps)

    def of(self, group: slice) -> tuple[Sense, LinearOperator]:
        """A and A^H A of some slices."""
        if group.start in self._kept:
            return self._kept[group.start]
        maps = torch.from_numpy(np.ascontiguousarray(self.maps[group])).to(self.first.csm.device)
        one = self.moved.get(group.start, self.first.with_maps)(maps, self.first.mask[:, 0])
        both = one, compiled(one.gram)
        return both if isinstance(self.maps, Slices) else self._kept.setdefault(group.start, both)

    def forward(self, x: Tensor) -> Tensor:
        """Volume [slice, (set,) readout, phase_encode] to k-space [slice, coil, readout, phase_encode]."""
        return self.each(lambda group, part: self.of(group)[0].forward(part), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """K-space to volume."""
        return self.each(lambda group, part: self.of(group)[0].adjoint(part), y)

    @property
    def gram(self) -> LinearOperator:
        """A^H A of each slice."""
        return _Grams(self)

    def each(self, apply: Callable[[slice, Tensor], Tensor], x: Tensor) -> Tensor:
        """Apply something of some slices to their part."""
        if len(x) != len(self):
            raise ValueError(f"expected {len(self)} slices, got shape {list(x.shape)}")
        return torch.cat([apply(group, x[group]) for group in self.groups])


class _Grams(LinearOperator):
    def __init__(self, operators: SliceOperators) -> None:
        self.operators = operators

    def forward(self, x: Tensor) -> Tensor:
        """Apply A^H A."""
        return self.operators.each(lambda group, part: self.operators.of(group)[1].forward(part), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H A, which is its own adjoint."""
        return self.forward(y)


@dataclass(frozen=True, kw_only=True)
class VolumeProblem(Problem):
    """`Problem` of a volume: its items are the slices, whose data are solved for a few at a time.

    `kspace` is that of one slice and tells the size alone: of the others nothing is kept but A^H y.
    """

    operator: SliceOperators
    back_projected: Tensor
    """A^H y, [slice, (set,) readout, phase_encode]."""
    noise_of: Callable[[slice], Noise]
    """`noise` of some slices."""

    @cached_property
    def adjoint_kspace(self) -> Tensor:
        """A^H y, as it was given."""
        return self.back_projected

    def data_noise(self, step: int, what: str) -> Tensor:
        """A^H w with w ~ CN(0, 1) in k-space."""
        return torch.cat([self.part(group).data_noise(step, what) for group in self.operator.groups])

    def solve(
        self, right: Tensor, variance: Tensor | float, start: Tensor | None, iterations: int, tolerance: float
    ) -> Tensor:
        """Solve a few slices at a time: each stops when it is done."""
        found = torch.empty_like(right)
        for group in self.operator.groups:
            of_slices = variance[group] if isinstance(variance, Tensor) and variance.ndim else variance
            first = None if start is None else start[group]
            found[group] = self.part(group).solve(right[group], of_slices, first, iterations, tolerance)
        return found

    def part(self, group: slice) -> Problem:
        """The problem of some slices."""
        operator, gram = self.operator.of(group)
        like = self.start[group]
        return _WithGram(
            operator, self.kspace, self.sigma, self.denoise, self.noise_of(group), like, self.sigma_data, known=gram
        )


@dataclass(frozen=True, kw_only=True)
class _WithGram(Problem):
    """A problem whose A^H A is at hand."""

    known: LinearOperator

    @cached_property
    def gram(self) -> LinearOperator:
        """A^H A."""
        return self.known
