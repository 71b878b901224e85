"""Noise outside the object: its covariance over the coils, and how it falls off along the phase encoding.

The noise of a receiver is white. Many scanners, and whoever publishes their data, take the edge of k-space down by a
filter, signal and noise alike; the quietest samples then say too little. Positions outside the object hold noise alone
in every line, and show by how much (`taper`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.acs import to_readout_image
from rsd_mri.coils.taper import taper_of
from rsd_mri.coils.whitening import noise_covariance
from rsd_mri.scan.scan import Scan

COLUMN_SHARE = 0.05
"""Share of readout positions taken as free of signal to begin with."""
PARTS = np.array([-1.0, -0.875, -0.7, -0.5, -0.25, 0.25, 0.5, 0.7, 0.875, 1.0])
"""Places along the phase encoding, over the half-width of k-space, between which the noise is taken as the same."""
UNEVEN = 1.25
"""Noise of the strongest part but for the middle one over that of the weakest, amplitudes, above which it is not white:
chance comes on top."""
ROUNDING = 1e-12
"""Power of a line over that of the strongest, below which it is empty."""


@dataclass(frozen=True)
class Background:
    """Noise at the quietest readout positions."""

    outer: NDArray[np.complex128]
    """[coil, coil], covariance in the outer half of the acquired lines."""
    taper: NDArray[np.float32] | None = None
    """[phase_encode]: noise of every line over that of the centre, amplitudes; None where it is white, or positions
    without signal are too few to tell. It may be signal still: that too falls off from the centre."""
    tapered: float = 1.0
    """Mean square of it over the outer half of the acquired lines."""

    @property
    def central(self) -> NDArray[np.complex128]:
        """[coil, coil], in the centre of k-space."""
        return self.outer / self.tapered


def background(scan: Scan, sound: NDArray[np.bool_]) -> Background:
    """Find the noise at the readout positions with the least power.

    Parameters
    ----------
    scan
        Of whole lines, or shots; of these only the covariance is found.
    sound
        `sound_readout(scan)`: a bad sample would spread over all positions.
    """
    acquired = _with_something(scan, np.flatnonzero(scan.mask))
    place = (acquired - scan.size[1] // 2) / (scan.size[1] / 2)
    outer = np.abs(place) >= np.median(np.abs(place))
    hybrid = _hybrid(scan, sound, acquired[outer], window=False)
    power = np.stack([np.mean(np.abs(hybrid(index)) ** 2, axis=(0, 2)) for index in range(scan.n_slices)])
    chosen = _quiet(power, scan.n_coils * int(outer.sum()))
    covariance: NDArray[np.complex128] = np.zeros((scan.n_coils, scan.n_coils), dtype=np.complex128)
    for index in np.flatnonzero(chosen.any(axis=1)):
        # Every position has as many lines as the others, so it counts for its share of them.
        covariance += noise_covariance(hybrid(int(index))[:, chosen[index]]) * (chosen[index].sum() / chosen.sum())
    # Zeros in the readout hold no noise; the transform spreads that of the others over all positions.
    covariance /= max(float(sound.mean()), 1 / len(sound))
    taper = None if scan.trajectory is not None else _along_lines(scan, sound, acquired, place, covariance)
    if taper is None:
        return Background(covariance)
    return Background(covariance, taper, float(np.mean(np.square(taper[acquired[outer]]))))


def _with_something(scan: Scan, lines: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lines that hold more than rounding errors: a filter may end in zeros."""
    power = np.zeros(len(lines))
    for one in scan.kspace:
        power += np.square(np.abs(one[..., lines])).sum(axis=(0, 1), dtype=np.float64)
    found: NDArray[np.int64] = lines[power > ROUNDING * power.max()]
    return found if len(found) else lines


def _hybrid(
    scan: Scan, sound: NDArray[np.bool_], lines: NDArray[np.int64], window: bool
) -> Callable[[int], NDArray[np.complex64]]:
    """Of a slice: coil, readout position, line; all slices at once would take as much as the scan."""
    weights = sound.astype(np.float32)
    if window:
        # Without edges in k-space a bright object does not reach positions outside it.
        weights *= np.hanning(len(sound) + 2)[1:-1].astype(np.float32)
    return lambda index: to_readout_image(scan.kspace[index][..., lines] * weights[:, None])


def _quiet(power: NDArray[np.floating], samples: int) -> NDArray[np.bool_]:
    """The positions [slice, readout] as quiet as the quietest, of power means over so many samples."""
    power = np.where(power > 0, power, np.inf)
    n_start = max(4, round(COLUMN_SHARE * np.isfinite(power).sum()))
    quiet = np.sort(power, axis=None)[:n_start]
    # Positions of noise alone scatter by 1 / sqrt(samples); take all that fit the quiet ones.
    limit = np.median(quiet) * (1 + 4 / np.sqrt(samples))
    found: NDArray[np.bool_] = power <= max(limit, quiet[-1])
    return found


def _along_lines(
    scan: Scan,
    sound: NDArray[np.bool_],
    acquired: NDArray[np.int64],
    place: NDArray[np.floating],
    covariance: NDArray[np.complex128],
) -> NDArray[np.float32] | None:
    """Noise of every line over that of the centre, [phase_encode]; None where it is white, or unknown."""
    part = np.clip(np.searchsorted(PARTS, place, side="right") - 1, 0, len(PARTS) - 2)
    there, number, lines = np.unique(part, return_inverse=True, return_counts=True)
    outside = there != len(PARTS) // 2 - 1
    if outside.sum() < 2:
        return None
    hybrid = _hybrid(scan, sound, acquired, window=True)
    squares = (np.mean(np.abs(hybrid(index)) ** 2, axis=0) for index in range(scan.n_slices))
    # [part, slice, readout position]
    power = np.stack([[one[:, number == n].mean(axis=1) for n in range(len(there))] for one in squares], axis=1)
    floors = np.quantile(np.where(power > 0, power, np.inf), COLUMN_SHARE, axis=(1, 2), keepdims=True)
    if not np.isfinite(floors).all():
        return None
    # The middle has no say: signal leaks there, and every part has its own level.
    quietness = np.average((power / floors)[outside], axis=0, weights=lines[outside])
    chosen = _quiet(quietness, scan.n_coils * int(lines[outside].sum()))
    if chosen.sum() < 2 * max(4, round(COLUMN_SHARE * chosen.size)):
        return None
    found = power[:, chosen].mean(axis=1)
    # The window joins neighbours: of three positions two say something new.
    samples = scan.n_coils * chosen.sum() * 2 / 3
    chance = 1 / np.sqrt(lines * samples)
    least, most = (outside.nonzero()[0][at(found[outside])] for at in (np.argmin, np.argmax))
    certain = found[most] * (1 - 3 * chance[most]) > UNEVEN**2 * found[least] * (1 + 3 * chance[least])
    if not certain:
        return None
    total = np.zeros(len(acquired))
    for index in np.flatnonzero(chosen.any(axis=1)):
        total += np.mean(np.abs(hybrid(int(index))[:, chosen[index]]) ** 2, axis=0).sum(axis=0, dtype=np.float64)
    # Coils that hear the same noise say it once.
    independent = float(np.trace(covariance).real ** 2 / np.square(np.abs(covariance)).sum())
    return taper_of(place, total / chosen.sum(), float(samples) * independent / scan.n_coils, scan.size[1])
