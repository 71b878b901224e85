"""`Reconstruction`: a reconstructed volume that shows and saves itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsd_mri.results.facts import warnings
from rsd_mri.results.formats import save_as
from rsd_mri.results.volume import PosteriorPart as PosteriorPart
from rsd_mri.results.volume import PriorUse as PriorUse
from rsd_mri.results.volume import ReconstructedVolume

if TYPE_CHECKING:
    from rsd_mri.results.overview import Picture


@dataclass(frozen=True, repr=False)
class Reconstruction(ReconstructedVolume):
    """A reconstructed volume in the unit of its scan; arrays are cropped to the image wanted."""

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know before the image, in sentences."""
        return warnings(self)

    def show(self, slices: Sequence[int] | None = None) -> "Picture":
        """Slices side by side; below the half width of their interval, or their standard deviation, where there is one.

        Parameters
        ----------
        slices
            Which, counted from 0; at most six, evenly spread, where not given.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; elsewhere `savefig` writes it.
        """
        from rsd_mri.results.overview import overview_figure

        return overview_figure(self, slices)

    def save(self, path: str | Path, patient_id: str | None = None) -> list[Path]:
        """Write the reconstruction in the format that the file's ending says.

        Parameters
        ----------
        path
            With the ending of one of `rsd_mri.results.formats.FORMATS`, `.nii.gz` for example; a name without an
            ending is a folder of DICOM series.
        patient_id
            Written where the format holds one (DICOM); nothing about the patient is written without it.

        Returns
        -------
        list of Path
            The files written.

        Raises
        ------
        InputError
            If the ending is another, the image is not finite, or the format cannot hold `patient_id`.
        """
        return save_as(Path(path), self, patient_id)

    def _repr_html_(self) -> str:
        from rsd_mri.results.panel import reconstruction_panel

        return reconstruction_panel(self)
