"""`Answers`: what a user says of a scan that its file does not say."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answers:
    """Answers to questions that a reader cannot settle from the file."""

    axes: str | None = None
    """Names of an array's axes in its own order, as in `slice,coil,readout,phase`."""
    noise: Path | None = None
    """A file with noise records or noise samples [coil, sample]."""
    calibration: Path | None = None
    """A scan with a fully sampled centre, of the same field of view and the same coils."""
    trajectory: Path | None = None
    """An array [sample, shot, 2] (or BART's), in cycles per field of view, of a scan that is an array itself."""


NONE = Answers()
