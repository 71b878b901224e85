"""Rules of the house that a program can check."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from rsd_mri.about import __version__

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "rsd_mri").rglob("*.py")) + sorted((ROOT / "data_prep").rglob("*.py"))

# The rooms: each imports only from those before it; data_prep stands among them, though it lies beside the package.
LAYERS = [
    "about",
    "errors",
    "machine",
    "operators",
    "files",
    "protocol",
    "scan",
    "metrics",
    "networks",
    "training",
    "simulation",
    "coils",
    "results",
    "diffusion",
    "preparation",
    "corruption",
    "datasets",
    "priors",
    "rsd",
    "reconstruction/classical",
    "reconstruction/posterior",
    "reconstruction/unrolled",
    "reconstruction",
    "interop",
    "data_prep",
    "experiment",
    "api",
    "serve",
    "bench",
    "commands",
]


@pytest.mark.parametrize("asked", ["--help", "--version"])
def test_help_and_version_load_nothing_slow(asked):
    """What typer takes is longer than all the rest."""
    code = (
        "import sys; from rsd_mri.commands.app import main\nsys.argv[1:] = [sys.argv[1]]\n"
        "try: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    out = subprocess.run([sys.executable, "-c", code, asked], capture_output=True, text=True, check=True)
    loaded = set(out.stderr.split())
    assert ("Not for" if asked == "--help" else __version__) in out.stdout
    assert not {"typer", "torch", "numpy", "pydantic", "dataclasses", "inspect", "json"} & loaded
    assert len([name for name in loaded if name.startswith("rsd_mri")]) < 10


def test_nothing_is_unpickled():
    forbidden = re.compile(r"pickle\.load|allow_pickle=True|torch\.load\((?!.*weights_only=True)")
    assert [p.name for p in SOURCES if forbidden.search(p.read_text())] == []


def test_a_package_that_carries_data_is_not_loaded_for_it():
    assert [p.name for p in SOURCES if re.search(r"^\s*(from|import) nilearn", p.read_text(), re.M)] == []


def test_nothing_is_asserted_for_the_type_checker():
    assert [p.name for p in SOURCES if re.search(r"^\s+assert ", p.read_text(), re.M)] == []


TABLES = re.compile(r"\b(?:dict|Mapping)\[str, (?:typing\.)?(?:Any|object)\]")
# What a stranger's file holds is anything until it is checked; Python asks for the state of an object as it is.
AS_FOUND = {"load_tensors", "parse_tensors", "__getstate__"}


def test_no_function_returns_a_table_of_anything():
    functions = [
        (path, node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None
    ]
    loose = [f"{path.name}: {f.name}" for path, f in functions if TABLES.search(ast.unparse(f.returns))]
    assert {line.split(": ")[1] for line in loose} == AS_FOUND, loose
    # Values for JSON are made where objects are written, and read where a user wrote them.
    plain = {f.name for _, f in functions if re.search(r"\bJson\b", ast.unparse(f.returns))}
    assert plain == {"as_dict", "label", "schema", "_described_above", "_facts", "_parameters"}


def test_modules_stay_small():
    assert [p.name for p in SOURCES if len(p.read_text().splitlines()) > 400] == []
    assert [p.name for p in SOURCES if p.stem in ("utils", "helpers", "common", "misc")] == []


MODULES = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in SOURCES}


@cache
def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports anywhere, but for types alone."""
    modules = set(MODULES)
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    plain = [n for n in ast.walk(tree) if isinstance(n, ast.Import)]
    named = {f"{n.module}.{a.name}" if f"{n.module}.{a.name}" in modules else n.module for n in froms for a in n.names}
    return (named | {a.name for n in plain for a in n.names}) & modules


def room_of(path: Path) -> str | None:
    """The folder of a file, or itself where it lies at the root; None for the package's own two."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "data_prep":
        return "data_prep"
    inside = parts[1:-1] or (parts[1].removesuffix(".py"),)
    return None if inside[0] in ("__init__", "__main__") else "/".join(inside)


def rooms() -> dict[str, set[str]]:
    """Each room and the other rooms that it imports from."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        if (name := room_of(path)) is not None:
            used = {room_of(MODULES[module]) for module in imported(path)}
            found.setdefault(name, set()).update(used - {name, None})
    return found


def test_rooms_import_downwards_only():
    found = rooms()
    assert sorted(found) == sorted(LAYERS)
    assert sum(map(len, found.values())) > 100
    assert [(a, b) for a, used in found.items() for b in used if LAYERS.index(b) > LAYERS.index(a)] == []
    inside = [path for path in SOURCES if room_of(path) is not None]
    assert [p.name for p in inside if "from rsd_mri import" in p.read_text()] == []  # name the module


def test_thirty_rooms_on_twelve_floors():
    floors: dict[str, int] = {}
    for name in TopologicalSorter(found := rooms()).static_order():
        floors[name] = 1 + max((floors[below] for below in found[name]), default=0)
    assert len(floors) <= 30 and max(floors.values()) <= 12


def test_no_file_imports_itself_by_way_of_others():
    arrows = {name: imported(path) - {name} for name, path in MODULES.items()}
    assert sum(map(len, arrows.values())) > len(MODULES)
    TopologicalSorter(arrows).prepare()  # a CycleError names the files


@cache
def defined(path: Path) -> set[str]:
    """Names that a module gives."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {one.asname or one.name for one in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found


def test_scripts_beside_the_package_import_what_is_there():
    """Nobody runs them on every change, and they take days."""
    scripts = sorted((ROOT / "docs").rglob("*.py")) + sorted((ROOT / "protocols").glob("*.py"))
    missing, count = [], 0
    for path in scripts:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("rsd_mri", "data_prep"):
                for one in node.names:
                    count += 1
                    there = node.module in MODULES and one.name in defined(MODULES[node.module])
                    if not there and f"{node.module}.{one.name}" not in MODULES:
                        missing.append(f"{path.name}: {node.module}.{one.name}")
    assert missing == [] and count > 50


def test_the_root_holds_few_modules():
    loose = [p.stem for p in (ROOT / "rsd_mri").glob("*.py") if p.stem not in ("__init__", "__main__")]
    assert len(loose) <= 10
