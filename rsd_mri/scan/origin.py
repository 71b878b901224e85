"""Arrays whose zero frequency, or whose image, begins at index 0: transforms without a shift put them there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.spikes import energy_of, spikes

CORNER = 2
"""Distance from index 0 within which the peak of k-space counts as being there."""
BEYOND = 3 * np.pi / 4
"""Angle of the image's centre of mass, taken around the field of view, from which it lies across the border."""
SPREAD, CONCENTRATED = 0.3, 0.5
"""Shares of the energy in the brightest hundredth of the points: the most of an image, and the least of k-space."""
LOW = 64
"""Width of the middle of k-space by which the object is looked for where a header says where the image lies."""
FEW = 12
"""Points of the shorter axis from which it is looked at."""
CERTAIN = 0.25
"""Length of the mean direction from which it is one; 0 is an image that fills the field of view evenly."""


@dataclass(frozen=True)
class Origin:
    """Where an array begins."""

    frequency: tuple[bool, bool]
    """Whether zero frequency lies at index 0 of readout and phase encode."""
    image: tuple[bool, bool]
    """Whether the image lies across the border along readout and phase encode."""

    @property
    def usual(self) -> bool:
        """Both lie in the middle."""
        return not any(self.frequency + self.image)


def find_origin(kspace: NDArray[np.complex64]) -> Origin:
    """Look where the largest values of k-space lie, and then where the object does.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode].
    """
    energies = [float((np.abs(one[:, ::4, ::4]) ** 2).sum()) for one in kspace]
    one = kspace[int(np.argmax(energies))]
    one = np.where(spikes(energy_of(one)), np.complex64(0), one)
    power = (np.abs(one).astype(np.float64) ** 2).sum(axis=0)
    peak = np.unravel_index(int(power.argmax()), power.shape)
    at_corner = [min(int(p), n - int(p)) <= CORNER and n >= 16 for p, n in zip(peak, power.shape, strict=True)]
    # Both or none: a peak at one end of one axis only is an echo out of place.
    frequency = (True, True) if all(at_corner) else (False, False)
    moved = np.fft.fftshift(one, axes=(-2, -1)) if all(at_corner) else one
    image = (np.abs(_image(moved)).astype(np.float64) ** 2).sum(axis=0)
    image = np.maximum(image - 2 * np.median(image), 0)
    certain, likely = [], []
    for axis in (0, 1):
        profile = image.sum(axis=1 - axis)
        n = len(profile)
        angles = 2 * np.pi * (np.arange(n) - n // 2) / n
        mean = (profile * np.exp(1j * angles)).sum() / max(profile.sum(), 1e-300)
        certain.append(bool(abs(mean) > CERTAIN and abs(np.angle(mean)) > BEYOND))
        width = max(n // 8, 1)
        border, middle = (np.roll(profile, -c)[:width].sum() for c in (-(width // 2), n // 2 - width // 2))
        likely.append(bool(border > middle))
    # Transforms without shifts are so along both axes: where one is certain, less is asked of the other.
    across = (likely[0] or certain[0], likely[1] or certain[1]) if any(certain) else (False, False)
    return Origin(frequency, across)


def beyond_in_words(kspace: NDArray[np.complex64]) -> tuple[str, ...]:
    """A note where the object lies across the border of the field of view, from the middle of k-space.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode] with its centre in the middle.
    """
    rows, columns = (slice(max(n // 2 - LOW // 2, 0), n // 2 + LOW // 2) for n in kspace.shape[2:])
    # Partitions of a slab may be few.
    if max(kspace.shape[2:]) < LOW // 2 or min(kspace.shape[2:]) < FEW:
        return ()
    across = find_origin(kspace[len(kspace) // 2 : len(kspace) // 2 + 1, :, rows, columns]).image
    along = [name for name, yes in zip(("readout", "phase encode"), across, strict=True) if yes]
    if not along:
        return ()
    return (
        f"the object lies across the border of the field of view along {' and '.join(along)}: where the scanner "
        "alternates the sign of its lines (RF chopping) and nothing took that back, multiply every second one by -1; "
        "else it was measured there",
    )


def looks_like_images(kspace: NDArray[np.complex64]) -> bool:
    """Whether images of coils were given in the place of their k-space, whose energy lies in a few points.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode].
    """
    one = kspace[len(kspace) // 2]
    share, _ = _concentration(one)
    turned, peak = _concentration(_image(one))
    far = [min(abs(p - n // 2), p, n - p) for p, n in zip(peak, one.shape[-2:], strict=True)]
    return share < SPREAD and turned > CONCENTRATED and max(far) <= CORNER


def _concentration(array: NDArray[np.complex64]) -> tuple[float, tuple[int, int]]:
    """Share of the energy of [coil, y, x] in the brightest hundredth of the points, and the brightest of them."""
    power = (np.abs(array).astype(np.float64) ** 2).sum(axis=0)
    count = max(power.size // 100, 1)
    row, column = np.unravel_index(int(power.argmax()), power.shape)
    share = np.partition(power.ravel(), -count)[-count:].sum() / max(power.sum(), 1e-300)
    return float(share), (int(row), int(column))


def _image(kspace: NDArray[Any]) -> NDArray[Any]:
    # Not the operators' transform: to look at a file is not to load torch.
    axes = (-2, -1)
    found: NDArray[Any] = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), norm="ortho"), axes=axes)
    return found


def moved_to_middle(kspace: NDArray[np.complex64], origin: Origin) -> NDArray[np.complex64]:
    """Bring zero frequency and image to index n // 2; noise stays as it is.

    Parameters
    ----------
    kspace
        [..., readout, phase_encode].
    origin
        Of this array.
    """
    for axis, (frequency, image) in zip((-2, -1), zip(origin.frequency, origin.image, strict=True), strict=True):
        n = kspace.shape[axis]
        if frequency:
            kspace = np.fft.fftshift(kspace, axes=axis)
        if image:
            # A shift of the image by n // 2 is a phase in k-space.
            turn = np.exp(-2j * np.pi * (np.arange(n) - n // 2) * (n // 2) / n).astype(np.complex64)
            kspace = kspace * (turn if axis == -1 else turn[:, None])
    return kspace


def in_words(origin: Origin) -> tuple[str, ...]:
    """What was found, one sentence each."""
    names = ("readout", "phase encode")
    said = []
    if any(origin.frequency):
        said.append("zero frequency lies at index 0 of k-space and was moved to the middle")
    along = [name for name, yes in zip(names, origin.image, strict=True) if yes]
    if along:
        said.append(
            f"the object lies across the border of the field of view along {' and '.join(along)}, as after a transform "
            "without shifts: it was moved by half the field of view"
        )
    return tuple(said)
