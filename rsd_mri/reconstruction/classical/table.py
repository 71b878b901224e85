"""The classical methods by name. Nothing here loads torch before a method is run: the command line knows them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.reconstruction.classical.direct import Direct

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.corruption.corruption import Key
    from rsd_mri.operators import Sense


@dataclass(frozen=True)
class Classical(Direct):
    """A reconstruction without a prior: a function of the operator, the k-space and its noise level."""

    name: str
    """As `--method` takes it."""
    title: str
    """As pages and tables show it."""
    about: str
    """A few words for `--help`."""
    function: str
    """Its module in `rsd_mri.reconstruction.classical`, and its name there."""

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
        module, name = self.function.split(".")
        method = getattr(import_module(f"rsd_mri.reconstruction.classical.{module}"), name)
        image: Tensor = method(operator, kspace, sigma)
        return image


class Movie(Classical):
    """A method that sees all frames of a slice at once: the batch is time."""

    def run(
        self,
        operator: "Sense",
        kspace: "Tensor",
        sigma: "float | Tensor",
        keys: "Sequence[Key]" = (),
        progress: Progress = SILENT,
        first: "Tensor | None" = None,
    ) -> "Tensor":
        """Reconstruct all frames of one slice, [frame, (set,) readout, phase_encode].

        Raises
        ------
        InputError
            If there is one frame.
        """
        if len(kspace) < 2:
            raise InputError(
                f"method {self.name}: sees several frames at once, and there is one; take tv, or give a scan of frames "
                "to 'rsd-mri recon' or rsd.reconstruct(rsd.read_frames(...))"
            )
        return super().run(operator, kspace, sigma, keys, progress, first)


CLASSICAL: dict[str, Classical] = {
    method.name: method
    for method in (
        Classical("zero-filled", "Zero-filled", "what was not acquired stays zero", "methods.zero_filled"),
        Classical("homodyne", "Homodyne", "partial Fourier: one side counted twice", "partial.homodyne"),
        Classical("pocs", "POCS", "partial Fourier: projections in turn", "partial.projections"),
        Classical("cg-sense", "CG-SENSE", "least squares with the coils alone", "methods.cg_sense"),
        Movie("temporal-tv", "Temporal TV", "frames together, few changes in time", "temporal.temporal_variation"),
        Movie("low-rank-sparse", "L+S", "frames together, low rank plus sparse", "temporal.low_rank_sparse"),
        Classical("tv", "Total variation", "smooth between edges", "methods.total_variation"),
        Classical("l1-wavelet", "L1-wavelet", "sparse in wavelets", "methods.l1_wavelet"),
    )
}
"""From the plainest to the best."""
