"""The notebooks run from the first cell to the last, and are stored without outputs."""

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest

import rsd_mri

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 7


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_they_say_what_they_are_not_for(path):
    assert "not for diagnostic use" in path.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_pictures_say_what_they_are_not_for(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert "imshow(" not in cell.source or "rsd.NOT_FOR_DIAGNOSTIC_USE" in cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_cells_are_a_call_and_a_picture(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type != "code" or len(cell.source.splitlines()) <= 20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_stripped(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_they_use_the_interface_alone(path):
    allowed = {"numpy", "matplotlib", "IPython", "ipywidgets", *sys.stdlib_module_names}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for line in re.findall(r"^\s*((?:from|import) .*)$", cell.source, re.M):
            assert line == "import rsd_mri as rsd" or re.split(r"[ .]", line)[1] in allowed, line
        for name in re.findall(r"\brsd\.(\w+)", cell.source):
            assert name in rsd_mri.__all__, name


def executed(path, folder, monkeypatch):
    """Run a notebook in a folder; give its pictures."""
    if path.stem.startswith("08"):
        pytest.importorskip("mrinufft")
        pytest.importorskip("finufft")
    notebook = nbformat.read(path, as_version=4)
    # The kernel finds the package of this checkout.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]))
    import nbclient

    nbclient.NotebookClient(
        notebook, timeout=540, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if "image/png" in o.get("data", {})]


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("default")
def test_runs(path, tmp_path, monkeypatch):
    assert executed(path, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("default")
def test_all_run_one_after_the_other_in_one_folder(tmp_path, monkeypatch):
    """As a reader goes through them: what one leaves in the folder does not stop another."""
    for path in NOTEBOOKS:
        assert executed(path, tmp_path, monkeypatch), path.stem
