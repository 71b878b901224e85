"""Reconstructions handed out: in the formats asked for, beside their scan or in a folder, and to an archive."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsd_mri.errors import InputError
from rsd_mri.results.formats import FORMATS, NOTHING, Beside, Format, formats_of, naming_patients
from rsd_mri.results.store import Archive
from rsd_mri.results.volume import ReconstructedVolume, frames_of


@dataclass(frozen=True)
class Delivery:
    """What to write, and where."""

    out: Path | None = None
    """Folder; beside each scan where None."""
    formats: tuple[str, ...] = ("h5",)
    """Names of `FORMATS`."""
    patient_id: str | None = None
    """Nothing about the patient is written without it."""
    keep_protocol: bool = False
    """Write also the names of protocol and sequence, and when the series was measured."""
    archive: Archive | None = None
    """Where DICOM files are sent to."""

    def __post_init__(self) -> None:
        formats_of(self.formats)
        if self.patient_id is not None:
            if not self.names_patient:
                ours = naming_patients()
                raise InputError(f"--patient-id is written into {ours} files only; add --format {ours}")
            from rsd_mri.results.study import check_patient_id

            check_patient_id(self.patient_id)
        if self.keep_protocol and self.archive is None and not any(one.names_protocol for one in self.chosen):
            ours = " or ".join(one.name for one in FORMATS.values() if one.names_protocol)
            raise InputError(f"--keep-protocol: names are kept in {ours} only; add one of them to --format")

    @property
    def chosen(self) -> list[Format]:
        """The formats asked for, in the order of their table."""
        return formats_of(self.formats)

    @property
    def names_patient(self) -> bool:
        """Whether anything is written that says whom the scan is of."""
        return self.archive is not None or any(one.names_patient for one in self.chosen)

    @property
    def compares(self) -> bool:
        """Whether anything is written that shows other methods too."""
        return any(one.compares for one in self.chosen)

    def folder(self, scan: Path) -> Path:
        """Where the files of a scan go."""
        return self.out or scan.parent


def deliver_all(
    recs: Sequence[ReconstructedVolume], comparisons: Sequence[ReconstructedVolume], delivery: Delivery
) -> list[Path]:
    """Write the reconstructions of one scan: the frames of a stack of slices together, each stack by itself."""
    study = None
    if delivery.names_patient:
        from rsd_mri.results.study import new_study

        study = new_study(delivery.patient_id)
    stacks = list(dict.fromkeys(rec.stack for rec in recs))
    files: list[Path] = []
    for number, stack in enumerate(stacks, start=1):
        name = f"{recs[0].source.stem}_recon" + (f"_stack{number}" if len(stacks) > 1 else "")
        frames = [rec for rec in recs if rec.stack == stack]
        others = [rec for rec in comparisons if rec.stack == stack]
        written = deliver(frames, delivery, Beside(others, study=study), name)
        if delivery.archive is not None:
            _store(frames, delivery, delivery.archive, Beside(study=study), written)
        files += written
    return files


def deliver(
    rec: ReconstructedVolume | Sequence[ReconstructedVolume],
    delivery: Delivery,
    beside: Beside = NOTHING,
    name: str | None = None,
) -> list[Path]:
    """Write a reconstruction, or all frames of one stack of slices, in the formats asked for.

    Parameters
    ----------
    rec
        One, or one of each frame.
    delivery
        What to write, and where.
    beside
        What goes with it; of comparisons by other methods each frame gets its own.
    name
        Of the files, without their endings.
    """
    frames = _named_as_asked(frames_of(rec), delivery)
    folder = delivery.folder(frames[0].source)
    name = name or f"{frames[0].source.stem}_recon"
    files: list[Path] = []
    for form in delivery.chosen:
        if form.frames or len(frames) == 1:
            files += form.write(folder / f"{name}{form.ending}", frames, beside)
            continue
        for number, frame in enumerate(frames, start=1):
            own = replace(beside, comparisons=[one for one in beside.comparisons if one.frame == frame.frame])
            files += form.write(folder / f"{name}_frame{number:03d}{form.ending}", [frame], own)
    return files


def _named_as_asked(frames: Sequence[ReconstructedVolume], delivery: Delivery) -> list[ReconstructedVolume]:
    """Frames without what may tell who was measured, unless that is to be kept."""
    if delivery.keep_protocol:
        return list(frames)
    return [replace(frame, facts=frame.facts.without_names()) for frame in frames]


def _store(
    frames: Sequence[ReconstructedVolume], delivery: Delivery, archive: Archive, beside: Beside, written: Sequence[Path]
) -> None:
    """Send the DICOM files of a stack to the archive; those that were not asked for are not kept."""
    files = sorted(path for path in written if path.suffix == ".dcm")
    with tempfile.TemporaryDirectory() as folder:
        if not files:
            path = Path(folder) / f"{frames[0].source.stem}_recon{FORMATS['dicom'].ending}"
            files = FORMATS["dicom"].write(path, _named_as_asked(frames, delivery), beside)
        archive.store(files)
