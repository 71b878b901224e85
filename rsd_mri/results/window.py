"""The brightness in which images are shown."""

import numpy as np
from numpy.typing import NDArray


def upper_window(volume: NDArray[np.generic], percentile: float = 99.8) -> float:
    """The brightness shown as white: a high percentile of what is not background; never zero."""
    values = np.abs(volume)
    lit = values[values > 0.05 * values.max(initial=0)]
    return float(np.percentile(lit, percentile)) if lit.size else 1.0
