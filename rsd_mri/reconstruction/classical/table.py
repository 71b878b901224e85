"""The classical methods by name. Nothing here loads torch before a method is run: the command line knows them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from rsd_mri.machine.progress import SILENT, Progress

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.corruption.corruption import Key
    from rsd_mri.operators import Sense


@dataclass(frozen=True)
class Classical:
    """A reconstruction without a prior: a function of the operator, the k-space and its noise level."""

    name: str
    """As `--method` takes it."""
    title: str
    """As pages and tables show it."""
    about: str
    """A few words for `--help`."""
    function: str
    """Its name in `rsd_mri.reconstruction.classical.methods`."""

    samples: ClassVar[int] = 1
    sampled: ClassVar[bool] = False
    through_network: ClassVar[bool] = False
    prior: ClassVar[None] = None

    def run(
        self,
        operator: "Sense",
        kspace: "Tensor",
        sigma: "float | Tensor",
        keys: "Sequence[Key]" = (),  # noqa: ARG002
        progress: Progress = SILENT,
        first: "Tensor | None" = None,  # noqa: ARG002
    ) -> "Tensor":
        """Reconstruct one slice, [1, (set,) readout, phase_encode]."""
        image: Tensor = getattr(import_module("rsd_mri.reconstruction.classical.methods"), self.function)(
            operator, kspace, sigma
        )
        return image

    def along_trajectory(self) -> "Classical":
        """Itself: the operator makes the difference."""
        return self

    def candidates(self) -> "Sequence[Classical]":
        """Nothing is to be chosen by lines left out."""
        return ()

    def first(self) -> "Classical":
        """Itself."""
        return self

    def quick(self) -> "Classical":
        """Itself."""
        return self

    def pair(self) -> None:
        """There is no spread."""

    def parameters(self) -> dict[str, Any]:
        """None are set."""
        return {}


CLASSICAL: dict[str, Classical] = {
    method.name: method
    for method in (
        Classical("zero-filled", "Zero-filled", "what was not acquired stays zero", "zero_filled"),
        Classical("cg-sense", "CG-SENSE", "least squares with the coils alone", "cg_sense"),
        Classical("tv", "Total variation", "smooth between edges", "total_variation"),
        Classical("l1-wavelet", "L1-wavelet", "sparse in wavelets", "l1_wavelet"),
    )
}
"""From the plainest to the best."""
