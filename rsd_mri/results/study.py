"""`Study`: what all DICOM files of one scan share, and whom they name."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from rsd_mri.errors import InputError


def check_patient_id(text: str) -> None:
    """See that DICOM can hold an identifier (value representation LO).

    Raises
    ------
    InputError
        If it is empty, longer than 64 characters, or holds a backslash or control characters.
    """
    if not text.strip() or len(text) > 64 or "\\" in text or not text.isprintable():
        raise InputError(f"patient identifier {text!r}: expected 1 to 64 printable characters without a backslash")


@dataclass(frozen=True)
class Study:
    """What all files of one scan share."""

    uid: str
    frame: str
    written: datetime
    patient_id: str | None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def next_number(self) -> int:
        """Number of another series."""
        return next(self._numbers)

    def put(self, dataset: Dataset) -> None:
        """Write into a file what all of the study have."""
        dataset.StudyInstanceUID, dataset.StudyID = self.uid, "RSD-MRI"
        day, time = self.written.strftime("%Y%m%d"), self.written.strftime("%H%M%S")
        dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.InstanceCreationDate = day
        dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = dataset.InstanceCreationTime = time
        if "ImageOrientationPatient" in dataset:
            dataset.FrameOfReferenceUID = self.frame
        dataset.PatientID = self.patient_id or f"RSD-{self.uid[-12:]}"
        dataset.PatientIdentityRemoved = "YES" if self.patient_id is None else "NO"
        if self.patient_id is None:
            dataset.DeidentificationMethod = "reconstructed from k-space; no patient data carried over"


def new_study(patient_id: str | None = None) -> Study:
    """Begin a study: what all files written of one scan share.

    Raises
    ------
    InputError
        If DICOM cannot hold `patient_id`.
    """
    if patient_id is not None:
        check_patient_id(patient_id)
    return Study(generate_uid(), generate_uid(), datetime.now(), patient_id)
