"""The two usual ways to fill what partial Fourier left out; where nothing was left out both are zero filling.

Both know the image to be real but for the phase in the maps. They fill k-space and do not unfold: for scans of which
every line on the longer side was acquired. Virtual conjugate coils, which all other methods have, do both.
"""

import torch
from torch import Tensor

from rsd_mri.operators import ConjugateSense, Sense
from rsd_mri.operators.conjugate_gradient import energy


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
    """Two where k was acquired and -k was not, a ramp where both were: k and -k count two together.

    Along the axis that is the more lopsided.
    """
    full = mask.expand(*mask.shape[:2], *like.shape[-2:])[0, 0]
    reaches = []
    for axis, n in enumerate(full.shape):
        places = full.any(1 - axis).nonzero()[:, 0] - n // 2
        low, high = (-int(places[0]), int(places[-1])) if len(places) else (1, 1)
        reaches.append((min(low, high) / max(low, high, 1), low, high, n))
    _, low, high, n = min(reaches)
    axis = reaches.index(min(reaches))
    points = torch.arange(n, device=like.device) - n // 2
    side, reach = (1 if high > low else -1), max(min(low, high), 1)
    weight = 1 + side * (points / (reach + 1)).clamp(-1, 1)
    if n % 2 == 0:
        weight[0] = 1  # its own mirror image
    weight = weight.to(like.real.dtype)
    return weight[:, None] if axis == 0 else weight
