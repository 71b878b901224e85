"""Rules of the house that a program can check."""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "rsd_mri").rglob("*.py")) + sorted((ROOT / "data_prep").rglob("*.py"))

# Each folder imports only from those above it.
LAYERS = [
    "errors", "files", "randomness", "protocol", "operators", "scan", "simulation", "coils", "networks", "diffusion",
    "corruption", "training", "rsd", "reconstruction", "evaluation", "report",
]


def test_help_answers_without_torch():
    code = "import sys; import rsd_mri.cli; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_is_fast_enough_to_be_pleasant():
    begun = time.perf_counter()
    out = subprocess.run([sys.executable, "-m", "rsd_mri", "--help"], capture_output=True, text=True, check=True)
    assert "Not for" in out.stdout
    assert time.perf_counter() - begun < 30  # a hang, not a speed


def test_nothing_is_unpickled():
    forbidden = re.compile(r"pickle\.load|allow_pickle=True|torch\.load\((?!.*weights_only=True)")
    assert [p.name for p in SOURCES if forbidden.search(p.read_text())] == []


def test_modules_stay_small():
    assert [p.name for p in SOURCES if len(p.read_text().splitlines()) > 420] == []
    assert [p.name for p in SOURCES if p.stem in ("utils", "helpers", "common", "misc")] == []


def test_folders_import_downwards_only():
    wrong = []
    for path in SOURCES:
        parts = path.relative_to(ROOT).parts
        folder = parts[1].removesuffix(".py")
        if parts[0] != "rsd_mri" or folder not in LAYERS:
            continue
        for used in re.findall(r"^\s*from rsd_mri\.(\w+)", path.read_text(), re.M):
            if used in LAYERS and LAYERS.index(used) > LAYERS.index(folder):
                wrong.append(f"{path.relative_to(ROOT)} imports {used}")
    assert wrong == []
