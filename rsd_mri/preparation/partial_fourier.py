"""Partial Fourier: one side of k-space left out on purpose, and the smooth phase with which the other stands in."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.coils.acs import centre
from rsd_mri.operators import CoilExpand, ifft2c
from rsd_mri.scan.middle import centre_of_last
from rsd_mri.scan.sampling import MIN_CENTRE

LOPSIDED = 0.85
"""Reach of one side over that of the other, below which an axis is lopsided."""
LEAST = 0.2
"""And from which on: with less the centre is too narrow to know a phase by (5/8 has 0.25)."""
WIDER = 2
"""What is missing at the edge is wider than so many times the widest gap inside."""
AXES = ("readout", "phase encode")


@dataclass(frozen=True)
class PartialFourier:
    """Which axes were acquired on one side further than on the other."""

    axes: tuple[int, ...]
    """0 for the readout, 1 for the phase encode."""
    shares: tuple[float, ...]
    """Of each: how much of the whole extent was acquired."""
    reach: tuple[int, int]
    """(readout, phase encode): points from the middle to the nearer edge."""

    def note(self, acs: tuple[int, int]) -> str:
        """One sentence."""
        parts = " and ".join(
            f"{8 * share:.1f}/8 of the {AXES[axis]}" for axis, share in zip(self.axes, self.shares, strict=True)
        )
        points = "the centre that the coil maps were learned from"
        if min(acs) >= MIN_CENTRE:
            points = f"{acs[0]} x {acs[1]} points of the centre"
        return (
            f"Partial Fourier: {parts} was acquired, further on one side of k-space than on the other. The image is "
            f"taken to be real but for a smooth phase, known from {points}; where its phase is not smooth, detail is "
            "wrong (prep.partial_fourier: off leaves it open)"
        )


def partial_fourier_of(mask: NDArray[np.bool_], size: tuple[int, int]) -> PartialFourier | None:
    """Find the axes of k-space of which one side was left out.

    Parameters
    ----------
    mask
        [phase_encode] or [readout, phase_encode].
    size
        (readout, phase_encode) of k-space.

    Returns
    -------
    PartialFourier
        None where both sides reach equally far.
    """
    full = np.broadcast_to(mask, size)
    axes, shares, reach = [], [], []
    for axis, n in enumerate(size):
        places = np.flatnonzero(full.any(axis=1 - axis))
        low, high = (n // 2 - int(places[0]), int(places[-1]) - n // 2) if len(places) else (0, 0)
        near, far = max(min(low, high), 0), max(low, high)
        gap = int(np.diff(places).max()) - 1 if len(places) > 1 else 0
        lopsided = far > 0 and LEAST <= near / far < LOPSIDED and far - near > max(WIDER * gap, 2)
        if lopsided:
            axes.append(axis)
            shares.append((near + far) / (2 * far))
        reach.append(near if lopsided else n)
    return PartialFourier(tuple(axes), tuple(shares), (reach[0], reach[1])) if axes else None


def smooth_phase(
    kspace: NDArray[np.complex64], calibration: NDArray[np.complex64], csm: Tensor, found: PartialFourier,
    acs: tuple[int, int],
) -> NDArray[np.complex64]:  # fmt: skip
    """The phase of the image at low resolution.

    Parameters
    ----------
    kspace
        [coil, readout, phase_encode].
    calibration
        What the maps were learned from, [coil, readout, phase_encode]: stands in where there is no centre.
    csm
        [1, (set,) coil, readout, phase_encode].
    found
        Which axes are lopsided.
    acs
        Fully sampled centre (readout, phase_encode).

    Returns
    -------
    ndarray
        [(set,) readout, phase_encode], of magnitude one.
    """
    size = (kspace.shape[-2], kspace.shape[-1])
    has_centre = min(acs) >= MIN_CENTRE
    source = kspace if has_centre else calibration
    widths = []
    for axis, n in enumerate(size):
        most = min(acs[axis] if has_centre else source.shape[1 + axis], n)
        widths.append(min(most, 2 * found.reach[axis]) if axis in found.axes else most)
    low = np.zeros_like(kspace)
    window = np.ones((1, 1))
    for axis, width in enumerate(widths):
        # Only where something is missing: a cut there would ring.
        cut = np.hanning(width + 2)[1:-1] if width < size[axis] else np.ones(width)
        window = window * (cut[:, None] if axis == 0 else cut)
    low[centre_of_last(size, widths)] = centre(source, (widths[0], widths[1])) * window
    image = CoilExpand(csm).adjoint(ifft2c(torch.from_numpy(low)[None]))[0]
    magnitude = image.abs()
    phase = torch.where(magnitude > 0, image / magnitude.clamp_min(1e-30), torch.ones_like(image))
    return phase.numpy()
