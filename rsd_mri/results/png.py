"""Reconstructions as one picture: the slices on a sheet, with the warning burnt in."""

from collections.abc import Sequence
from pathlib import Path

from rsd_mri.files import written_whole
from rsd_mri.results.figures import contact_sheet
from rsd_mri.results.formats import Beside
from rsd_mri.results.planes import voxel_size
from rsd_mri.results.volume import ReconstructedVolume


def write(path: Path, frames: Sequence[ReconstructedVolume], beside: Beside) -> list[Path]:  # noqa: ARG001
    """Write one frame as `write_png` does; see `Format.write`."""
    return [write_png(path, frames[0])]


def write_png(path: str | Path, rec: ReconstructedVolume) -> Path:
    """Write the slices of a reconstruction as one PNG, labelled, with the warning burnt in."""
    path = Path(path)
    labels = [f"{rec.source.stem}  {rec.method}  slice {i + 1}/{rec.n_slices}" for i in range(rec.n_slices)]
    sheet = contact_sheet(rec.magnitude, labels=labels, pixel=voxel_size(rec.geometry)[:2])
    with written_whole(path) as partial:
        sheet.save(partial, format="PNG")
    return path
