"""Where the coil maps see anything: a network need not look elsewhere."""

from dataclasses import dataclass

import torch
from torch import Tensor

MARGIN = 8
"""Pixels kept around what the maps see, for the network's view."""
MULTIPLE = 8
"""Windows are of such sizes, which networks take without padding."""


@dataclass(frozen=True)
class Window:
    """A rectangle of the field of view; it may run over an edge, where a wrapped head goes on."""

    rows: Tensor
    columns: Tensor

    def cut(self, image: Tensor) -> Tensor:
        """[..., readout, phase_encode] to what lies inside."""
        return image[..., self.rows[:, None].to(image.device), self.columns.to(image.device)]

    def paste(self, part: Tensor, size: tuple[int, int]) -> Tensor:
        """Put a part back into an image of zeros."""
        image = part.new_zeros(*part.shape[:-2], *size)
        image[..., self.rows[:, None].to(part.device), self.columns.to(part.device)] = part
        return image


def whole_fields(csm: Tensor) -> list[Window]:
    """The whole field of view for each set of maps."""
    sets = csm.shape[1] if csm.ndim == 5 else 1
    return [Window(torch.arange(csm.shape[-2]), torch.arange(csm.shape[-1])) for _ in range(sets)]


def windows_of(csm: Tensor) -> list[Window]:
    """The smallest window of each set that holds what its maps see.

    Parameters
    ----------
    csm
        [batch, coil, readout, phase_encode], or [batch, set, coil, readout, phase_encode].
    """
    sets = csm[:, None] if csm.ndim == 4 else csm
    support = (sets != 0).any(2).any(0).cpu()
    return [Window(_shortest(one.any(1)), _shortest(one.any(0))) for one in support]


def _shortest(used: Tensor) -> Tensor:
    """Indices of the shortest circular interval that holds all used positions, with its margin."""
    n = len(used)
    positions = used.nonzero().flatten()
    if len(positions) == 0:
        return torch.arange(min(n, MULTIPLE))
    gaps = torch.diff(positions, append=positions[:1] + n)
    widest = int(gaps.argmax())
    start = int(positions[(widest + 1) % len(positions)])
    length = n - int(gaps[widest]) + 1
    wanted = -(-(length + 2 * MARGIN) // MULTIPLE) * MULTIPLE
    if wanted >= n:
        return torch.arange(n)
    return (torch.arange(wanted) + start - (wanted - length) // 2) % n
