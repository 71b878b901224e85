"""Some of many, evenly spread: what is looked at where looking at all would take too long."""

import numpy as np
from numpy.typing import NDArray


def evenly(n: int, count: int) -> NDArray[np.intp]:
    """Return `count` whole numbers, or all n where there are fewer, evenly spread from 0 to n - 1."""
    found: NDArray[np.intp] = np.linspace(0, n - 1, min(n, count)).round().astype(np.intp)
    return found
