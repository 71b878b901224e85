"""The additions of CONTRIBUTING.md are whole: each is applied to a copy of the package and run."""

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.methods import LEARNED
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results import formats
from rsd_mri.results.delivery import Delivery, deliver

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COPIED = ("rsd_mri", "data_prep", "protocols", "tests", "pyproject.toml")
TESTED = ("tests/corruption/test_images.py", "tests/reconstruction/test_classical.py", "tests/scan/test_formats.py")
"""Tests that rows of the additions join."""
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def additions() -> dict[str, str]:
    """What the guide says how to add, and the diff that does."""
    sections = TEXT.split("\n## Add ")[1:]
    return {section.split("\n")[0]: re.search(r"```diff\n(.*?)```", section, re.S)[1] for section in sections}


ADDITIONS = additions()


def git_apply(folder: Path, *options: str) -> None:
    # The copy may lie below another checkout, which must not be asked.
    environment = {**os.environ, "GIT_DIR": str(folder / "none"), "GIT_WORK_TREE": str(folder)}
    for name, diff in ADDITIONS.items():
        call = ["git", "apply", *options, "-"]
        done = subprocess.run(
            call, input=diff, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_the_files_named_are_there():
    made = set(re.findall(r"^--- /dev/null\n\+\+\+ b/(\S+)$", TEXT, re.M))
    assert len(made) == 5 and not any((ROOT / path).exists() for path in made)
    for path in re.findall(r"`((?:rsd_mri|tests|protocols)/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).is_file(), path


def test_the_guide_counts_what_its_additions_touch():
    for name, diff in ADDITIONS.items():
        new, there, in_tests = [], [], []
        for part in re.split(r"^(?=--- )", diff, flags=re.M)[1:]:
            kind = in_tests if "+++ b/tests/" in part else new if part.startswith("--- /dev/null") else there
            kind.append(len(re.findall(r"^\+(?!\+\+).*\S", part, re.M)))
        counts = (len(new), sum(new), len(there), sum(there), sum(in_tests))
        assert f"| {name} | {' | '.join(map(str, counts))} |" in TEXT, (name, counts)


@needs_git
def test_additions_apply():
    git_apply(ROOT, "--check")


@needs_git
@pytest.mark.long
def test_additions_do_what_the_guide_says(tmp_path):
    kept = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name, **({"ignore": kept} if copy is shutil.copytree else {}))
    git_apply(tmp_path)
    call = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "tests/additions.py", *TESTED]
    call += ["-k", "additions or rows or smooth or every_format_gives"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed >= 8 + 10  # those of the additions, and of the rows that joined other tests


def test_every_format_of_the_table_is_written_and_found_by_its_ending(tmp_path, undersampled_scan):
    rec = reconstruct_scan(undersampled_scan[0], CLASSICAL["zero-filled"])
    for name, one in formats.FORMATS.items():
        files = deliver(rec, Delivery(tmp_path / name, (name,)))
        assert files and all(path.is_file() and tmp_path / name in path.parents for path in files)
        for ending in one.saved:
            assert len(rec.save(tmp_path / "saved" / f"{name}{ending}")) == len(files)


def test_every_row_of_the_tables_of_methods_is_there():
    for row in (*(method.function for method in CLASSICAL.values()), *(method.kind for method in LEARNED.values())):
        module, name = row.rsplit(".", 1)
        learned = any(method.kind == row for method in LEARNED.values())
        folder = "reconstruction" if learned else "reconstruction.classical"
        assert callable(getattr(import_module(f"rsd_mri.{folder}.{module}"), name))
