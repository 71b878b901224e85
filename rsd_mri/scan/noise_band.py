"""The band of a noise scan that a receiver's filter lets through.

A receiver's digital filter falls off towards both ends of the band that it samples. The image of an oversampled
readout lies where it is flat; noise over the whole band has less power than noise there: 0.8 of it in a measured scan
of a Siemens scanner. ISMRMRD headers call that the relative noise bandwidth of the receiver.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INSIDE, OUTSIDE = 0.5, 0.75
"""Parts of the half-width of the band that are compared: inside the one and outside the other."""
ROLLED_OFF = 0.8
"""Power outside over that inside below which a filter fell off: 0.4 of a measured scan, 1 of white noise. At 0.8 a
level over the whole band is 3 % too low."""
CERTAIN = 4.0
"""Standard errors by which the ratio has to differ from 1 for a filter, and could tell a measured one from none."""
MEASURED = 0.4
"""The ratio of a measured scan."""

CUT = (
    "the receiver's filter took the noise scan down towards the ends of its band; noise is that in the middle, where "
    "the image lies"
)


@dataclass(frozen=True)
class NoiseBand:
    """Noise in the band of the image."""

    samples: NDArray[np.complex64]
    """[coil, sample]: cut to the middle of its band where a filter fell off, else as it was."""
    known: bool
    """Whether there were enough samples to tell."""
    cut: bool
    """Whether a filter fell off."""


def in_band(noise: NDArray[np.complex64]) -> NoiseBand:
    """Cut noise to the middle half of its band where the receiver's filter fell off towards both ends of it.

    What is cut has the power of the middle in every sample, and is white: cut again, it stays as it is.

    Parameters
    ----------
    noise
        [coil, sample], complex, readouts one after the other.
    """
    n = noise.shape[-1]
    spectrum = np.fft.fftshift(np.fft.fft(noise, norm="ortho"), axes=-1)
    coils: NDArray[np.float64] = np.square(np.abs(noise)).mean(axis=-1, dtype=np.float64)
    heard = coils > 0
    if not heard.any():
        return NoiseBand(noise, False, False)
    # Every coil counts alike; medians, since a scanner's own tones stand out of a few frequencies.
    power = (np.square(np.abs(spectrum[heard])) / coils[heard][:, None]).mean(axis=0)
    place = (np.arange(n) - n // 2) / (n / 2)
    middle = np.abs(place) < INSIDE
    ends = place < -OUTSIDE, place > OUTSIDE
    if min(middle.sum(), *(end.sum() for end in ends)) < 8:
        return NoiseBand(noise, False, False)
    inside = float(np.median(power[middle]))
    ratios = [float(np.median(power[end])) / inside for end in ends]
    # Of the median of powers of one coil; coils share their noise, so that more of them are not counted.
    error = np.sqrt(1 / middle.sum() + 1 / ends[0].sum()) / np.log(2)
    if max(ratios) < min(ROLLED_OFF, 1 - CERTAIN * error):
        kept = spectrum[:, middle]
        cut = np.fft.ifft(np.fft.ifftshift(kept, axes=-1), norm="ortho")
        return NoiseBand(cut.astype(np.complex64), True, True)
    return NoiseBand(noise, CERTAIN * error < 1 - MEASURED, False)
