"""Cards of experiments that were run, as one Markdown table.

The cards of the small experiments that come with the package lie beside their protocols.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsd_mri.bench.benches import BENCHES, MINI, OURS
from rsd_mri.errors import InputError
from rsd_mri.metrics.judging import CLEAN
from rsd_mri.protocol import protocol_folder

CARD = "card.json"
GENERATED = {"protocol", "rows", "data", "ratio", "ratio_truncated", "ratio_seen", "speed_up", "images", "features"}
"""What the card of an experiment holds at least; one of restored pictures has `restored`."""
SETS = ("measurements", "teacher", "teacher, truncated", "student")
COLUMNS = ("experiment", "images", *SETS, "student beats teacher", "times faster", "published, whole experiment")
NUMBERS = ("measurements", "teacher", "teacher, truncated", "student", "times faster")
"""The columns that are set to the right."""


def shipped_cards() -> list[Path]:
    """Cards that lie beside the protocols, in the order of `bench list`."""
    names = [*dict.fromkeys(bench.mini for bench in BENCHES), "pictures"]
    paths = [protocol_folder() / f"{name}.json" for name in names]
    return [path for path in paths if path.is_file()]


def shipped_tables() -> list[str]:
    """The tables of the cards that lie beside the protocols, and which experiments have none yet."""
    paths = shipped_cards()
    without = [b.name for b in BENCHES if b.name not in OURS and protocol_folder() / f"{b.mini}.json" not in paths]
    lines = tables([read_card(path) for path in paths])
    return [*lines, "", f"Not run yet: {', '.join(without)}."] if without else lines


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
    if not isinstance(card, dict) or not (card.keys() >= GENERATED or "restored" in card):
        raise InputError(f"{path}: not a card of 'rsd-mri bench run'; run the experiment again")
    return card


def tables(cards: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of a Markdown table of the experiments, and of one of restored pictures, where there are cards of them."""
    generated = [card for card in cards if "restored" not in card]
    lines = card_table(generated) if generated else []
    for card in cards:
        if "restored" in card:
            lines += ["", *restored_table(card)] if lines else restored_table(card)
    return lines


def restored_table(card: dict[str, Any]) -> list[str]:
    """Lines of a Markdown table of restored pictures, and one that says how to read it."""
    names = ("task", "as given", "plain method", "restored", "gain over the plain method [dB]")
    lines = [_line(names), _line(["---", "---:", "---:", "---:", "---:"])]
    for row in card["restored"]:
        pairs = [f"{row[f'psnr{end}']:.2f} / {row[f'ssim{end}']:.3f}" for end in ("_given", "_baseline", "")]
        pairs[1] += f" ({row['baseline']})"
        gain = row["psnr"] - row["psnr_baseline"]
        lines.append(_line([row["task"], *pairs, f"{gain:+.2f} ± {row['interval']:.2f}"]))
    first = card["restored"][0]
    return [
        *lines, "",
        f"PSNR [dB] / SSIM, means over {first['pictures']} held-out pictures, prior '{card['protocol']}', mean of "
        f"{first['samples']} samples, 95 % interval of the gain."
        + (f" {card['note']}" if card.get("note") else ""),
    ]


def card_table(cards: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of a Markdown table, one row per card, and lines that say how to read it.

    Parameters
    ----------
    cards
        From `read_card`.
    """
    rules = ["---:" if name in NUMBERS else "---" for name in COLUMNS]
    features = "; ".join(sorted({card["features"] for card in cards}))
    lines = [
        _line(COLUMNS), _line(rules), *(_line(_cells(card)) for card in cards), "",
        f"Squared Frechet distances to clean images that no network has seen, with 95 % intervals; features: "
        f"{features}. They compare within a row only. Verdicts: against the teacher in full, and truncated at the "
        "noise of the data (at 0.2 where there is none), with the student's distance over the teacher's. "
        "Published figures are FID of the whole experiment, student (teacher), and of another scale.",
    ]
    seen = [f"{_name(card)} {card['ratio_seen']:.2f}" for card in cards if card["ratio_seen"] is not None]
    if seen:
        lines += ["", "Teachers of blur and super-resolution model A x; among clean images through A, the student's "
                  f"distance over its teacher's: {', '.join(seen)}."]
    for card in cards:
        if card.get("note"):
            lines += ["", f"{_name(card)}: {card['note']}"]
    return lines


def _name(card: dict[str, Any]) -> str:
    return str(card["protocol"]).removeprefix(MINI)


def _cells(card: dict[str, Any]) -> list[str]:
    rows = {row["name"]: row for row in card["rows"] if row["space"] == CLEAN}
    stands_for = [bench for bench in BENCHES if card["protocol"] in (bench.mini, bench.whole)]
    published = list(dict.fromkeys(bench.published for bench in stands_for))
    names = ", ".join(bench.name for bench in stands_for) or _name(card)
    verdicts = [_verdict(card["ratio"]), _verdict(card["ratio_truncated"])]
    return [
        names, f"{card['images']}, {card['data']}", *(_distance(rows.get(who)) for who in SETS),
        ", ".join(v for v in verdicts if v), f"{card['speed_up']:.0f}", "; ".join(published),
    ]


def _verdict(ratio: float | None) -> str:
    return "" if ratio is None else f"{'yes' if ratio < 1 else 'no'} ({ratio:.2f})"


def _distance(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['frechet']:.3g} ± {row['interval']:.2g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
