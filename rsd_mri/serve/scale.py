"""One factor from values to stored values for a whole measurement, settled by its first image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.serve.pixels import AMONG_MANY, FOR_SAMPLES, YET_TO_COME, level_of

USUAL_BITS, MOST_BITS = 12, 15


@dataclass(frozen=True)
class Scale:
    """How values are stored."""

    factor: float
    largest: int
    window: tuple[float, float]
    """Centre and width in stored values."""


def energies(kspace: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Root of the energy of each slice of k-space, [slice]."""
    return np.array([float(np.linalg.norm(one)) for one in kspace])


def settle_scale(
    magnitude: NDArray[np.floating],
    own: float,
    others: Sequence[float],
    *,
    bits: int | None,
    samples: bool,
    more: bool,
    whole_numbers: bool,
) -> Scale:
    """Settle the factor.

    Parameters
    ----------
    magnitude
        The first image.
    own, others
        Root of the energy of its k-space, and of those of the other slices that are there: how bright they will be.
    bits
        Stored, where the header says.
    samples
        Whether images of another method, or samples, follow.
    more
        Whether slices are still to be measured.
    whole_numbers
        Whether values are stored as whole numbers; others are stored as they are.
    """
    largest = 2 ** min(bits if bits is not None and bits > 1 else USUAL_BITS, MOST_BITS) - 1
    if not whole_numbers:
        white = _white(magnitude)
        return Scale(1.0, largest, (white / 2, white))
    brightest = max([own, *others]) / own if own > 0 else 1.0
    room = brightest * (FOR_SAMPLES if samples else 1.0)
    room *= AMONG_MANY if len(others) > 0 else 1.0
    room *= YET_TO_COME if more else 1.0
    factor = largest / (level_of(magnitude) * room)
    white = min(_white(magnitude) * factor, largest)
    return Scale(factor, largest, (white / 2, white))


def _white(magnitude: NDArray[np.floating]) -> float:
    """The brightness shown as white: a high percentile of what is not background."""
    lit = magnitude[magnitude > 0.05 * magnitude.max(initial=0)]
    return float(np.quantile(lit, 0.998)) if lit.size else 1.0
