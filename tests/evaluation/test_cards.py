"""Cards as one table."""

import json

import pytest
from typer.testing import CliRunner

from rsd_mri.bench_cli import bench
from rsd_mri.evaluation.judging import CLEAN, MEASURED, SEEN


def card(protocol, space, truncated):
    def row(name, where, value):
        return {"name": name, "space": where, "frechet": value, "interval": 0.01}

    rows = [row("teacher", space, 2.0), row("student", space, 1.0), row("student", MEASURED, 0.5)]
    if truncated:
        rows.append(row("teacher, truncated", space, 1.5))
    return {
        "protocol": protocol, "rows": rows, "compared_in": space, "proximal": 0.5, "speed_up": 33.3, "ratio": 0.5,
        "images": 100, "features": "64 components",
    }


@pytest.fixture
def folder(tmp_path):
    for name, one in (("a", card("mini-noise-0.2-cifar10", CLEAN, True)), ("b", card("mini-blur-celeba", SEEN, False))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(json.dumps(one), encoding="utf-8")
    return tmp_path


def test_a_row_per_card(folder):
    done = CliRunner().invoke(bench, ["table", str(folder / "a"), str(folder / "b" / "card.json"), "--json"])
    assert done.exit_code == 0, done.output
    head, rule, first, second = (line.strip("|").split(" | ") for line in done.stdout.splitlines()[:4])
    assert len(head) == len(first) == len(second) == len(rule)
    cells = [cell.strip() for cell in first]
    assert cells[:8] == ["mini-noise-0.2-cifar10", CLEAN, "2 ± 0.01", "1.5 ± 0.01", "1 ± 0.01", "0.50", "0.5", "33"]
    assert cells[-1].startswith("FID 4.77")
    assert [cell.strip() for cell in second][1:4] == [SEEN, "2 ± 0.01", ""]
    assert len(json.loads(done.stdout.splitlines()[-1])["cards"]) == 2


@pytest.mark.parametrize(
    "text, said", [("{}", "not a card"), ("nothing", "not readable as JSON"), (None, "no such card")]
)
def test_what_is_no_card_is_refused(tmp_path, text, said):
    if text is not None:
        (tmp_path / "card.json").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(bench, ["table", str(tmp_path)])
    assert done.exit_code == 2 and said in done.stderr
