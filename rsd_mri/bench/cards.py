"""Cards of experiments: what a run found, read back and set as Markdown tables.

The cards of the small experiments that come with the package lie beside their protocols.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.bench.bench import CARD
from rsd_mri.bench.experiments import EXPERIMENTS, MINI
from rsd_mri.errors import InputError
from rsd_mri.metrics.judging import CLEAN, SEEN, Judged, table_of
from rsd_mri.protocol import build, checked, protocol_folder

SETS = ("measurements", "teacher", "teacher, truncated", "student")
COLUMNS = ("experiment", "images", *SETS, "student beats teacher", "times faster", "published, whole experiment")
NUMBERS = ("measurements", "teacher", "teacher, truncated", "student", "times faster")
"""The columns that are set to the right."""
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
    trained_images: dict[str, int] = field(default_factory=dict)
    """Length of the training [images]."""
    trained_now: dict[str, int] = field(default_factory=dict)
    """Of it in this call."""
    out: str = ""
    """The run folder."""
    note: str = ""
    not_for_diagnostic_use: str = NOT_FOR_DIAGNOSTIC_USE

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """A set in a space a row."""
        return [asdict(one) for one in self.sets]

    def lines(self) -> list[str]:
        """For a person."""
        lines = table_of(list(self.sets))
        verdict = "beats" if self.ratio < 1 else "does not beat"
        lines.append(f"the student {verdict} its teacher: {self.ratio:.2f} of its distance to {CLEAN}")
        if self.ratio_truncated is not None:
            lines.append(f"{self.ratio_truncated:.2f} of that of the teacher stopped at {self.truncated_at:.3g}")
        if self.ratio_seen is not None:
            lines.append(f"{self.ratio_seen:.2f} of the teacher's distance to {SEEN}")
        return [*lines, f"one step is {self.speed_up:.0f} times faster per image"]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what is empty is left out."""
        values = {k: v for k, v in asdict(self).items() if k != "sets" and v not in ("", {})}
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

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """A task a row."""
        return [asdict(one) for one in self.restored]

    def lines(self) -> list[str]:
        """For a person."""
        return [HEADER, *(row.line() for row in self.restored)]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what is empty is left out."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v != ""}


Card = ComparisonCard | RestoredCard


def shipped_cards() -> list[Path]:
    """Cards that lie beside the protocols, in the order of `bench list`."""
    names = [*dict.fromkeys(one.protocols["mini"] for one in EXPERIMENTS), "pictures"]
    paths = [protocol_folder() / f"{name}.json" for name in names]
    return [path for path in paths if path.is_file()]


def shipped_tables() -> list[str]:
    """The tables of the cards that lie beside the protocols, and which experiments have none yet."""
    paths = shipped_cards()
    without = [e.about.name for e in EXPERIMENTS if protocol_folder() / f"{e.protocols['mini']}.json" not in paths]
    lines = tables([read_card(path) for path in paths])
    return [*lines, "", f"Not run yet: {', '.join(without)}."] if without else lines


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
    try:
        return build(RestoredCard, values, path.name) if restored else build(ComparisonCard, values, path.name)
    except InputError as error:
        raise InputError(
            f"{path}: not a card of 'rsd-mri bench run' that this version knows ({error}); run the experiment again"
        ) from None


def tables(cards: Sequence[Card]) -> list[str]:
    """Lines of a Markdown table of the experiments, and of one of restored pictures, where there are cards of them."""
    generated = [card for card in cards if isinstance(card, ComparisonCard)]
    lines = card_table(generated) if generated else []
    for card in cards:
        if isinstance(card, RestoredCard):
            lines += ["", *restored_table(card)] if lines else restored_table(card)
    return lines


def restored_table(card: RestoredCard) -> list[str]:
    """Lines of a Markdown table of restored pictures, and one that says how to read it."""
    names = ("task", "as given", "plain method", "restored", "gain over the plain method [dB]")
    lines = [_line(names), _line(["---", "---:", "---:", "---:", "---:"])]
    for row in card.restored:
        lines.append(
            _line(
                [
                    row.task,
                    f"{row.psnr_given:.2f} / {row.ssim_given:.3f}",
                    f"{row.psnr_baseline:.2f} / {row.ssim_baseline:.3f} ({row.baseline})",
                    f"{row.psnr:.2f} / {row.ssim:.3f}",
                    f"{row.psnr - row.psnr_baseline:+.2f} ± {row.interval:.2f}",
                ]
            )
        )
    first = card.restored[0]
    return [
        *lines,
        "",
        f"PSNR [dB] / SSIM, means over {first.pictures} held-out pictures, prior '{card.protocol}', mean of "
        f"{first.samples} samples, 95 % interval of the gain." + (f" {card.note}" if card.note else ""),
    ]


def card_table(cards: Sequence[ComparisonCard]) -> list[str]:
    """Lines of a Markdown table, one row per card, and lines that say how to read it.

    Parameters
    ----------
    cards
        From `read_card`.
    """
    rules = ["---:" if name in NUMBERS else "---" for name in COLUMNS]
    features = "; ".join(sorted({card.features for card in cards}))
    lines = [
        _line(COLUMNS),
        _line(rules),
        *(_line(_cells(card)) for card in cards),
        "",
        f"Squared Frechet distances to clean images that no network has seen, with 95 % intervals; features: "
        f"{features}. They compare within a row only. Verdicts: against the teacher in full, and truncated at the "
        "noise of the data (at 0.2 where there is none), with the student's distance over the teacher's. "
        "Published figures are FID of the whole experiment, student (teacher), and of another scale.",
    ]
    seen = [f"{_name(card)} {card.ratio_seen:.2f}" for card in cards if card.ratio_seen is not None]
    if seen:
        lines += [
            "",
            "Teachers of blur and super-resolution model A x; among clean images through A, the student's "
            f"distance over its teacher's: {', '.join(seen)}.",
        ]
    for card in cards:
        if card.note:
            lines += ["", f"{_name(card)}: {card.note}"]
    return lines


def _name(card: ComparisonCard) -> str:
    return card.protocol.removeprefix(MINI)


def _cells(card: ComparisonCard) -> list[str]:
    rows = {row.name: row for row in card.sets if row.space == CLEAN}
    stands_for = [one.about for one in EXPERIMENTS if card.protocol in one.protocols.values()]
    published = list(dict.fromkeys(about.published for about in stands_for))
    names = ", ".join(about.name for about in stands_for) or _name(card)
    verdicts = [_verdict(card.ratio), _verdict(card.ratio_truncated)]
    return [
        names,
        f"{card.images}, {card.data}",
        *(_distance(rows.get(who)) for who in SETS),
        ", ".join(v for v in verdicts if v),
        f"{card.speed_up:.0f}",
        "; ".join(published),
    ]


def _verdict(ratio: float | None) -> str:
    return "" if ratio is None else f"{'yes' if ratio < 1 else 'no'} ({ratio:.2f})"


def _distance(row: Judged | None) -> str:
    return "" if row is None else f"{row.frechet:.3g} ± {row.interval:.2g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
