"""Where the centre of k-space is: the largest values against what headers and records say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.slices import Slices
from rsd_mri.machine.evenly import evenly
from rsd_mri.scan.spikes import energy_of, without_spikes

LOOKED_AT = 4
"""Slices looked at."""
NEAR = 2
"""Distance in which a peak is where it should be [points]: phase over the object moves it by as much."""
WEAKER = 4.0
"""The peak's energy over that at the expected place from which the place is doubted."""
UNSAID = 1.3
"""The same where nothing says where the centre is."""
CLEAR = 20.0
"""The peak's energy over the typical one from which it is a peak at all."""


@dataclass(frozen=True)
class Peak:
    """The largest values of k-space."""

    at: tuple[int, int]
    """(readout, phase encode)."""
    off: tuple[int, int]
    """Distance from n // 2, zero where it is within what phase over the object explains."""
    clear: bool
    """Whether it stands out of the rest."""


def find_peak(
    kspace: NDArray[np.complex64],
    looked_at: Sequence[int] | None = None,
    weaker: tuple[float, float] = (WEAKER, WEAKER),
) -> Peak:
    """Find the peak of k-space, over coils and a few slices.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode].
    looked_at
        Slices to look at.
    weaker
        The peak's energy over that at n // 2 from which the latter is doubted, along (readout, phase encode).
    """
    n_slices, _, readout, phase = kspace.shape
    energy = np.zeros((readout, phase))
    spread = evenly(n_slices, LOOKED_AT)
    for index in spread if looked_at is None else looked_at:
        one = kspace[index]
        # Each slice counts alike, or one bright slice would decide alone.
        power = energy_of(one)
        top = float(power.max())
        if np.isfinite(top) and top > 0:
            power = without_spikes(power)
            energy += power / power.max()
    row, column = (int(i) for i in np.unravel_index(int(energy.argmax()), energy.shape))
    measured = energy[energy > 0]
    if measured.size < 16 or min(readout, phase) < 16:
        return Peak((row, column), (0, 0), False)
    peak = float(energy.max())
    rows, columns = (slice(max(n // 2 - NEAR, 0), n // 2 + NEAR + 1) for n in (readout, phase))
    clear = peak > CLEAR * float(np.median(measured))
    off = []
    # Along one axis the other's peak is kept, so that each is judged alone.
    for place, n, line, limit in (
        (row, readout, energy[rows, column], weaker[0]),
        (column, phase, energy[row, columns], weaker[1]),
    ):
        doubted = clear and abs(place - n // 2) > NEAR and peak > limit * float(line.max())
        off.append(place - n // 2 if doubted else 0)
    return Peak((row, column), (off[0], off[1]), clear)


def find_peak_of_volume(
    kspace: NDArray[np.complex64], weaker: tuple[float, float, float] = (WEAKER, WEAKER, WEAKER)
) -> tuple[Peak, int, int]:
    """Find the peak of a 3-D k-space [partition, coil, readout, phase_encode].

    Parameters
    ----------
    kspace
        The volume's.
    weaker
        As for `find_peak`, along (readout, phase encode, partition).

    Returns
    -------
    peak
        Within the partition that holds it.
    partition
        That partition.
    off
        Its distance from n // 2, zero where that is within what phase over the object explains.
    """
    power = np.array([float(without_spikes(energy_of(one)).max()) for one in kspace])
    place, middle = int(power.argmax()), len(power) // 2
    peak = find_peak(kspace, [place], weaker[:2])
    near = float(power[max(middle - NEAR, 0) : middle + NEAR + 1].max())
    doubted = peak.clear and abs(place - middle) > NEAR and power[place] > weaker[2] * near
    return peak, place, place - middle if doubted else 0


def rolled(kspace: NDArray[np.complex64], off: tuple[int, int]) -> NDArray[np.complex64]:
    """Bring what lies `off` from n // 2 there: takes a linear phase out of the image, if nothing was left out."""
    if isinstance(kspace, Slices):
        kspace.change(lambda one: rolled(one, off))
        return kspace
    for axis, distance in zip((-2, -1), off, strict=True):
        if distance:
            kspace = np.roll(kspace, -distance, axis=axis)
    return kspace
