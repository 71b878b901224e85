"""Cards of experiments set as Markdown tables; those of the small experiments lie beside their protocols."""

from collections.abc import Sequence
from pathlib import Path

from rsd_mri.bench.cards import Card, ComparisonCard, RestoredCard, read_card
from rsd_mri.bench.experiments import EXPERIMENTS, MINI
from rsd_mri.metrics.judging import CLEAN, Judged
from rsd_mri.protocol import protocol_folder

SETS = ("measurements", "teacher", "teacher, truncated", "student")
COLUMNS = ("experiment", "images", *SETS, "student beats teacher", "times faster", "published, whole experiment")
NUMBERS = ("measurements", "teacher", "teacher, truncated", "student", "times faster")
"""The columns that are set to the right."""


def shipped_cards() -> list[Path]:
    """Cards that lie beside the protocols: in the order of `bench list`, then those of longer runs, then pictures."""
    names = [one.protocols["mini"] for one in EXPERIMENTS]
    longer = sorted({path.stem for path in protocol_folder().glob("*.json")} - {*names, "pictures"})
    paths = [protocol_folder() / f"{name}.json" for name in dict.fromkeys([*names, *longer, "pictures"])]
    return [path for path in paths if path.is_file()]


def shipped_tables() -> list[str]:
    """The tables of the cards that lie beside the protocols, and which experiments have none yet."""
    paths = shipped_cards()
    without = [e.about.name for e in EXPERIMENTS if protocol_folder() / f"{e.protocols['mini']}.json" not in paths]
    lines = tables([read_card(path) for path in paths])
    return [*lines, "", f"Not run yet: {', '.join(without)}."] if without else lines


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
