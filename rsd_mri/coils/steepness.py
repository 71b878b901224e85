"""How steeply k-space falls off at its edge, which tells a filter from an object."""

import numpy as np

from rsd_mri.scan.scan import Scan

EDGE, INSIDE = 0.94, (0.7, 0.85)
"""Parts of the half-width of k-space that are compared."""
STEEP = 0.35
"""Power of the one over that of the other, geometric means, below which a filter was at work: of 30 scans under points
without any, of simulated heads and real hearts, 0.43 to 1.12; with a window of Hann, Hamming, Gauss, Fermi or Tukey
along one axis 0 to 0.30."""


def falls_steeply(scan: Scan) -> bool:
    """Tell whether power falls off at the edge of k-space, along either axis, as no object makes it fall."""
    mask = np.broadcast_to(scan.mask, scan.size)
    power = np.zeros(scan.size)
    for one in scan.kspace:
        power += np.square(np.abs(one)).mean(axis=0, dtype=np.float64)
    logarithm = np.log(np.maximum(power, np.finfo(float).tiny))
    places = (np.abs(np.arange(n) - n // 2) / (n / 2) for n in scan.size)
    for place in np.meshgrid(*places, indexing="ij"):
        edge, inside = mask & (place > EDGE), mask & (place > INSIDE[0]) & (place < INSIDE[1])
        if edge.any() and inside.any() and np.exp(logarithm[edge].mean() - logarithm[inside].mean()) < STEEP:
            return True
    return False
