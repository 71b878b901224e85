"""Coil expansion: from an image to what each receive coil sees of it."""

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import LinearOperator, require_complex, require_rank


class CoilExpand(LinearOperator):
    """Multiply an image by the coil sensitivity maps.

    Parameters
    ----------
    csm
        Coil sensitivity maps, complex: [batch, coil, readout, phase_encode] for one set, or
        [batch, set, coil, readout, phase_encode] for several (soft SENSE, Uecker et al. 2014,
        doi:10.1002/mrm.24751). A batch of one serves any batch of images.

    Raises
    ------
    ValueError
        If the rank of the maps is neither 4 nor 5.
    """

    def __init__(self, csm: Tensor) -> None:
        if csm.ndim not in (4, 5):
            raise ValueError(
                f"csm must be [batch, coil, readout, phase_encode], with a set axis before coil for several "
                f"sets of maps; got shape {list(csm.shape)}"
            )
        require_complex(csm, "CoilExpand")
        self.csm = csm

    @property
    def n_sets(self) -> int:
        """Number of sets of maps."""
        return 1 if self.csm.ndim == 4 else self.csm.shape[1]

    def check_image(self, x: Tensor) -> None:
        """Refuse an image that does not fit the maps.

        Raises
        ------
        ValueError
            If rank or sizes differ.
        """
        axes = "batch, readout, phase_encode" if self.csm.ndim == 4 else "batch, set, readout, phase_encode"
        require_rank(x, self.csm.ndim - 1, axes, "CoilExpand")
        require_complex(x, "CoilExpand")
        if x.shape[-2:] != self.csm.shape[-2:] or (x.ndim == 4 and x.shape[1] != self.csm.shape[1]):
            raise ValueError(f"image {list(x.shape)} does not fit maps {list(self.csm.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """Image [batch, (set,) readout, phase_encode] to coil images [batch, coil, readout, phase_encode]."""
        self.check_image(x)
        if self.csm.ndim == 4:
            return self.csm * x[:, None]
        out = self.csm[:, 0] * x[:, 0, None]
        for m in range(1, self.n_sets):
            out = out + self.csm[:, m] * x[:, m, None]
        return out

    def adjoint(self, y: Tensor) -> Tensor:
        """Coil images to image: the sum over coils weighted by the conjugate maps."""
        require_rank(y, 4, "batch, coil, readout, phase_encode", "CoilExpand.H")
        require_complex(y, "CoilExpand.H")
        if y.shape[1] != self.csm.shape[-3]:
            raise ValueError(f"coil images {list(y.shape)} do not fit maps {list(self.csm.shape)}")
        if self.csm.ndim == 4:
            return (self.csm.conj() * y).sum(1)
        return torch.stack([(self.csm[:, m].conj() * y).sum(1) for m in range(self.n_sets)], dim=1)
