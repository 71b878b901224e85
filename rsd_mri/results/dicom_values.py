"""How values are stored in DICOM: twelve bits, a scale that viewers can show, and the mapping to the scan's unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from rsd_mri.results.volume import ReconstructedVolume
from rsd_mri.results.window import upper_window

LARGEST = 4095
"""Stored values have 12 bits, which every viewer shows."""
BRIGHTEST = 30_000
"""Many viewers round rescaled values to 16-bit integers, and raw data may lie near 1e-5: values are given in the power
of ten of the scan's unit that brings the brightest below this."""


@dataclass(frozen=True)
class Series:
    """A volume, and how its values are stored: slope times 0 to LARGEST, plus intercept."""

    kind: str
    volume: NDArray[np.float32]
    slope: float
    white: float
    """The value shown as white."""
    power: int
    """Rescaled values are 10 to this times larger."""
    intercept: float = 0.0

    @property
    def unit(self) -> str:
        """The unit of rescaled values."""
        return f"1e-{self.power} rad" if self.kind == "phase" else f"1e{-self.power:+d} of the scan's unit"


def series_of_frames(frames: Sequence[ReconstructedVolume]) -> list[list[Series]]:
    """What there is to write of each frame. Images and samples of all share a slope, so that they can be compared."""
    brightest = max(float(rec.magnitude.max()) for rec in frames)
    brightest = max([brightest, *(float(rec.samples.max()) for rec in frames if rec.samples is not None)])
    white = max(upper_window(rec.magnitude) for rec in frames)
    brightest_of = {
        kind: max((float(volume.max()) for rec in frames if (volume := getattr(rec, kind)) is not None), default=1.0)
        for kind in ("std", "half_width")
    }
    return [_series(rec, brightest or 1.0, white, brightest_of) for rec in frames]


def _series(rec: ReconstructedVolume, brightest: float, white: float, brightest_of: dict[str, float]) -> list[Series]:
    samples = [] if rec.samples is None else list(rec.samples)
    power = int(np.floor(np.log10(BRIGHTEST / brightest)))
    phase = np.angle(rec.image).astype(np.float32)
    series = [
        Series("magnitude", rec.magnitude, brightest / LARGEST, white, power),
        Series("phase", phase, 2 * np.pi / LARGEST, np.pi, 3, -np.pi),
    ]
    for kind, volume in (("std", rec.std), ("half_width", rec.half_width)):
        if volume is not None:
            series.append(Series(kind, volume, (brightest_of[kind] or 1.0) / LARGEST, upper_window(volume), power))
    for number, sample in enumerate(samples, start=1):
        series.append(Series(f"sample-{number:03d}", sample, brightest / LARGEST, white, power))
    return series


def put_pixels(dataset: Dataset, image: NDArray[np.float32], series: Series) -> None:
    """Put one slice [y, x] of a series into a data set, with its scale and its window."""
    stored = np.rint(np.clip((image - series.intercept) / series.slope, 0, LARGEST)).astype("<u2")
    dataset.Rows, dataset.Columns = image.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    larger = 10.0**series.power
    dataset.RescaleSlope, dataset.RescaleIntercept = decimal(series.slope * larger), decimal(series.intercept * larger)
    dataset.RescaleType = "US"
    dark, white = series.intercept * larger, series.white * larger
    dataset.WindowCenter, dataset.WindowWidth = decimal((dark + white) / 2), decimal(max(white - dark, 1.0))
    dataset.RealWorldValueMappingSequence = [_real_world(series)]
    dataset.PixelData = stored.tobytes()


def _real_world(series: Series) -> Dataset:
    """The mapping of stored values to the unit of the scan, or to radians (PS3.3 C.7.6.16.2.11)."""
    unit = Dataset()
    radian = series.kind == "phase"
    unit.CodeValue, unit.CodingSchemeDesignator = ("rad" if radian else "1"), "UCUM"
    unit.CodeMeaning = "radian" if radian else "no units"
    mapping = Dataset()
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, LARGEST
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = series.slope, series.intercept
    mapping.LUTLabel, mapping.LUTExplanation = series.kind, f"{series.kind}, unit of the raw data or rad"
    mapping.MeasurementUnitsCodeSequence = [unit]
    return mapping


def decimal(value: float) -> str:
    """Write a decimal string of at most 16 characters, as DICOM wants."""
    return format_number_as_ds(float(value))
