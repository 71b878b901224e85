"""The sampling mask as an operator on k-space."""

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import LinearOperator, require_rank


def mask_for_kspace(mask: Tensor) -> Tensor:
    """Give a mask the axes [batch, coil, readout, phase_encode], of size one where it does not vary.

    Parameters
    ----------
    mask
        [phase_encode] for lines, [readout, phase_encode] for a 2-D pattern, or
        [batch, readout or 1, phase_encode] for one mask per item. Zero or False where nothing was acquired.

    Raises
    ------
    ValueError
        If the mask has another rank, or values other than 0 and 1.
    """
    if mask.ndim not in (1, 2, 3):
        raise ValueError(
            "mask must be [phase_encode], [readout, phase_encode] or [batch, readout or 1, phase_encode], "
            f"got shape {list(mask.shape)}"
        )
    if mask.dtype != torch.bool:
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise ValueError("mask must hold 0 and 1 only")
        mask = mask != 0
    if mask.ndim == 1:
        return mask[None, None, None, :]
    if mask.ndim == 2:
        return mask[None, None]
    return mask[:, None]


class Masking(LinearOperator):
    """Keep some values of four-axis data, zero the others.

    They are replaced, not multiplied: not even an undefined value gets through. Of no use by itself.
    """

    mask: Tensor
    """Boolean, of four axes; of size one where it does not vary."""
    axes: str
    """Names of the data's axes."""

    def forward(self, x: Tensor) -> Tensor:
        """Zero what the mask does not keep."""
        require_rank(x, 4, self.axes, type(self).__name__)
        sizes = zip(self.mask.shape, x.shape, strict=True)
        if any(m not in (1, n) for m, n in sizes) or self.mask.shape[-1] != x.shape[-1]:
            raise ValueError(f"mask of shape {list(self.mask.shape)} does not fit data of shape {list(x.shape)}")
        return torch.where(self.mask, x, torch.zeros((), dtype=x.dtype, device=x.device))

    def adjoint(self, y: Tensor) -> Tensor:
        """Masking is an orthogonal projection."""
        return self.forward(y)

    @property
    def gram(self) -> LinearOperator:
        """The mask itself."""
        return self


class CoilMask(Masking):
    """Keep other points of k-space [batch, coil, readout, phase_encode] in each coil.

    Parameters
    ----------
    mask
        [batch or 1, coil, readout or 1, phase_encode], boolean.
    """

    axes = "batch, coil, readout, phase_encode"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask


class SamplingMask(Masking):
    """Keep the acquired points of k-space [batch, coil, readout, phase_encode].

    Parameters
    ----------
    mask
        As `mask_for_kspace` takes it.
    """

    axes = "batch, coil, readout, phase_encode"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask_for_kspace(mask)
