"""A reconstruction in the format that a file's ending says, and in a notebook."""

from pathlib import Path

from rsd_mri.about.panel import panel
from rsd_mri.errors import InputError
from rsd_mri.results import facts
from rsd_mri.results.figures import contact_sheet, write_png
from rsd_mri.results.files import write_reconstruction
from rsd_mri.results.page import write_page
from rsd_mri.results.reconstruction import Reconstruction


def save_as(path: Path, rec: Reconstruction, patient_id: str | None = None) -> list[Path]:
    """Write a reconstruction; see `Reconstruction.save`."""
    if patient_id is not None and path.suffix:
        raise InputError(f"{path}: only DICOM holds a patient_id; give a folder, a name without an ending")
    if path.name.endswith(".nii.gz"):
        from rsd_mri.results.nifti import write_nifti

        magnitude, *others = write_nifti(path.parent, rec, path.name.removesuffix(".nii.gz"))
        return [magnitude.replace(path), *others]
    if path.suffix in (".h5", ".hdf5"):
        return [write_reconstruction(path, rec)]
    if path.suffix == ".png":
        return [write_png(path, rec)]
    if path.suffix == ".html":
        return [write_page(path, rec)]
    if path.suffix == "":
        from rsd_mri.results.dicom import write_dicom

        return write_dicom(path, rec, patient_id=patient_id)
    raise InputError(f"{path}: expected a name ending in .h5, .nii.gz, .png or .html, or a folder for DICOM")


def reconstruction_panel(rec: Reconstruction) -> str:
    """HTML of how a reconstruction was made and what to beware of, beside its middle slice."""
    rows: list[tuple[str, ...]] = [("Note", line) for line in facts.warnings(rec)]
    rows += [*facts.acquisition(rec), *facts.methods([rec])[1:]]
    middle = rec.n_slices // 2
    return panel(repr(rec), rows, contact_sheet(rec.magnitude[middle : middle + 1]))
