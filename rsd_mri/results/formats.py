"""The formats in which reconstructions are written: one row each, from which options, help and errors are derived.

Nothing here loads more than a row until a format is written: the command line knows them all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rsd_mri.errors import InputError, alike

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rsd_mri.results.study import Study
    from rsd_mri.results.volume import ReconstructedVolume


@dataclass(frozen=True)
class Beside:
    """What goes with reconstructions, for the formats that hold it."""

    comparisons: "Sequence[ReconstructedVolume]" = ()
    """By other methods, of the same scan."""
    reference: "NDArray[np.floating] | None" = None
    """A fully sampled image [(frame,) slice, readout, phase_encode]."""
    study: "Study | None" = None
    """What the DICOM files of one scan share, and whom they name; a study of its own where not given."""


NOTHING = Beside()


@dataclass(frozen=True)
class Format:
    """A form in which reconstructions are handed out."""

    name: str
    """As `--format` takes it."""
    about: str
    """A few words for `--help`."""
    ending: str
    """What follows the scan's name in what `recon` writes."""
    module: str
    """In `rsd_mri.results`; its `write(path, frames, beside)` returns the files it wrote."""
    saved: tuple[str, ...]
    """Endings by which `Reconstruction.save` knows it; an empty one is a folder."""
    frames: bool = True
    """Whether one file holds several frames; else each has its own."""
    names_patient: bool = False
    """Whether it holds whom the scan is of."""
    names_protocol: bool = False
    """Whether it holds names of protocol and sequence and the time of measurement, where these are kept."""
    compares: bool = False
    """Whether it shows other methods beside the one asked for."""

    def write(self, path: Path, frames: "Sequence[ReconstructedVolume]", beside: Beside) -> list[Path]:
        """Write the frames of a stack of slices.

        Parameters
        ----------
        path
            The file or folder; where a format has several files, the first.
        frames
            One reconstruction each; one alone, where the format holds no more.
        beside
            What goes with them.

        Returns
        -------
        list of Path
            The files written.
        """
        written: list[Path] = import_module(f"rsd_mri.results.{self.module}").write(path, frames, beside)
        return written


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("h5", "all that is known, in one HDF5 file", ".h5", "files", (".h5", ".hdf5"), names_protocol=True),
        Format("nifti", "a volume for each kind of image", "_magnitude.nii.gz", "nifti", (".nii.gz",)),
        Format("dicom", "a folder of series", "_dicom", "dicom", ("",), names_patient=True, names_protocol=True),
        Format("cfl", "complex images for BART", ".cfl", "cfl", (".cfl",)),
        Format("mrd", "images as ISMRMRD's", ".mrd", "mrd", (".mrd",)),
        Format("png", "the slices as a picture", ".png", "png", (".png",), frames=False),
        Format("page", "the same as --report", ".html", "page", (".html",), compares=True),
    )
}
"""Every format by its name."""


def described() -> str:
    """What `--help` says of the formats."""
    return " ".join(f"{name}: {one.about}." for name, one in FORMATS.items())


def formats_of(names: Sequence[str]) -> list[Format]:
    """The formats of some names, each once, in the order of the table.

    Raises
    ------
    InputError
        If a name is that of none.
    """
    for name in names:
        if name not in FORMATS:
            known = ", ".join(FORMATS)
            raise InputError(f"--format {name}: expected some of {known}, joined by commas{alike(name, list(FORMATS))}")
    return [one for one in FORMATS.values() if one.name in names]


def naming_patients() -> str:
    """The formats that hold whom a scan is of."""
    return " or ".join(one.name for one in FORMATS.values() if one.names_patient)


def save_as(
    path: Path, rec: "ReconstructedVolume | Sequence[ReconstructedVolume]", patient_id: str | None = None
) -> list[Path]:
    """Write a reconstruction, or all frames of one, in the format that a name's ending says; see `Reconstruction.save`.

    Raises
    ------
    InputError
        If the ending is that of no format, or the format does not hold what it is given.
    ValueError
        If there is no frame.
    """
    found = [one for one in FORMATS.values() if any(_ends(path, ending) for ending in one.saved)]
    if not found:
        endings = [
            (ending or "none for a folder") + f" ({one.name})" for one in FORMATS.values() for ending in one.saved
        ]
        raise InputError(f"{path}: expected a name whose ending is one of {', '.join(endings)}")
    from rsd_mri.results.volume import frames_of

    study = None
    if patient_id is not None:
        if not found[0].names_patient:
            raise InputError(f"{path}: only {naming_patients()} holds a patient_id; give a name without an ending")
        from rsd_mri.results.study import new_study

        study = new_study(patient_id)
    frames = frames_of(rec)
    if len(frames) > 1 and not found[0].frames:
        raise InputError(
            f"{path}: a file of this format holds one of the {len(frames)} frames; save movie[0], or another"
        )
    return found[0].write(path, frames, Beside(study=study))


def _ends(path: Path, ending: str) -> bool:
    return path.name.endswith(ending) if ending else not path.suffix
