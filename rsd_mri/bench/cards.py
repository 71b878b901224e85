"""Cards of experiments: what a run found, read back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.about.plain import Json, Row
from rsd_mri.bench.bench import CARD
from rsd_mri.errors import InputError
from rsd_mri.files.numbers import numbers_of
from rsd_mri.metrics.judging import CLEAN, SEEN, Judged, table_of
from rsd_mri.metrics.likeness import Likeness
from rsd_mri.protocol import build, checked

HEADER = f"{'PSNR [dB] / SSIM':<32}{'pictures':>5}{'as given':>14}{'baseline':>17}{'restored':>32}"


@checked
class ComparisonCard:
    """Teacher and student of one run, judged against clean images and against measurements."""

    protocol: str
    sets: tuple[Judged, ...]
    """A set in a space, each; `rows` in the file."""
    ratio: float
    """The student's distance to clean images over the full teacher's."""
    ratio_truncated: float | None
    """Over that of the teacher stopped at the noise of the data."""
    ratio_seen: float | None
    """Over the teacher's among measurements, where it models them."""
    proximal: float
    """The student's distance to the measurements."""
    speed_up: float
    teacher_seconds_per_image: float
    seconds_per_image: float
    images: int
    features: str
    truncated_at: float
    """Noise level."""
    data: str
    seed: int
    likeness: Likeness | None = None
    """Of the student's images: told apart, copied, never shown."""
    trained_images: dict[str, int] = field(default_factory=dict)
    """Length of the training [images]."""
    trained_now: dict[str, int] = field(default_factory=dict)
    """Of it in this call."""
    out: str = ""
    """The run folder."""
    note: str = ""
    not_for_diagnostic_use: str = NOT_FOR_DIAGNOSTIC_USE

    def rows(self) -> Sequence[Row]:
        """A set in a space a row; parts of a distance that an earlier version did not find are left out."""
        return [
            {k: v for k, v in asdict(one).items() if v is not None or k not in ("structure", "detail")}
            for one in self.sets
        ]

    def lines(self) -> list[str]:
        """For a person."""
        lines = table_of(list(self.sets))
        verdict = "beats" if self.ratio < 1 else "does not beat"
        lines.append(f"the student {verdict} its teacher: {self.ratio:.2f} of its distance to {CLEAN}")
        if self.ratio_truncated is not None:
            lines.append(f"{self.ratio_truncated:.2f} of that of the teacher stopped at {self.truncated_at:.3g}")
        if self.ratio_seen is not None:
            lines.append(f"{self.ratio_seen:.2f} of the teacher's distance to {SEEN}")
        if self.likeness is not None:
            lines += [f"student: {line}" for line in self.likeness.lines()]
        return [*lines, f"one step is {self.speed_up:.0f} times faster per image"]

    def as_dict(self) -> dict[str, Json]:
        """Plain values; what is empty is left out."""
        values = {k: v for k, v in asdict(self).items() if k != "sets" and v not in ("", {})}
        del values["likeness"]
        if self.likeness is not None:
            values["likeness"] = self.likeness.as_dict()
        return {"rows": self.rows(), **values}


@dataclass(frozen=True)
class RestoredRow:
    """One task: means over the pictures, PSNR [dB] and SSIM against the clean ones."""

    task: str
    pictures: int
    samples: int
    psnr_given: float
    ssim_given: float
    """Of the degraded picture; one that is smaller is enlarged by cubic interpolation."""
    baseline: str
    psnr_baseline: float
    ssim_baseline: float
    psnr: float
    """Of the mean of the posterior samples."""
    ssim: float
    interval: float
    """Half width of the 95 % interval of the mean gain in PSNR over the baseline, from the spread over the pictures."""

    def line(self) -> str:
        """One row of the table."""
        return (
            f"{self.task:<32}{self.pictures:>5}{self.psnr_given:>9.2f} / {self.ssim_given:.3f}"
            f"{self.psnr_baseline:>9.2f} / {self.ssim_baseline:.3f} {self.baseline:<17}"
            f"{self.psnr:>7.2f} / {self.ssim:.3f}  gain {self.psnr - self.psnr_baseline:+.2f} +- {self.interval:.2f}"
        )


@checked
class RestoredCard:
    """Restored pictures, task by task."""

    protocol: str
    restored: tuple[RestoredRow, ...]
    prior_hash: str
    seed: int
    note: str = ""
    not_for_diagnostic_use: str = NOT_FOR_DIAGNOSTIC_USE

    def rows(self) -> Sequence[Row]:
        """A task a row."""
        return [asdict(one) for one in self.restored]

    def lines(self) -> list[str]:
        """For a person."""
        return [HEADER, *(row.line() for row in self.restored)]

    def as_dict(self) -> dict[str, Json]:
        """Plain values; what is empty is left out."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v != ""}


Card = ComparisonCard | RestoredCard


def read_card(path: str | Path) -> Card:
    """Read what `bench run` wrote: a `card.json`, or the run folder it lies in.

    Raises
    ------
    InputError
        If there is none, or it is something else.
    """
    path = Path(path)
    path = path / CARD if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path}: no such card; 'rsd-mri bench run NAME' writes one into its run folder")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    restored = isinstance(values, dict) and "restored" in values
    if isinstance(values, dict) and "rows" in values:
        values["sets"] = values.pop("rows")
    if isinstance(values, dict):
        values = _with_numbers(values)
    try:
        return build(RestoredCard, values, path.name) if restored else build(ComparisonCard, values, path.name)
    except InputError as error:
        raise InputError(
            f"{path}: not a card of 'rsd-mri bench run' that this version knows ({error}); run the experiment again"
        ) from None


def _with_numbers(values: Mapping[str, Json]) -> Row:
    """The values with nan for null where a card has a number, also in its rows."""
    rows = {"sets": Judged, "restored": RestoredRow}
    told = {
        key: [numbers_of(rows[key], row) if isinstance(row, dict) else row for row in value]
        if key in rows and isinstance(value, list)
        else value
        for key, value in values.items()
    }
    return numbers_of(RestoredCard if "restored" in values else ComparisonCard, told)
