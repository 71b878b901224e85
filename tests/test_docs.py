"""The documentation speaks of what is there."""

import re
from importlib import util
from pathlib import Path

import pytest
import typer
import yaml

import rsd_mri
from rsd_mri.commands.app import app

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
