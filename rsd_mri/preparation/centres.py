"""The centre of k-space that coil maps are learned from, as it was acquired and as it is widened where it is narrow."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.coils.acs import in_window, prepared_readout, whole_readout, without_oversampling
from rsd_mri.coils.calibration import Learned
from rsd_mri.coils.widening import WINDOW, widened
from rsd_mri.protocol import PrepSettings
from rsd_mri.scan.middle import centre_slice
from rsd_mri.scan.scan import Scan

ROUNDS = 2
"""Times that a centre which image and coils gave is made anew by the maps from it (docs/choices.md)."""
NARROW = 0.75
"""A centre is narrow below this share of the width asked for: of 24 lines 20 are as good alone, 16 are not
(docs/choices.md)."""


@dataclass(frozen=True)
class Centres:
    """What the maps of every slice are learned from, in prepared units."""

    acquired: NDArray[np.complex64]
    """[slice, virtual coil, readout, phase_encode]: what was acquired, or gridded or found where nothing was."""
    widened: NDArray[np.complex64] | None
    """[slice, virtual coil, readout, phase_encode]: a narrow centre, or one that was found, with the samples around it,
    and what these tell of the gaps between them; None where it is wide and acquired."""

    @property
    def note(self) -> str:
        """One clause where an acquired centre was widened."""
        if self.widened is None or self.widened.shape == self.acquired.shape:
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
    mixed: NDArray[np.complex64] | None = None,
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
    mixed
        What was learned from, in virtual coils and prepared units, where that is at hand.
    """
    oversampled = learned.own and map_readout > prepared_readout(scan)
    if mixed is None or oversampled:
        raw = whole_readout(scan, settings.calib_width, learned.acs) if oversampled else learned.kspace
        mixed = np.einsum("vc,scyx->svyx", forward, raw).astype(np.complex64)
    acquired = mixed
    window = _Window.of(scan, acquired.shape[-2:], map_readout, settings)
    if len(forward) < 2 or not (window.narrow if learned.own else learned.reason):
        return Centres(acquired, None)
    made = []
    # One by one: the windows of hundreds of slices would take as much as a part of the scan.
    for one, centre in zip(scan.kspace, acquired, strict=True):
        data = window.cut(np.where(scan.mask, one, 0), forward), window.mask, window.size
        found = torch.from_numpy(centre)[None]
        for _ in range(1 if learned.own else ROUNDS):
            found = widened(
                found, *data, kernel_width(settings, found.shape[-1]),
                threshold=settings.threshold, noise=sigma, crop=settings.crop,
            )  # fmt: skip
        made.append(found[0].numpy())
    return Centres(acquired, np.stack(made))


@dataclass(frozen=True)
class _Window:
    """The samples around a centre that widen it."""

    mask: torch.Tensor
    """[readout, phase_encode] bool: where there are any."""
    size: tuple[int, int]
    """Of the centre wanted."""
    map_readout: int
    phase_encodes: slice
    narrow: bool
    """Whether the centre is narrow along an axis, and there are samples beyond it."""

    @classmethod
    def of(cls, scan: Scan, have: tuple[int, int], map_readout: int, settings: PrepSettings) -> "_Window":
        over, n_phase = map_readout / prepared_readout(scan), scan.size[1]
        size = min(round(WINDOW * over), map_readout), min(WINDOW, n_phase)
        wanted = min(round(settings.calib_width * over), size[0]), min(settings.calib_width, size[1])
        mask = in_window(torch.from_numpy(np.broadcast_to(scan.mask, (map_readout, n_phase)).copy()), size)
        narrow = any(have[axis] < NARROW * wanted[axis] and _beyond(mask, axis, have[axis]) for axis in (0, 1))
        wide = max(wanted[0], have[0]), max(wanted[1], have[1])
        return cls(mask, wide, map_readout, centre_slice(n_phase, size[1]), narrow)

    def cut(self, acquired: NDArray[np.complex64], forward: NDArray[np.complex64]) -> torch.Tensor:
        """Virtual coils of one slice, [1, virtual coil, readout, phase_encode]."""
        lines = without_oversampling(acquired[..., self.phase_encodes], self.map_readout)
        rows = centre_slice(self.map_readout, self.mask.shape[0])
        return torch.from_numpy(np.einsum("vc,cyx->vyx", forward, lines[..., rows, :]).astype(np.complex64))[None]


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
