"""Reconstructions as DICOM: a series each for magnitude, phase, standard deviation, interval and every sample."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.files import written_whole
from rsd_mri.results.dicom_values import Series, decimal, put_pixels, series_of_frames
from rsd_mri.results.formats import Beside
from rsd_mri.results.planes import is_known, plane, slice_step, voxel_size
from rsd_mri.results.study import Study, new_study
from rsd_mri.results.timing import step_of, words_of
from rsd_mri.results.volume import ReconstructedVolume, frames_of
from rsd_mri.scan.facts import Facts


def write(path: Path, frames: Sequence[ReconstructedVolume], beside: Beside) -> list[Path]:
    """Write frames as `write_dicom` does; see `Format.write`."""
    name = path.name.removesuffix("_dicom")
    return write_dicom(path, frames, None if name == path.name else name, study=beside.study)


def write_dicom(
    folder: str | Path,
    rec: ReconstructedVolume | Sequence[ReconstructedVolume],
    name: str | None = None,
    patient_id: str | None = None,
    study: Study | None = None,
) -> list[Path]:
    """Write DICOM files, one per slice, in one folder per series; frames follow each other in their series.

    Files are MR Image Storage where the scan's geometry is known. Where it is not, they are Secondary Capture
    without orientation, and say so: a viewer then prints no patient sides that could be wrong. All UIDs are
    new and the study is a study of its own, dated when it is written; nothing the scan says about a patient is
    carried over. Stored value times RescaleSlope plus RescaleIntercept is the value in a power of ten of the unit of
    the scan, or in milliradians, as DerivationDescription says: many viewers round it to an integer. The mapping to
    real-world values is that to the unit of the scan, or to radians.

    Parameters
    ----------
    folder
        Series go to `folder/SERIES/NAME_0001.dcm`.
    rec
        The reconstruction.
    name
        Start of the files' names; the scan's where not given. It is not written into the files: names of
        files may be names of patients.
    patient_id
        Written as PatientID. Without it the study gets a new identifier of its own: archives refuse files without
        one, and one shared by all would bring different patients together.
    study
        What several reconstructions of one scan share; a study of its own where not given.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If DICOM cannot hold `patient_id`.
    """
    study = study or new_study(patient_id)
    frames = frames_of(rec)
    written = []
    uids: dict[str, tuple[str, int]] = {}
    step = step_of(frames)
    for place, (frame, several) in enumerate(zip(frames, series_of_frames(frames), strict=True)):
        for series in several:
            uid, number = uids.setdefault(series.kind, (generate_uid(), study.next_number()))
            for index, image in enumerate(series.volume):
                dataset = _describe(frame, series, index)
                study.put(dataset)
                if len(frames) > 1:
                    _describe_frame(dataset, frame, place, len(frames), step)
                instance = place * frame.n_slices + index + 1
                dataset.SeriesInstanceUID = uid
                dataset.SeriesNumber, dataset.InstanceNumber = number, instance
                put_pixels(dataset, image, series)
                path = Path(folder) / series.kind / f"{name or frame.source.stem}_{instance:04d}.dcm"
                with written_whole(path) as partial:
                    dataset.save_as(partial, enforce_file_format=True)
                written.append(path)
    return written


def _describe(rec: ReconstructedVolume, series: Series, index: int) -> Dataset:
    kind = series.kind
    known = is_known(rec.geometry, rec.n_slices)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = MRImageStorage if known else SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER", "SAMPLE" if kind.startswith("sample") else kind.upper()]
    dataset.Modality = "MR"
    dataset.Manufacturer = "RSD-MRI"
    dataset.SoftwareVersions = f"rsd-mri {__version__}"
    dataset.ContentQualification = "RESEARCH"
    dataset.StudyDescription = "RSD-MRI RESEARCH"
    dataset.SeriesDescription = f"RSD-MRI RESEARCH {rec.method} {kind}"[:64]
    dataset.DerivationDescription = _derivation(rec, series, index)[:1024]
    comment = f"{NOT_FOR_DIAGNOSTIC_USE} Dates are those of the reconstruction, not of the scan."
    if not known:
        comment += " Orientation and position are unknown."
    if rec.geometry.voxel_size is None:
        comment += " The size of the pixels is unknown."
    dataset.ImageComments = comment
    # Required, and empty: nothing about the patient or the examination is known here.
    for name in (
        "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "ReferringPhysicianName", "Laterality",
    ):  # fmt: skip
        setattr(dataset, name, "")
    dataset.BurnedInAnnotation = "NO"
    read, phase, across = voxel_size(rec.geometry)
    if rec.geometry.voxel_size is not None:
        dataset.PixelSpacing = [decimal(read), decimal(phase)]  # between rows, between columns
    if known:
        where = plane(rec.geometry, index, rec.magnitude.shape[1:])
        dataset.ImageOrientationPatient = [decimal(v) for v in (*where.right, *where.down)]
        dataset.ImagePositionPatient = [decimal(v) for v in where.first_pixel]
        dataset.SliceThickness = decimal(across)
        dataset.SpacingBetweenSlices = decimal(float(np.linalg.norm(slice_step(rec.geometry))))
        dataset.PositionReferenceIndicator = ""
        dataset.ScanningSequence, dataset.SequenceVariant = "RM", "NONE"
        dataset.ScanOptions, dataset.MRAcquisitionType = "", "2D"
        dataset.EchoTrainLength = None
        dataset.PatientPosition = rec.facts.patient_position or ""
        _put_facts(dataset, rec.facts)
    else:
        dataset.ConversionType, dataset.PatientOrientation = "SYN", ""
    return dataset


def _put_facts(dataset: Dataset, facts: Facts) -> None:
    """What the scan's header says of times, angles and names; required and empty where it says nothing."""

    def first(values: tuple[float, ...]) -> str | None:
        return decimal(values[0]) if values else None

    dataset.EchoTime, dataset.RepetitionTime = first(facts.echo_times), first(facts.repetition_times)
    for name, value in (
        ("InversionTime", first(facts.inversion_times)),
        ("FlipAngle", first(facts.flip_angles)),
        ("MagneticFieldStrength", None if facts.field_strength is None else decimal(facts.field_strength)),
        ("ImagingFrequency", None if facts.frequency is None else decimal(facts.frequency)),
        ("ProtocolName", None if facts.protocol is None else facts.protocol[:64].replace("\\", "/")),
        ("SequenceName", None if facts.sequence is None else facts.sequence[:16].replace("\\", "/")),
        ("AcquisitionDate", _digits(facts.series_date, 8)),
        ("AcquisitionTime", _digits(facts.series_time, 6)),
    ):
        if value is not None:
            setattr(dataset, name, value)


def _digits(text: str | None, count: int) -> str | None:
    """A date or a time as DICOM writes it; None where it has not as many digits."""
    digits = "".join(c for c in (text or "").split(".")[0] if c.isdigit())
    return digits if len(digits) == count else None


def _describe_frame(dataset: Dataset, rec: ReconstructedVolume, place: int, count: int, step: float | None) -> None:
    """Which of the frames this is: a temporal position, when it was, and the echo's number where contrasts differ."""
    dataset.ImageComments = f"{dataset.ImageComments} Frame {place + 1} of {count}: {words_of(rec)}."
    if "ImageOrientationPatient" in dataset:
        dataset.TemporalPositionIdentifier, dataset.NumberOfTemporalPositions = place + 1, count
        dataset.AcquisitionNumber = place + 1
        if step is not None:
            dataset.TemporalResolution = decimal(step)
        if rec.facts.moment is not None and rec.facts.triggered:
            dataset.TriggerTime, dataset.ScanOptions = decimal(rec.facts.moment), "CG"
        if "contrast" in rec.frame:
            dataset.EchoNumbers = rec.frame["contrast"] + 1


def _derivation(rec: ReconstructedVolume, series: Series, index: int) -> str:
    text = (
        f"{series.kind} in {series.unit} by method {rec.method}; realised acceleration {rec.acceleration:.2f}; "
        f"data residual {rec.residual[index]:.2f} of that expected from noise; seed {rec.seed}"
    )
    return text + (f"; prior {rec.prior.sha256[:16]}" if rec.prior is not None else "")
