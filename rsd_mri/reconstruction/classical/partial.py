"""The two usual ways to fill what partial Fourier left out; where nothing was left out both are zero filling.

Both know the image to be real but for the phase in the maps. They fill k-space and do not unfold: for scans of which
every line on the longer side was acquired. Virtual conjugate coils, which all other methods have, do both.
"""

import torch
from torch import Tensor

from rsd_mri.operators import ConjugateSense, Sense
from rsd_mri.operators.conjugate import mirrored
from rsd_mri.reconstruction.conjugate_gradient import energy

RAMP = 0.5
"""Width of homodyne's ramp, over that of the band in which both sides were acquired, on either side of its edge."""


def homodyne(operator: Sense, kspace: Tensor, sigma: float | Tensor = 0.0) -> Tensor:  # noqa: ARG001
    """Count twice what was acquired on one side alone, and take the real part (Noll et al. 1991, doi:10.1109/42.79473).

    Parameters
    ----------
    operator
        From image to acquired k-space.
    kspace
        As of the operator.
    sigma
        Makes no difference.
    """
    if not isinstance(operator, ConjugateSense):
        return operator.gridded(kspace)
    plain, acquired = operator.acquired(kspace)
    image = plain.gridded(acquired * _twice(operator.mask, acquired))
    return torch.complex(image.real, torch.zeros_like(image.real))


def projections(
    operator: Sense,
    kspace: Tensor,
    sigma: float | Tensor = 0.0,  # noqa: ARG001
    *,
    iterations: int = 50,
    tolerance: float = 1e-3,
) -> Tensor:
    """Project onto the data and onto real images in turn (POCS; Haacke et al. 1991, doi:10.1016/0022-2364(91)90187-V).

    Parameters
    ----------
    operator, kspace, sigma
        As for `homodyne`.
    iterations
        At most so many.
    tolerance
        Stop when no item changes by more than this share of its norm.
    """
    if not isinstance(operator, ConjugateSense):
        return operator.gridded(kspace)
    plain, acquired = operator.acquired(kspace)
    right, gram = plain.gridded(acquired), plain.gram
    image = right
    for _ in range(iterations):
        moved = image + (right - gram(image)) / plain.norm_bound
        real = torch.complex(moved.real, torch.zeros_like(moved.real))
        done = bool((energy(real - image) <= tolerance**2 * energy(real)).all())
        image = real
        if done:
            break
    return image


def _twice(mask: Tensor, like: Tensor) -> Tensor:
    """Two where k was acquired and -k was not, one where both were, with a ramp between them along each axis."""
    full = mask.expand(*mask.shape[:2], *like.shape[-2:])
    alone = (full & ~mirrored(full)).to(like.real.dtype)
    # The ramp stays antisymmetric about the edge of the band, so that k and -k together still count twice.
    weight = 1 + alone - mirrored(alone)
    for dim in (-2, -1):
        width = _ramp_width(alone, dim)
        if width > 1:
            weight = _smoothed(weight, width, dim)
    return weight


def _ramp_width(alone: Tensor, dim: int) -> int:
    """Points of the ramp along an axis; 0 where nothing is missing along it."""
    other = -1 if dim == -2 else -2
    line = alone.amax(other).flatten(0, -2).amax(0) > 0
    if not bool(line.any()) or bool(line.all()):
        return 0
    n = len(line)
    places = line.nonzero()[:, 0] - n // 2
    return int(RAMP * int(places.abs().min()))


def _smoothed(weight: Tensor, width: int, dim: int) -> Tensor:
    """Running mean over 2 width + 1 points; the edges are repeated."""
    n = weight.shape[dim]
    index = torch.arange(-width, n + width, device=weight.device).clamp(0, n - 1)
    total = weight.index_select(dim, index).cumsum(dim)
    zero = torch.zeros_like(total.narrow(dim, 0, 1))
    total = torch.cat([zero, total], dim)
    span = 2 * width + 1
    smoothed: Tensor = (total.narrow(dim, span, n) - total.narrow(dim, 0, n)) / span
    return smoothed
