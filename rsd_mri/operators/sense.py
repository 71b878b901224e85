"""Multi-coil MRI: A = M F S, with coil maps S, a transform F and the mask M of what was acquired.

Pruessmann et al. 1999, doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S; along any trajectory
Pruessmann et al. 2001, doi:10.1002/mrm.1241.
"""

import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rsd_mri.machine.pool import in_threads
from rsd_mri.operators.coils import CoilExpand
from rsd_mri.operators.fourier import CenteredFFT, MaskedFFT
from rsd_mri.operators.linear_operator import LinearOperator, require_rank
from rsd_mri.operators.sampling import Masking, SamplingMask
from rsd_mri.operators.self_adjoint import apply_self_adjoint
from rsd_mri.operators.transform import Transform

PART_BYTES = 2**18
"""Coil images that are worked on at once, on a processor."""
SMALL = 2**17
"""Values of them below which a second thread costs more than it brings."""


def sense_operator(csm: Tensor, mask: Tensor, transform: Transform | None = None) -> "Sense":
    """Build A = mask @ transform @ coil maps.

    Parameters
    ----------
    csm
        [batch, coil, readout, phase_encode] complex, or [batch, set, coil, readout, phase_encode] for
        several sets of maps.
    mask
        [phase_encode], [readout, phase_encode], or one per item [batch, readout or 1, phase_encode]; of a trajectory
        its samples and shots.
    transform
        The centred FFT where not given.

    Returns
    -------
    Sense
        Maps an image [batch, (set,) readout, phase_encode] to k-space
        [batch, coil, readout, phase_encode] (or [batch, coil, sample, shot]), zero where nothing was acquired.
    """
    return Sense(CoilExpand(csm), SamplingMask(mask), transform)


class Sense(LinearOperator):
    """The product of coil maps, transform and mask, with a fast A^H A. Built by `sense_operator`."""

    def __init__(self, coils: CoilExpand, sampling: Masking, transform: Transform | None = None) -> None:
        transform = CenteredFFT() if transform is None else transform
        samples, shots = transform.kspace_size((coils.csm.shape[-2], coils.csm.shape[-1]))
        if sampling.mask.shape[-1] != shots or sampling.mask.shape[-2] not in (1, samples):
            raise ValueError(f"mask of shape {list(sampling.mask.shape)} does not fit maps {list(coils.csm.shape)}")
        self.coils = coils
        self.sampling: Masking = sampling
        self.transform = transform

    @property
    def csm(self) -> Tensor:
        """Coil sensitivity maps, as given."""
        return self.coils.csm

    @property
    def mask(self) -> Tensor:
        """Mask with axes [batch or 1, 1, readout or 1, phase_encode], boolean."""
        return self.sampling.mask

    @property
    def cells(self) -> Tensor:
        """Cells of the Cartesian grid in which something was measured, [batch or 1, 1, readout or 1, phase_encode]."""
        return self.transform.cells(self.mask)

    def with_mask(self, mask: Tensor) -> "Sense":
        """Return the operator of the same maps under another mask."""
        return self.with_maps(self.csm, mask)

    def with_maps(self, csm: Tensor, mask: Tensor) -> "Sense":
        """Return the operator of the same transform with other maps and another mask: items left out or repeated."""
        return Sense(CoilExpand(csm), SamplingMask(mask), self.transform)

    def acquired(self, kspace: Tensor) -> "tuple[Sense, Tensor]":
        """What of the operator and its k-space was truly acquired: here all."""
        return self, kspace

    def forward(self, x: Tensor) -> Tensor:
        """Image to acquired k-space."""
        return self.sampling.forward(self.transform.forward(self.coils.forward(x)))

    def adjoint(self, y: Tensor) -> Tensor:
        """Acquired k-space to coil-combined image."""
        require_rank(y, 4, "batch, coil, readout, phase_encode", "Sense.H")
        return self.coils.adjoint(self.transform.adjoint(self.sampling.forward(y)))

    def gridded(self, y: Tensor) -> Tensor:
        """A^H y with every sample weighted by what it stands for: the adjoint itself where each is one cell."""
        density = self.transform.density
        return self.adjoint(y if density is None else y * density)

    def cells_measured(self, like: Tensor) -> Tensor:
        """Weight of every point in sums over k-space, [batch or 1, 1, ...] as `like`: cells it stands for, or 0."""
        weight = self.mask.to(like.real.dtype)
        return weight if self.transform.density is None else weight * self.transform.density.to(weight)

    def balanced(self, y: Tensor) -> "tuple[Sense, Tensor]":
        """W^1/2 A and W^1/2 y, where W evens out samples that lie denser than the cells of the Cartesian grid.

        For iterations whose pace is that of the largest eigenvalue: of a trajectory that of its crowded centre. Where
        samples are dense, equal weights among neighbours are what least squares gives them anyway; W lowers their trust
        against a prior to that of one sample a cell. On a Cartesian grid nothing changes.
        """
        transform, weights = self.transform.balanced()
        if weights is None:
            return self, y
        return Sense(self.coils, self.sampling, transform), y * weights.to(y.real.dtype)

    @cached_property
    def between(self) -> LinearOperator:
        """F^H M F, on coil images."""
        return self.transform.normal(self.mask, self.csm.dtype)

    @property
    def norm_bound(self) -> float:
        """Upper bound of ||A^H A||: that of the transform times that of the coil maps.

        One for normalised maps on a Cartesian grid. Several sets: the largest row sum of the pixel's Gram matrix
        (Gershgorin).
        """
        csm = self.csm if self.csm.ndim == 5 else self.csm[:, None]
        gram = torch.einsum("bscxy,btcxy->bstxy", csm.conj(), csm).abs()
        of_maps = max(float(gram.sum(2).max()), torch.finfo(gram.dtype).tiny)
        return of_maps * self.transform.bound(self.between)

    @property
    def gram(self) -> LinearOperator:
        """A^H A without the transforms and shifts that cancel."""
        # The fast one has no gradient with respect to the maps.
        return super().gram if self.csm.requires_grad else SenseGram(self)

    def __repr__(self) -> str:
        return f"<Sense csm={list(self.csm.shape)} mask={list(self.mask.shape)}>"


def compiled(gram: LinearOperator) -> LinearOperator:
    """The same; a `SenseGram` by compiled loops, for who has loaded their compiler (half a second) for a network."""
    if not isinstance(gram, SenseGram):
        return gram
    quick = copy.copy(gram)
    quick.by_loops = True
    return quick


class SenseGram(LinearOperator):
    """A^H A of `Sense`: maps, F^H M F, maps again.

    On a processor the coils are taken in turn, or, where rows do not mix, a few rows of all coils: the working set then
    stays in the cache. `compiled` gives the same by compiled loops.
    """

    def __init__(self, sense: Sense) -> None:
        self.coils = sense.coils
        self.between = sense.between
        self.items = max(sense.csm.shape[0], sense.mask.shape[0])
        self.by_loops = False

    def forward(self, x: Tensor) -> Tensor:
        """Apply A^H A; differentiable, with A^H A as its own derivative."""
        self.coils.check_image(x)
        return apply_self_adjoint(x, self.apply)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H A, which is its own adjoint."""
        return self.forward(y)

    def loops_take(self, x: Tensor) -> bool:
        """Whether it is by compiled loops, and images are what other loops beside it take."""
        return self.by_loops and x.device.type == "cpu" and x.dtype == self.coils.csm.dtype == torch.complex64

    @cached_property
    def maps(self) -> Tensor:
        """[batch, set, coil, readout, phase_encode], in order; an iteration applies the operator many times."""
        csm = self.coils.csm
        return (csm[:, None] if csm.ndim == 4 else csm).resolve_conj().contiguous()

    def apply(self, x: Tensor) -> Tensor:
        """Apply A^H A outside autograd."""
        one_set = self.coils.csm.ndim == 4
        images = x[:, None] if one_set else x
        if x.device.type != "cpu":
            out = self._at_once(images)
        else:
            out = self._compiled(images) if self.by_loops else self._in_turn(images)
        return out[:, 0] if one_set else out

    def _at_once(self, images: Tensor) -> Tensor:
        measured = self.between.forward((self.maps * images[:, :, None]).sum(1))
        out: Tensor = (self.maps.conj() * measured[:, None]).sum(2)
        return out

    def _in_turn(self, images: Tensor) -> Tensor:
        out = images.new_zeros(max(len(images), self.items), *images.shape[1:])
        for coil in range(self.maps.shape[2]):
            maps = self.maps[:, :, coil]
            seen = self.between.forward((maps * images).sum(1, keepdim=True))
            out = out.addcmul(maps.conj(), seen)
        return out

    def _compiled(self, images: Tensor) -> Tensor:
        from rsd_mri.operators.coil_kernels import combine, expand  # loads a compiler

        n_coils, rows, columns = self.maps.shape[-3:]
        images = images.resolve_conj().to(torch.promote_types(images.dtype, self.maps.dtype)).contiguous()
        items = max(len(images), self.items)
        out = images.new_zeros(items, *images.shape[1:])
        seen_by = max(len(images), len(self.maps))
        by_rows = isinstance(self.between, MaskedFFT) and self.between.lines_only
        row_bytes = items * n_coils * columns * images.element_size()
        height = min(max(PART_BYTES // row_bytes, 1), rows) if by_rows else rows
        coils = n_coils if by_rows else 1
        threads = torch.get_num_threads() if items * height * coils * columns > SMALL else 1
        maps, whole, total = self.maps.numpy(), images.numpy(), out.numpy()
        for coil in range(0, n_coils, coils):
            for row in range(0, rows, height):
                count = min(height, rows - row)
                part = images.new_empty(seen_by, coils, count, columns)
                _in_rows(expand, (maps, whole, part.numpy(), coil, row), count, threads)
                measured = self.between.forward(part).contiguous().numpy()
                _in_rows(combine, (maps, measured, total, coil, row), count, threads)
        return out

    def __repr__(self) -> str:
        return f"<SenseGram csm={list(self.coils.csm.shape)} of {type(self.between).__name__}>"


def _in_rows(kernel: Callable[..., None], arguments: tuple[Any, ...], count: int, threads: int) -> None:
    in_threads(lambda start, stop: kernel(*arguments, start, stop), count, threads)
