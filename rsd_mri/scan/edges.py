"""Samples at the ends of a readout that are no data: receivers that settle, marks, pilot tones switched on and off."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.slices import change_each

OUTER = 8
"""An outer part of the readout is one over this of it."""
WIDEST = 16
"""At most one over this of the readout is no data at either end."""
LOUDER = 16.0
"""Power over the typical one of the outer part from which samples are no data."""


def foreign_samples(kspace: NDArray[np.complex64]) -> tuple[int, int]:
    """Number of samples at the begin and the end of the readout that are no data.

    K-space fades towards its ends, so samples there that are louder than those further in, on most lines of most
    coils, were not measured.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode].
    """
    n = kspace.shape[2]
    if n < 4 * OUTER:
        return 0, 0
    one = kspace[int(np.argmax([float((np.abs(k[:, n // 2]) ** 2).sum()) for k in kspace]))]
    lines = one.any(axis=(0, 1))
    power = np.abs(one[..., lines]) ** 2
    profile = np.median(power.reshape(power.shape[0], n, -1), axis=(0, 2))
    filled = np.flatnonzero(profile > 0)
    if len(filled) < 4 * OUTER:
        return 0, 0
    counts = []
    for ends in (profile[filled], profile[filled][::-1]):
        outer = ends[: len(ends) // OUTER]
        loud = outer > LOUDER * np.median(ends[len(ends) // WIDEST : len(ends) // OUTER])
        count = int(loud.argmin()) if not loud.all() else 0
        counts.append(count if count <= len(ends) // WIDEST else 0)
    before, after = counts
    first, last = int(filled[0]), int(filled[-1])
    return (first + before if before else 0), (n - 1 - last + after if after else 0)


def without_foreign_samples(kspace: NDArray[np.complex64]) -> tuple[str, ...]:
    """Set samples that are no data to zero, in place; return a note where there were any."""
    before, after = foreign_samples(kspace)
    if not before and not after:
        return ()
    n = kspace.shape[2]

    def without(one: NDArray[np.complex64]) -> NDArray[np.complex64]:
        one[:, :before] = 0
        one[:, n - after :] = 0
        return one

    change_each(kspace, without)
    words = " and ".join(f"{count} at its {end}" for count, end in ((before, "begin"), (after, "end")) if count)
    return (f"samples of the readout ({words}) are far louder than those beside them: no data, they were left out",)
