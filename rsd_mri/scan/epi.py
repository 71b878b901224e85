"""Echo-planar readouts: lines read forth and back are brought together, and samples on the gradient's ramps regridded.

Lines read backwards differ from the others by a delay (a linear phase over the readout's image) and by a constant
phase; left alone they put a ghost half a field of view away. Navigator lines without phase encoding measure the
difference (Bruder et al. 1992, Magn Reson Med 23:311). Where there are none, and of what they leave, the difference is
that which makes the image sparsest; shifts by half a field of view look the same, so the smaller phase is taken.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.header import Header

MOST_DELAY = 4.0
"""Largest delay between forward and backward lines that is looked for [samples]."""
TIKHONOV = 1e-3
"""Weight of the regridded image's energy, relative to the samples'."""


@dataclass(frozen=True)
class Readout:
    """Timing of a readout whose samples lie partly on the gradient's ramps [us]."""

    up: float
    flat: float
    down: float
    delay: float
    """From the begin of the ramp to the first sample."""
    dwell: float
    """Between two samples."""
    sinusoidal: bool = False

    def gradient(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Strength of the readout gradient relative to its plateau."""
        rise = np.clip(time / max(self.up, 1e-9), 0, 1)
        fall = np.clip((self.up + self.flat + self.down - time) / max(self.down, 1e-9), 0, 1)
        strength = np.minimum(rise, fall)
        return np.sin(np.pi / 2 * strength) if self.sinusoidal else strength

    def positions(self, n: int) -> NDArray[np.float64]:
        """Place of each of n samples in k-space, in units of n even steps over what they span; 0 in the middle."""
        fine = 64
        edges = np.linspace(0, self.up + self.flat + self.down, 4096)
        travelled = np.concatenate([[0.0], np.cumsum(self.gradient((edges[1:] + edges[:-1]) / 2) * np.diff(edges))])
        centre = np.interp(self.up + self.flat / 2, edges, travelled)
        begin = self.delay + self.dwell * np.arange(n)
        inside = begin[:, None] + self.dwell * (np.arange(fine) + 0.5) / fine
        places = np.interp(inside, edges, travelled).mean(axis=1) - centre
        ends = np.interp([self.delay, self.delay + n * self.dwell], edges, travelled)
        found: NDArray[np.float64] = places / (ends[1] - ends[0]) * n
        return found


def readout_timing(header: Header) -> Readout | None:
    """Timing of a ramp-sampled readout that a header describes whole, or None."""
    wanted = ("rampUpTime", "flatTopTime", "rampDownTime", "acqDelayTime", "dwellTime")
    values = [header.parameters.get(key, -1.0) for key in wanted]
    if min(values) < 0 or values[-1] <= 0 or not 0 < sum(values[:3]) < 1e6:
        return None
    up, flat, down, delay, dwell = values
    return Readout(up, flat, down, delay, dwell, "sinus" in (header.description or "").lower())


def regridding(
    timing: Readout, n: int, size: int | None = None, backward: bool = False
) -> NDArray[np.complex64] | None:
    """Matrix [size, n] from samples of a readout to even steps; None where all samples lie on the plateau.

    The image along the readout that fits the samples best, within the field of view that their widest spacing
    carries, is transformed to even steps.

    Parameters
    ----------
    timing
        Of the readout.
    n
        Samples.
    size
        Even steps over what the samples span; as many as samples without it.
    backward
        Whether the line is read backwards and turned round later: then its centre is at size - 1 - size // 2.
    """
    size = n if size is None else size
    places = timing.positions(n) * (size / n)
    steps = np.diff(places)
    if not np.isfinite(places).all() or steps.min() <= 0 or (np.ptp(steps) < 1e-3 * steps.max() and size == n):
        return None
    x: NDArray[np.intp] = np.arange(size) - size // 2
    inside = np.abs(x) <= min(int(size / steps.max()), size) // 2
    wanted: NDArray[np.intp] = np.arange(size) - (size - 1 - size // 2 if backward else size // 2)
    model = np.exp(-2j * np.pi * places[:, None] * x[inside] / size)
    even = np.exp(-2j * np.pi * wanted[:, None] * x[inside] / size)
    normal = model.conj().T @ model + TIKHONOV * n * np.eye(int(inside.sum()))
    found: NDArray[np.complex64] = (even @ np.linalg.solve(normal, model.conj().T)).astype(np.complex64)
    return found


def regridded(samples: NDArray[np.complex64], matrix: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Samples [coil, sample] in the order of time at even steps of k-space."""
    found: NDArray[np.complex64] = samples @ matrix.T
    return found


def navigated(forward: NDArray[np.complex64], backward: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Phase of forward over backward lines along the readout's image, from lines without phase encoding.

    Parameters
    ----------
    forward, backward
        [line, coil, readout] in k-space, backward lines turned round. The mean of each is compared, so that a drift
        over forward, backward, forward cancels.

    Returns
    -------
    NDArray[Any]
        [readout] (rad), constant and linear.
    """
    images = [_along(lines.mean(axis=0), inverse=True) for lines in (forward, backward)]
    return _line_through((images[0] * images[1].conj()).sum(axis=0))


def read_both_ways(forward: NDArray[np.complex64], backward: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Phase of forward over backward lines, [readout] (rad), where the same lines were read both ways.

    Parameters
    ----------
    forward, backward
        [coil, readout, phase_encode] k-space of the same lines.
    """
    images = [_along(lines, inverse=True) for lines in (forward, backward)]
    return _line_through((images[0] * images[1].conj()).sum(axis=(0, 2)))


def _line_through(ratio: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    """Constant and linear phase of [readout] numbers, by their strength."""
    x: NDArray[np.intp] = np.arange(len(ratio)) - len(ratio) // 2
    slope = float(np.angle((ratio[1:] * ratio[:-1].conj()).sum()))
    constant = float(np.angle((ratio * np.exp(-1j * slope * x)).sum()))
    rest = np.angle(ratio * np.exp(-1j * (slope * x + constant)))
    weight = np.abs(ratio)
    fit = np.polyfit(x, rest, 1, w=np.sqrt(weight / max(weight.max(), 1e-30)))
    found: NDArray[np.float64] = (slope + fit[0]) * x + constant + fit[1]
    return found


def found(forward: NDArray[np.complex64], backward: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Phase of forward over backward lines that makes the images sparsest.

    Parameters
    ----------
    forward, backward
        [slice, coil, readout, phase_encode] k-space with the lines of the other kind zero; together every line.

    Returns
    -------
    NDArray[Any]
        [readout] (rad), constant and linear, the constant within a quarter turn of zero at the signal's centre.
    """
    power: NDArray[np.float64] = np.zeros((len(forward), forward.shape[2], forward.shape[3]))
    cross: NDArray[np.complex128] = np.zeros(power.shape, np.complex128)
    for i in range(len(forward)):
        one, other = (_along(_along(k[i], inverse=True), inverse=True, axis=-1) for k in (forward, backward))
        power[i] = (np.abs(one) ** 2 + np.abs(other) ** 2).sum(axis=0)
        cross[i] = (one * other.conj()).sum(axis=0)
    n = power.shape[1]
    x: NDArray[np.intp] = np.arange(n) - n // 2
    weight = power.sum(axis=(0, 2))
    middle = float((weight * x).sum() / max(weight.sum(), 1e-30))

    def rough(delay: float, constant: float) -> float:
        turn = np.exp(-1j * (2 * np.pi * delay * (x - middle) / n + constant))
        return float(np.sqrt(np.maximum(power + 2 * (cross * turn[:, None]).real, 0)).sum())

    best, width = (0.0, 0.0), (MOST_DELAY, np.pi / 2)
    for points in (17, 9, 9, 9, 9, 9):
        delays, constants = (np.linspace(b - w, b + w, points) for b, w in zip(best, width, strict=True))
        best = min(((d, c) for d in delays for c in constants), key=lambda pair: rough(*pair))
        width = (width[0] / 3, width[1] / 3)
    constant = (best[1] + np.pi / 2) % np.pi - np.pi / 2
    found: NDArray[np.float64] = 2 * np.pi * best[0] * (x - middle) / n + constant
    return found


def turned(kspace: NDArray[np.complex64], phase: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Multiply the readout's image of [..., coil, readout, phase_encode] by exp(i phase)."""
    return _along(_along(kspace, inverse=True) * np.exp(1j * phase)[:, None].astype(np.complex64), inverse=False)


def turned_line(samples: NDArray[np.complex64], phase: NDArray[np.float64], start: int) -> NDArray[np.complex64]:
    """Multiply the image of one line by exp(i phase / 2).

    Parameters
    ----------
    samples
        [coil, sample], some of the readout.
    phase
        [readout] (rad).
    start
        Place of the first sample in the readout.
    """
    whole: NDArray[np.complex64] = np.zeros((len(samples), len(phase), 1), np.complex64)
    stop = start + samples.shape[1]
    whole[:, start:stop, 0] = samples
    return turned(whole, phase / 2)[:, start:stop, 0]


def ghost(phase: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Share of the signal that a phase between forward and backward lines puts into the ghost.

    Parameters
    ----------
    phase
        [readout] (rad).
    weight
        [readout]: energy of the readout's image.
    """
    share = (weight * np.sin(phase / 2) ** 2).sum() / max(weight.sum(), 1e-30)
    return float(np.sqrt(share))


def readout_energy(kspace: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Energy of the readout's image of [coil, readout, phase_encode], [readout]."""
    power: NDArray[np.float64] = (np.abs(_along(kspace, inverse=True)) ** 2).sum(axis=(0, 2), dtype=np.float64)
    return power


def along_partitions(kspace: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """The image along the partitions of [partition, coil, readout, phase_encode]."""
    return _along(kspace, inverse=True, axis=0)


def _along(array: NDArray[Any], inverse: bool, axis: int | None = None) -> NDArray[Any]:
    """Centred transform along the readout ([..., readout] of 2 axes, else [..., readout, phase_encode]) or an axis."""
    axis = axis if axis is not None else (-1 if array.ndim == 2 else -2)
    import torch

    from rsd_mri.operators.fourier import fft1c, ifft1c

    way = ifft1c if inverse else fft1c
    return way(torch.from_numpy(np.ascontiguousarray(array)), dim=axis).numpy()
