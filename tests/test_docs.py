"""The documentation speaks of what is there."""

import ast
import re
import shlex
from importlib import import_module, util
from itertools import dropwhile
from pathlib import Path

import pytest
import typer
import yaml

import rsd_mri
from rsd_mri.bench.benches import find_bench
from rsd_mri.commands.app import app
from rsd_mri.commands.bench import _settings, pairs_of

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def pages_of(nav):
    for entry in nav:
        for value in [entry] if isinstance(entry, str) else entry.values():
            yield from [value] if isinstance(value, str) else pages_of(value)


def test_every_page_and_notebook_is_in_the_menu():
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text().split("\nnav:")[1])
    notebooks = {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(pages_of(menu)) == {path.relative_to(ROOT / "docs").as_posix() for path in PAGES} | notebooks


def test_every_command_is_described_and_no_other():
    text = (ROOT / "docs" / "commands.md").read_text()
    described = set(re.findall(r"^\| `rsd-mri (\w+)", text, re.M))
    there = set(typer.main.get_command(app).commands)
    assert there == described


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_modules_links_and_notebooks_exist(page):
    text = page.read_text()
    for module in re.findall(r"^::: ([\w.]+)", text, re.M):
        assert util.find_spec(module), module
    for link in re.findall(r"\]\(([\w/.-]+\.md)\)", text):
        assert (page.parent / link).is_file(), link
    for notebook in re.findall(r"`(\d\d_\w+)`", text):
        assert (ROOT / "notebooks" / f"{notebook}.ipynb").is_file(), notebook
    for name in re.findall(r"\brsd\.(\w+)\(", text):
        assert name in rsd_mri.__all__, name


@pytest.mark.long
def test_the_parts_in_python_run_as_they_stand():
    text = (ROOT / "docs" / "python.md").read_text().split("## Operators, denoisers and samplers")[1]
    (block,) = re.findall(r"```python\n(.*?)```", text.split("\n## ")[0], re.S)
    scan, _ = rsd_mri.simulate(4, matrix=96, coils=4)
    names = {"rsd": rsd_mri, "scan": scan}
    exec(block, names)  # noqa: S102 - ours
    a, b, x = names["A"], names["B"], names["x"]
    assert (a(x) == b(x)).all() and names["clean"].shape == x.shape
    assert len(names["images"]) == 2 * len(names["slices"])


def commands_of_choices():
    """The commands of the last column, and those of the code blocks."""
    text = (ROOT / "docs" / "choices.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "| ---" not in line]
    for row in rows:
        last = row.rstrip("| ").rsplit(" | ", 1)[1]
        if last != "again by":
            found = re.findall(r"`([^`]*)`", last)
            yield from [one for one in found if not one.startswith("corruption:")] or [row]
    for block in re.findall(r"```bash\n(.*?)```", text, re.S):
        yield from re.split(r"\n| && ", block.strip())


def parsed(words):
    """A command of `rsd-mri` with its options; nothing is run."""
    command, context = typer.main.get_command(app), None
    while hasattr(command, "commands"):
        name, *words = words
        command, context = command.commands[name], command.make_context(name, [], resilient_parsing=True)
    return command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("command", [*commands_of_choices()])
def test_commands_of_choices_can_be_run(command, monkeypatch):
    """Constants, trials, options and settings that they name are there."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    vary, trials = import_module("vary"), import_module("trials")
    program, *words = shlex.split(command, comments=True)
    if words[0] == "docs/vary.py":
        cut = words.index("--")
        usual, change = vary.found(words[1])
        values = [ast.literal_eval(value) for value in words[2:cut]]
        assert len(values) > 1 and {type(one) for one in values} <= ({int, float} if usual is None else {type(usual)})
        change(usual)
        program, words = "rsd-mri", words[cut + 1 :]
        if words[0] in trials.TRIALS:
            named = dropwhile(lambda word: not word.startswith("-"), words[1:])  # names of samplers come first
            words = ["bench", "run", "recon", *named]
    if program == "pytest" or words[0].endswith(".py"):
        assert (ROOT / words[0]).is_file()
    elif program == "python":
        assert words[:3] == ["-m", "timeit", "-s"]
        exec("\n".join(words[3:]), {})  # noqa: S102 - our own text
    else:
        assert program == "rsd-mri"
        found = parsed(words)
        if words[:2] == ["bench", "run"]:
            assert _settings(find_bench(words[2]), pairs_of(found.params["assignments"]))


def test_builds_are_shown_side_by_side(monkeypatch):
    """The lines that both builds have, with the gain of each figure; what a trial says is read as it says it."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    compared, trials = import_module("before_after"), import_module("trials")
    said = []
    monkeypatch.setattr(trials.sys.stdout, "write", said.append)
    trials._say("a head, R = 4: tv, posterior", [31.004, -2.5])
    monkeypatch.undo()
    match = compared.LINE.fullmatch(said[0].strip())
    assert match["what"] == "a head, R = 4: tv, posterior" and match["values"] == "31.00, -2.50"
    rows = compared.table({"a": [1.0, 2.0], "gone": [3.0]}, {"a": [1.5, 1.75], "new": [4.0]})
    assert rows[2:] == ["| a | 1.00, 2.00 | 1.50, 1.75 | +0.50, -0.25 |"]
