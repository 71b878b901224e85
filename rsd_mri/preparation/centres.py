"""The centre of k-space that coil maps are learned from, as it was acquired and as it is widened where it is narrow."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.coils.acs import centre_slice, in_window, prepared_readout, whole_readout, without_oversampling
from rsd_mri.coils.calibration import Learned
from rsd_mri.coils.widening import WINDOW, widened
from rsd_mri.protocol import PrepSettings
from rsd_mri.scan.scan import Scan

NARROW = 0.75
"""A centre is narrow below this share of the width asked for: of 24 lines 20 are as good alone, 16 are not
(docs/choices.md)."""


@dataclass(frozen=True)
class Centres:
    """What the maps of every slice are learned from, in prepared units."""

    acquired: NDArray[np.complex64]
    """[slice, virtual coil, readout, phase_encode]: what was acquired, or gridded or found where nothing was."""
    widened: NDArray[np.complex64] | None
    """[slice, virtual coil, readout, phase_encode]: a narrow centre with the samples around it, and what these tell of
    the gaps between them; None where it is not narrow."""

    @property
    def note(self) -> str:
        """One clause where the centre was widened."""
        if self.widened is None:
            return ""
        have, made = ("x".join(map(str, one.shape[-2:])) for one in (self.acquired, self.widened))
        return f"the fully sampled centre of {have} points is narrow, and the samples around it widened it to {made}"


def centres_of(
    scan: Scan,
    learned: Learned,
    forward: NDArray[np.complex64],
    map_readout: int,
    sigma: float,
    settings: PrepSettings,
) -> Centres:
    """Cut the centres of all slices out, mix their coils, and widen them where they are narrow.

    Parameters
    ----------
    scan
        The scan, without a taper.
    learned
        What `learned_from` found of it.
    forward, map_readout, sigma
        As `VolumeCalibration` has them.
    settings
        The protocol's `prep`.
    """
    oversampled = learned.own and map_readout > prepared_readout(scan)
    raw = whole_readout(scan, settings.calib_width, learned.acs) if oversampled else learned.kspace
    acquired = np.einsum("vc,scyx->svyx", forward, raw).astype(np.complex64)
    if not learned.own:
        return Centres(acquired, None)
    return Centres(acquired, _widened(scan, acquired, forward, map_readout, sigma, settings))


def _widened(
    scan: Scan,
    centres: NDArray[np.complex64],
    forward: NDArray[np.complex64],
    map_readout: int,
    sigma: float,
    settings: PrepSettings,
) -> NDArray[np.complex64] | None:
    """None where centres are not narrow, one coil sees them, or nothing beyond them was acquired."""
    over = map_readout / prepared_readout(scan)
    window = min(round(WINDOW * over), map_readout), min(WINDOW, scan.size[1])
    wanted = min(round(settings.calib_width * over), window[0]), min(settings.calib_width, window[1])
    have = centres.shape[-2:]
    size = max(wanted[0], have[0]), max(wanted[1], have[1])
    mask = in_window(torch.from_numpy(np.broadcast_to(scan.mask, (map_readout, scan.size[1])).copy()), window)
    narrow = [axis for axis in (0, 1) if have[axis] < NARROW * wanted[axis]]
    if len(forward) < 2 or not any(_beyond(mask, axis, have[axis]) for axis in narrow):
        return None
    rows, columns = centre_slice(map_readout, window[0]), centre_slice(scan.size[1], window[1])
    width = kernel_width(settings, have[1])
    made = []
    # One by one: the windows of hundreds of slices would take as much as a part of the scan.
    for one, centre in zip(scan.kspace, centres, strict=True):
        lines = without_oversampling(np.where(scan.mask, one, 0)[..., columns], map_readout)[..., rows, :]
        virtual = np.einsum("vc,cyx->vyx", forward, lines).astype(np.complex64)
        found = widened(
            torch.from_numpy(centre)[None], torch.from_numpy(virtual)[None], mask, size,
            kernel_width=width, threshold=settings.threshold, noise=sigma, crop=settings.crop,
        )  # fmt: skip
        made.append(found[0].numpy())
    return np.stack(made)


def _beyond(mask: torch.Tensor, axis: int, width: int) -> bool:
    """Whether there are samples outside the middle of an axis."""
    where = mask.any(1 - axis)
    inside = centre_slice(len(where), width)
    return bool(where.sum() > where[inside].sum())


def kernel_width(settings: PrepSettings, calib_width: int) -> int:
    """Width of ESPIRiT's kernel: at most half the calibration region.

    With a wider one too few windows are left to tell signal from noise, and the maps get holes.
    """
    return max(min(settings.kernel_width, calib_width // 2), 2)
