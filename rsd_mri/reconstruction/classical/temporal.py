"""Frames of a movie reconstructed together: what one frame leaves out, the others may have measured.

The batch is time: one slice, [frame, (set,) readout, phase_encode].
"""

from typing import Any

import torch
from torch import Tensor

from rsd_mri.operators import LinearOperator, Sense
from rsd_mri.reconstruction.classical.methods import Value, default_regularisation, fista
from rsd_mri.reconstruction.classical.total_variation import DualShrinkage

LOW_RANK, SPARSE = 0.003, 0.003
"""Thresholds over the largest singular value and over the largest temporal frequency of the average over time."""
IN_TIME = 4.0
"""Weight of the differences in time over that of total variation in space."""
DUAL_STEPS = 10


def low_rank_sparse(
    operator: Sense,
    kspace: Tensor,
    sigma: Value = 0.0,
    *,
    low_rank: float = LOW_RANK,
    sparse: float = SPARSE,
    iterations: int = 100,
    tolerance: float = 1e-3,
) -> Tensor:
    """Background of low rank plus changes that are sparse in temporal frequency.

    Otazo et al. 2015, doi:10.1002/mrm.25240. Minimises 1/2 ||A (L + S) - y||^2 + a ||L||_* + b ||F S||_1, F over time,
    by the iteration of the paper.

    Parameters
    ----------
    operator
        From images to k-space of all frames of one slice.
    kspace
        [frame, coil, readout, phase_encode].
    sigma
        Noise level of the k-space: the thresholds are no lower than noise alone needs.
    low_rank, sparse
        See `LOW_RANK`.
    iterations
        At most so many.
    tolerance
        Stop when the movie changes by less than this share of its norm.
    """
    right, gram, step = operator.adjoint(kspace), operator.gram, 1 / operator.norm_bound
    movie = _average(operator, kspace)
    changes = torch.zeros_like(movie)
    noise = float(torch.as_tensor(sigma).max())
    of_rank = max(low_rank * _largest(movie), noise * (len(movie) ** 0.5))
    of_changes = max(sparse * float(torch.fft.fft(movie, dim=0, norm="ortho").abs().max()), 0.5 * noise)
    for _ in range(iterations):
        background = _lower_rank(movie - changes, of_rank)
        frequencies = torch.fft.fft(movie - background, dim=0, norm="ortho")
        magnitude = frequencies.abs()
        kept = (magnitude - of_changes).clamp_min(0) / magnitude.clamp_min(torch.finfo(magnitude.dtype).tiny)
        changes = torch.fft.ifft(kept * frequencies, dim=0, norm="ortho")
        together = background + changes
        new = together - step * (gram(together) - right)
        moved, movie = float((new - movie).norm()), new
        if moved <= tolerance * float(movie.norm()):
            break
    found: Tensor = together
    return found


def temporal_variation(
    operator: Sense,
    kspace: Tensor,
    sigma: Value = 0.0,
    *,
    regularisation: float | None = None,
    iterations: int = 100,
    tolerance: float = 1e-3,
) -> Tensor:
    """Minimise 1/2 ||A x - y||^2 + regularisation sum |x_(t+1) - x_t| by FISTA; after the last frame comes the first.

    Parameters
    ----------
    operator, kspace, sigma, iterations, tolerance
        As for `low_rank_sparse`.
    regularisation
        Weight of the penalty; from the noise level where not given.
    """
    if regularisation is None:
        regularisation = IN_TIME * float(default_regularisation("tv", operator, kspace, sigma).mean())
    together = Together(operator)
    # One item: all frames stop and turn at once.
    return fista(together, kspace[None], TimeShrinkage(), regularisation, iterations, tolerance)[0]  # type: ignore[arg-type]


class Together(LinearOperator):
    """The operator of all frames as one of one item: [1, frame, ...]."""

    def __init__(self, frames: Any) -> None:
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """Movie to k-space."""
        made: Tensor = self.frames.forward(x[0])[None]
        return made

    def adjoint(self, y: Tensor) -> Tensor:
        """K-space to movie."""
        made: Tensor = self.frames.adjoint(y[0])[None]
        return made

    def gridded(self, y: Tensor) -> Tensor:
        """As `Sense.gridded`."""
        made: Tensor = self.frames.gridded(y[0])[None]
        return made

    def balanced(self, y: Tensor) -> "tuple[Together, Tensor]":
        """As `Sense.balanced`."""
        frames, kspace = self.frames.balanced(y[0])
        return Together(frames), kspace[None]

    @property
    def norm_bound(self) -> float:
        """As `Sense.norm_bound`."""
        return float(self.frames.norm_bound)

    @property
    def gram(self) -> LinearOperator:
        """A^H A."""
        return Together(self.frames.gram)


class TimeShrinkage(DualShrinkage):
    """The proximal map of the sum of |x_(t+1) - x_t| around the cycle, of movies [1, frame, ...]."""

    bound = 4

    def __init__(self, steps: int = DUAL_STEPS) -> None:
        super().__init__(steps)

    def differences(self, image: Tensor) -> Tensor:
        """From each frame to the next."""
        return _differences(image)

    def adjoint(self, field: Tensor) -> Tensor:
        """Of `differences`."""
        return _differences_adjoint(field)

    def project(self, dual: Tensor, amount: Tensor) -> Tensor:
        """As long as the amount at most; it is [1, ...] of sizes one."""
        return dual / (dual.abs() / amount.clamp_min(1e-30)).clamp_min(1)


def _average(operator: Sense, kspace: Tensor) -> Tensor:
    """The image of the average over time, for every frame: what lines taken in turn have together."""
    plain, acquired = operator.acquired(kspace)
    masks = plain.mask.expand(len(kspace), -1, -1, -1)
    mean = (acquired * masks).sum(0, keepdim=True) / masks.sum(0, keepdim=True).clamp_min(1)
    return plain.with_mask(masks.any(0)).gridded(mean.expand_as(acquired))


def _differences(movie: Tensor) -> Tensor:
    return movie.roll(-1, 1) - movie


def _differences_adjoint(field: Tensor) -> Tensor:
    return field.roll(1, 1) - field


def _largest(movie: Tensor) -> float:
    """The largest singular value of [frame, pixel]."""
    return float(torch.linalg.matrix_norm(movie.flatten(1), ord=2))


def _lower_rank(movie: Tensor, amount: float) -> Tensor:
    """Shrink the singular values of [frame, pixel] by an amount."""
    table = movie.flatten(1)
    # Few frames, many pixels: the eigenvalues of a small matrix are enough.
    squares, vectors = torch.linalg.eigh((table @ table.mH).to(torch.complex128))
    values = squares.clamp_min(0).sqrt()
    kept = (values - amount).clamp_min(0) / values.clamp_min(1e-30)
    shrunk = (vectors * kept) @ vectors.mH
    made: Tensor = (shrunk.to(table.dtype) @ table).reshape(movie.shape)
    return made
