"""A coil whose gain alone is so large that a root sum of squares shows little but its image."""

import numpy as np
from numpy.typing import NDArray

LOUDER = 5.0
"""Noise of a coil over the usual one from which its gain is another: arrays of one kind differ by two to three."""
MOST_OF_IT = 0.5
"""Share of the energy of all coils above which one shades the image."""


def loudest_in_words(back: NDArray[np.complexfloating], calibration: NDArray[np.complexfloating]) -> str | None:
    """One sentence on a coil that is louder than the others, noise and signal alike; None where there is none.

    Parameters
    ----------
    back
        [coil, virtual coil]: from virtual coils with equal noise to the scan's.
    calibration
        [slice, virtual coil, readout, phase_encode] of the centre of k-space.
    """
    levels = np.linalg.norm(back, axis=1)
    relations = np.einsum("svyx,swyx->vw", calibration, calibration.conj(), optimize=True)
    energy: NDArray[np.float64] = np.einsum("cv,vw,cw->c", back, relations, back.conj(), optimize=True).real
    usual, total = float(np.median(levels)), float(energy.sum())
    if not (usual > 0 and total > 0):
        return None
    coil = int(energy.argmax())
    times, share = float(levels[coil]) / usual, float(energy[coil]) / total
    if times < LOUDER or share < MOST_OF_IT:
        return None
    return (
        f"Coil {coil} is {times:.3g} times as loud as the usual one, noise and signal alike, with {100 * share:.0f} % "
        "of the energy: coils count by their noise, but the image is shaded as their root sum of squares is, mostly "
        "by this one; divide the coils by their noise for an even image."
    )
