"""Cards of experiments that were run, as one Markdown table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsd_mri.errors import InputError
from rsd_mri.evaluation.benches import BENCHES, MINI

CARD = "card.json"
COLUMNS = (
    "experiment", "against", "teacher", "teacher, truncated", "student", "student / teacher", "student, Proximal",
    "times faster", "images", "published",
)
NUMBERS = slice(2, 9)
"""The columns that are set to the right."""


def read_card(path: str | Path) -> dict[str, Any]:
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
        card = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    needed = {"protocol", "rows", "compared_in", "proximal", "speed_up", "ratio", "images", "features"}
    if not isinstance(card, dict) or not needed <= card.keys():
        raise InputError(f"{path}: not a card of 'rsd-mri bench run'; run the experiment again")
    return card


def card_table(cards: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of a Markdown table, one row per card, and a line that says how to read it.

    Parameters
    ----------
    cards
        From `read_card`.
    """
    rules = ["---:" if i in range(*NUMBERS.indices(len(COLUMNS))) else "---" for i in range(len(COLUMNS))]
    rows = [_line(COLUMNS), _line(rules), *(_line(_cells(card)) for card in cards)]
    features = ", ".join(sorted({card["features"] for card in cards}))
    return [
        *rows, "",
        f"Squared Frechet distances with 95 % intervals; features: {features}. They compare within a row only. "
        "Published figures are FID of the whole experiment and of another scale.",
    ]


def _cells(card: dict[str, Any]) -> list[str]:
    inside = {row["name"]: row for row in card["rows"] if row["space"] == card["compared_in"]}
    name = card["protocol"].removeprefix(MINI)
    published = next((bench.published for bench in BENCHES if bench.name == name), "")
    distances = [_distance(inside.get(who)) for who in ("teacher", "teacher, truncated", "student")]
    return [
        card["protocol"], card["compared_in"], *distances, f"{card['ratio']:.2f}", f"{card['proximal']:.3g}",
        f"{card['speed_up']:.0f}", str(card["images"]), published,
    ]


def _distance(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['frechet']:.3g} ± {row['interval']:.2g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
