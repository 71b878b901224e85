"""Slices that are one volume: sampled together, and denoised in the volume's three planes in turn.

For the data a 3-D acquisition that was transformed along its readout is one problem a slice; for the prior it is one.
Images learned in two dimensions serve for three where each level denoises another plane (Lee et al. 2023, arXiv
2303.08440, with two priors): what no slice can tell of its neighbours, the other planes do.
"""

from collections.abc import Callable, Sequence
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
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.posterior.problem import Noise, Problem
from rsd_mri.reconstruction.posterior.restorers import turned, turned_back
from rsd_mri.reconstruction.posterior.support import Window, windows_of

AXES = (0, -2, -1)
"""Axis across each plane of a volume [slice, (set,) readout, phase_encode]: the slices' own plane first."""
WAYS = 8
"""Symmetries of the square."""


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
        return volume.movedim(AXES[plane], 0) if plane else volume

    def back(self, stack: Tensor, plane: int) -> Tensor:
        """Images of a plane as the volume."""
        return stack.movedim(0, AXES[plane]) if plane else stack

    @cached_property
    def windows(self) -> list[list[list[Window] | None]]:
        """Of each plane, image and set where the maps see anything; None for an image where they see nothing."""
        return [[_windows(one) for one in self.stack(self.support, plane)] for plane in range(len(self))]


def _windows(support: Tensor) -> list[Window] | None:
    """Of one image [(set,) row, column]."""
    return windows_of(support[None].unsqueeze(-3)) if bool(support.any()) else None


@dataclass(frozen=True)
class InPlanes:
    """A denoiser of images as one of volumes: each level another plane, each round of planes another way round."""

    prior: Prior
    planes: Planes

    def denoise(self, x: Tensor, t: Tensor, step: int) -> Tensor:
        """Estimate the clean volume from a noisy one [slice, (set,) readout, phase_encode] of one level [slice]."""
        plane, way = step % len(self.planes), step // len(self.planes) % WAYS
        stack = self.planes.stack(x, plane)
        estimate = torch.zeros_like(stack)
        for image, out, windows in zip(stack, estimate, self.planes.windows[plane], strict=True):
            if windows is not None:
                self._one(image, out, t[:1], windows, way)
        return self.planes.back(estimate, plane)

    def _one(self, image: Tensor, out: Tensor, t: Tensor, windows: Sequence[Window], way: int) -> None:
        """Denoise one image into its place."""
        sets = image[None] if image.ndim == 2 else image
        places = out[None] if out.ndim == 2 else out
        for one, place, window in zip(sets, places, windows, strict=True):
            with quick_products(image.device):
                estimate = self.prior.denoiser(turned(window.cut(one[None]), way), t, Condition())
            place.copy_(window.paste(turned_back(estimate, way), (one.shape[-2], one.shape[-1]))[0])


class SliceOperators(LinearOperator):
    """The operators of all slices of a volume as one; each is made when it is applied.

    Parameters
    ----------
    first
        Of one slice.
    maps
        [slice, (set,) coil, readout, phase_encode]; they may lie on disk.
    """

    def __init__(self, first: Sense, maps: "NDArray[np.complex64] | Slices") -> None:
        self.first, self.maps = first, maps

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int) -> Sense:
        maps = torch.from_numpy(self.maps[index])[None].to(self.first.csm.device)
        return self.first.with_maps(maps, self.first.mask[:, 0])

    def forward(self, x: Tensor) -> Tensor:
        """Volume [slice, (set,) readout, phase_encode] to k-space [slice, coil, readout, phase_encode]."""
        return self.each(lambda one, part: one.forward(part), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """K-space to volume."""
        return self.each(lambda one, part: one.adjoint(part), y)

    @property
    def gram(self) -> LinearOperator:
        """A^H A of each slice."""
        return _Grams(self)

    def each(self, apply: Callable[[Sense, Tensor], Tensor], x: Tensor) -> Tensor:
        """Apply something of each slice's operator to its part."""
        if len(x) != len(self):
            raise ValueError(f"expected {len(self)} slices, got shape {list(x.shape)}")
        return torch.cat([apply(self[index], x[index : index + 1]) for index in range(len(self))])


class _Grams(LinearOperator):
    def __init__(self, operators: SliceOperators) -> None:
        self.operators = operators

    def forward(self, x: Tensor) -> Tensor:
        """Apply A^H A."""
        return self.operators.each(lambda one, part: one.gram.forward(part), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H A, which is its own adjoint."""
        return self.forward(y)


@dataclass(frozen=True, kw_only=True)
class VolumeProblem(Problem):
    """`Problem` of a volume: its items are the slices, whose data are solved for one by one.

    `kspace` is that of one slice and tells the size alone: of the others nothing is kept but A^H y.
    """

    operator: SliceOperators
    back_projected: Tensor
    """A^H y, [slice, (set,) readout, phase_encode]."""
    noise_of: Callable[[int], Noise]
    """`noise` of one slice."""

    @cached_property
    def adjoint_kspace(self) -> Tensor:
        """A^H y, as it was given."""
        return self.back_projected

    def data_noise(self, step: int, what: str) -> Tensor:
        """A^H w with w ~ CN(0, 1) in k-space, slice by slice."""
        return torch.cat([self.part(index).data_noise(step, what) for index in range(len(self.start))])

    def solve(
        self, right: Tensor, variance: Tensor | float, start: Tensor | None, iterations: int, tolerance: float
    ) -> Tensor:
        """Solve slice by slice: each stops when it is done."""
        found = torch.empty_like(right)
        for index in range(len(right)):
            one = slice(index, index + 1)
            of_slice = variance[one] if isinstance(variance, Tensor) and variance.ndim else variance
            first = None if start is None else start[one]
            found[one] = self.part(index).solve(right[one], of_slice, first, iterations, tolerance)
        return found

    def part(self, index: int) -> Problem:
        """The problem of one slice."""
        like = self.start[index : index + 1]
        return Problem(
            self.operator[index], self.kspace, self.sigma, self.denoise, self.noise_of(index), like, self.sigma_data
        )
