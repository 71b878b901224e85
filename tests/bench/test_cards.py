"""Cards as tables, and the tables of the documentation."""

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rsd_mri.bench.cards import ComparisonCard, read_card
from rsd_mri.bench.experiments import EXPERIMENTS
from rsd_mri.bench.tables import shipped_cards, shipped_tables
from rsd_mri.commands.bench import bench
from rsd_mri.metrics.judging import CLEAN, MEASURED
from rsd_mri.protocol import load_protocol, protocol_folder, protocol_names

RESULTS = Path(__file__).parents[2] / "docs" / "results.md"
BEGIN, END = "<!-- rsd-mri bench table -->", "<!-- end of the table -->"


def card(protocol, truncated=None, seen=None):
    def row(name, where, value):
        return {
            "name": name,
            "space": where,
            "images": 100,
            "frechet": value,
            "interval": 0.01,
            "precision": 0.5,
            "recall": 0.5,
        }

    rows = [row("teacher", CLEAN, 2.0), row("student", CLEAN, 1.0), row("student", MEASURED, 0.5)]
    if truncated:
        rows.append(row("teacher, truncated", CLEAN, 1 / truncated))
    return {
        "protocol": protocol,
        "rows": rows,
        "speed_up": 33.3,
        "ratio": 0.5,
        "ratio_truncated": truncated,
        "ratio_seen": seen,
        "images": 100,
        "features": "64 components",
        "data": "photographs 32x32",
        "proximal": 0.5,
        "teacher_seconds_per_image": 0.1,
        "seconds_per_image": 0.003,
        "truncated_at": 0.2,
        "seed": 0,
    }


@pytest.fixture
def folder(tmp_path):
    cards = {"a": card("mini-noise-0.2-cifar10", 1.25), "b": {**card("mini-blur-celeba", seen=0.7), "note": "Tried."}}
    for name, one in cards.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(json.dumps(one), encoding="utf-8")
    return tmp_path


def test_a_row_per_card(folder):
    done = CliRunner().invoke(bench, ["table", str(folder / "a"), str(folder / "b" / "card.json"), "--json"])
    assert done.exit_code == 0, done.output
    head, rule, first, second = (line.strip("| ").split(" | ") for line in done.stdout.splitlines()[:4])
    assert len(head) == len(first) == len(second) == len(rule)
    assert [cell.strip() for cell in first[:8]] == [
        "noise-0.2-cifar10",
        "100, photographs 32x32",
        "",
        "2 ± 0.01",
        "0.8 ± 0.01",
        "1 ± 0.01",
        "yes (0.50), no (1.25)",
        "33",
    ]
    assert first[-1].startswith("FID 4.77")
    assert second[4].strip() == "" and second[6].strip() == "yes (0.50)"
    assert "blur-celeba 0.70" in done.stdout and "blur-celeba: Tried." in done.stdout
    assert len(json.loads(done.stdout.splitlines()[-1])["cards"]) == 2


@pytest.mark.parametrize(
    "text, said", [("{}", "not a card"), ("nothing", "not readable as JSON"), (None, "no such card")]
)
def test_what_is_no_card_is_refused(tmp_path, text, said):
    if text is not None:
        (tmp_path / "card.json").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(bench, ["table", str(tmp_path)])
    assert done.exit_code == 2 and said in done.stderr


def test_a_distance_without_interval_comes_back_as_that(tmp_path):
    """Of few images there is none: JSON has null for it."""
    one = card("mini-noise-0.2-cifar10")
    one["rows"][0]["interval"] = None
    (tmp_path / "card.json").write_text(json.dumps(one), encoding="utf-8")
    read = read_card(tmp_path)
    assert math.isnan(read.sets[0].interval) and read.sets[1].interval == 0.01 and read.ratio_truncated is None


def test_cards_are_of_the_protocols_they_lie_beside():
    """Of the length that the protocol asks for; an experiment without one is named."""
    lying = {path.stem for path in protocol_folder().glob("*.json")}
    wanted = {one.protocols["mini"] for one in EXPERIMENTS} | {"pictures"}
    assert lying == {path.stem for path in shipped_cards()} <= set(protocol_names())
    assert lying >= wanted or "Not run yet: " in shipped_tables()[-1]
    for path in shipped_cards():
        found = read_card(path)
        assert found.protocol == path.stem
        assert found.as_dict() == json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, ComparisonCard):
            protocol = load_protocol(path.stem)
            lengths = {"teacher": protocol.taught[0], "student": protocol.distillation.images}
            assert found.trained_images == lengths


def test_the_table_of_the_results_is_that_of_the_cards():
    text = RESULTS.read_text(encoding="utf-8")
    inside = text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()
    assert inside.splitlines() == shipped_tables()
