"""The part of an oversampled readout that the receiver's filter lets through.

A receiver samples the readout faster than the image needs, through a digital filter that falls off towards both ends of
what is sampled: there noise is quieter than in the image, by a factor of 2.5 in a measured scan. Positions beyond the
image are then no measure of the noise in it.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.acs import prepared_readout, to_readout_image, without_oversampling
from rsd_mri.machine.evenly import evenly
from rsd_mri.scan.scan import Scan

ROLLED_OFF = 1.5
"""Power in the second quarter of what lies beyond the image over that in the first, from the end of the readout, above
which a filter falls off there: 1 of white noise, 2.6 in a measured scan. Looked for on both sides: an object seldom
reaches that far on both."""
MOST_SLICES = 8
"""Slices that are kept of a scan of which the readout is cut: bounds memory, and is plenty for a level."""


def in_passband(scan: Scan) -> Scan:
    """Cut the readout to the image where noise falls off towards both ends of it.

    Parameters
    ----------
    scan
        Of whole lines; any other is left as it is, as one whose readout was not sampled throughout.

    Returns
    -------
    Scan
        A few of its slices, with `image_size[0]` samples along the readout; or `scan` itself.
    """
    size = prepared_readout(scan)
    outside = (scan.size[0] - size) // 2
    if scan.trajectory is not None or scan.mask.ndim != 1 or outside < 8:
        return scan
    slices = evenly(scan.n_slices, MOST_SLICES)
    profile = _profile(scan, slices)
    if profile is None:
        return scan
    quarter = max(outside // 4, 2)
    for side in (profile, profile[::-1]):
        if np.median(side[quarter : 2 * quarter]) <= ROLLED_OFF * np.median(side[:quarter]):
            return scan
    kept = [without_oversampling(scan.kspace[index] * scan.mask, size) for index in slices]
    return replace(scan, kspace=np.stack(kept))


def _profile(scan: Scan, slices: NDArray[np.integer]) -> NDArray[np.float64] | None:
    """Power of the outer half of the acquired lines, [readout position]; None where samples are missing."""
    acquired = np.flatnonzero(scan.mask)
    distance = np.abs(acquired - scan.size[1] // 2)
    lines = acquired[distance >= np.median(distance)]
    # Without edges in k-space a bright object does not reach the positions beside it.
    window = np.hanning(scan.size[0] + 2)[1:-1, None].astype(np.float32)
    power = np.zeros(scan.size[0])
    for index in slices:
        outer = scan.kspace[index][..., lines]
        if not (outer != 0).any(axis=(0, 2)).all():
            return None
        power += np.square(np.abs(to_readout_image(outer * window))).mean(axis=(0, 2), dtype=np.float64)
    return power
