"""`Transform`: what stands between coil images and k-space, whichever points of it are measured."""

from abc import abstractmethod

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import LinearOperator


class Transform(LinearOperator):
    """From coil images [batch, coil, readout, phase_encode] to samples [batch, coil, sample, shot].

    Of a Cartesian scan the samples of a shot are the points along the readout, and the shots its lines. `Sense` is
    written once against this: maps, transform, mask.
    """

    density: Tensor | None = None
    """[sample, shot]: cells of the Cartesian grid that each sample stands for; None where it is one each."""

    @abstractmethod
    def kspace_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(sample, shot) for images of (readout, phase_encode).

        Raises
        ------
        ValueError
            If the transform is for images of another size.
        """

    @abstractmethod
    def normal(self, mask: Tensor, dtype: torch.dtype) -> LinearOperator:
        """F^H M F on coil images, for masks [batch or 1, 1, sample or 1, shot]."""

    @abstractmethod
    def bound(self, normal: LinearOperator) -> float:
        """Upper bound of the norm of what `normal` returned."""

    def balanced(self) -> "tuple[Transform, Tensor | None]":
        """The transform with samples that lie denser than the cells weighted down, and those weights.

        Returns
        -------
        transform
            W^1/2 F.
        weights
            W^1/2, [sample, shot]; None where the transform stays what it is.
        """
        return self, None

    @abstractmethod
    def cells(self, mask: Tensor) -> Tensor:
        """Cells of the Cartesian grid in which a mask measures, [batch or 1, 1, readout or 1, phase_encode]."""
