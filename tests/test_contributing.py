"""The examples of CONTRIBUTING.md are whole: each is run where the text says it belongs."""

import json
import re
import sys
import zipfile
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rsd_mri.bench import benches
from rsd_mri.commands.bench import bench
from rsd_mri.corruption import build as corruptions_built
from rsd_mri.corruption import inpainting
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import sense_operator
from rsd_mri.protocol import build, corruptions
from rsd_mri.reconstruction.classical import methods as classical
from rsd_mri.reconstruction.classical.table import CLASSICAL, Classical
from rsd_mri.reconstruction.classical.total_variation import gradient, gradient_adjoint
from rsd_mri.reconstruction.methods import LEARNED
from rsd_mri.reconstruction.posterior.problem import Problem
from rsd_mri.reconstruction.posterior.sampler import named, sampler_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, diffpir
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results import formats
from rsd_mri.results.delivery import Delivery, deliver
from rsd_mri.scan import arrays, reading

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


OF_ITS_OWN = ("rsd_mri/bench/noise_level.py", "rsd_mri/results/npy.py", "rsd_mri/reconstruction/classical/smooth.py")
"""Files that the reader makes."""


def section_of(heading: str) -> str:
    return TEXT.split(f"## {heading}")[1].split("\n## ")[0]


def example(heading: str, *homes: ModuleType, **names: Any) -> dict[str, Any]:
    """Run the code below a heading, each block among the names of the module it is for; the names of the last."""
    section = section_of(heading)
    space: dict[str, Any] = {}
    for code, home in zip(re.findall(r"```python\n(.*?)```", section, re.S), homes, strict=True):
        assert f"`{Path(home.__file__).relative_to(ROOT).parent}/" in section
        space = {**space, **vars(home), **names}
        exec(code, space)  # noqa: S102 - our own text
    return space


def new_file(heading: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The code below a heading as a module of the package, which lies elsewhere."""
    (code,) = re.findall(r"```python\n(.*?)```", section_of(heading), re.S)
    path = folder / Path(name).name
    path.write_text(code, encoding="utf-8")
    spec = util.spec_from_file_location(name.removesuffix(".py").replace("/", "."), path)
    module = util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_files_named_are_there():
    for path in re.findall(r"`((?:rsd_mri|tests|protocols)/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).is_file() or path in OF_ITS_OWN, path


def wiring(heading: str) -> dict[str, str]:
    """Of the table below a heading: the name of the table in the code, and the row that joins it."""
    found = {}
    for where, what in re.findall(r"^\| (.*?) \| (.*) \|$", section_of(heading), re.M):
        for path, name in re.findall(r"`([\w/]+\.py)`, `(\w+)`", where):
            assert re.search(rf"^{name}\b.* = ", (ROOT / path).read_text(encoding="utf-8"), re.M), f"{path}: {name}"
            found[name] = re.search(r"`(.*?)`", what)[1].replace("\\|", "|").strip(", ")
    return found


@pytest.mark.parametrize("heading", re.findall(r"^## (Add .*)$", TEXT, re.M))
def test_tables_that_rows_join_are_there_and_rows_are_code(heading):
    rows = wiring(heading)
    assert rows
    for name, row in rows.items():
        compile(
            row.removeprefix("| ") if "Settings" in name else f"[{row}]" if ":" not in row else f"{{{row}}}",
            name,
            "eval",
        )


def test_rows_are_hidden_as_often_as_asked_and_further_rows_are_among_those_seen(monkeypatch):
    made = example("Add a corruption", corruptions, inpainting)
    row = wiring("Add a corruption")["BUILDERS"]
    ((settings, law),) = eval(f"{{{row}}}", made).items()  # noqa: S307 - our own text
    asked = build(settings, {"kind": "row-inpainting", "p": 0.4, "delta": 0.2}, "protocol")
    with pytest.raises(InputError, match="unknown key 'box' of row-inpainting; known keys: kind, sigma, p, delta"):
        build(settings, {"kind": "row-inpainting", "box": 4}, "protocol")
    monkeypatch.setitem(corruptions_built.BUILDERS, settings, law)
    undone = corruptions_built.restored("row-inpainting", {"sigma": "0.1"})
    seen = torch.ones(40, 6, dtype=torch.bool)
    seen[3] = False
    operator, y = corruptions_built.corruption_from(undone, (3, 40, 6)).of_picture(torch.ones(3, 40, 6), seen)
    assert torch.equal(operator.mask[0, 0], seen) and not y[:, :, 3].any()
    corruption = law(asked, (3, 40, 6), 0)
    keys = [(0, i) for i in range(50)]
    operator, _ = corruption.draw(keys)
    further = corruption.further(operator, keys)
    assert (operator.mask == operator.mask[..., :1]).all()
    assert float(operator.mask.float().mean()) == pytest.approx(0.6, abs=0.05)
    assert not (further.mask & ~operator.mask).any()
    assert float(further.mask.float().mean()) == pytest.approx(0.48, abs=0.05)


def test_a_bench_of_ones_own_is_listed_shown_and_run(monkeypatch, tmp_path):
    module = new_file("Add a bench", OF_ITS_OWN[0], tmp_path, monkeypatch)
    one = eval(wiring("Add a bench")["BENCHES"], vars(module))  # noqa: S307 - our own text
    monkeypatch.setitem(benches.BENCHES, one.about.name, one)
    invoke = CliRunner().invoke
    assert "noise-level" in invoke(bench, ["list"]).stdout
    assert "--set matrix=96  Matrix size [pixels]." in invoke(bench, ["show", "noise-level"]).stdout
    done = invoke(bench, ["run", "noise-level", "--set", "matrix=80", "--json"])
    assert done.exit_code == 0, done.output
    ratios = [row["ratio"] for row in json.loads(done.stdout.splitlines()[-1])["rows"]]
    assert ratios == pytest.approx([1.0, 1.0], abs=0.2)
    assert "known keys: seed, matrix" in invoke(bench, ["run", "noise-level", "--set", "matrx=80"]).stderr


def test_a_format_of_ones_own_is_offered_and_written(monkeypatch, tmp_path, undersampled_scan):
    new_file("Add an output format", OF_ITS_OWN[1], tmp_path, monkeypatch)
    row = wiring("Add an output format")["FORMATS"]
    one = eval(row, vars(formats))  # noqa: S307 - our own text
    monkeypatch.setitem(formats.FORMATS, one.name, one)
    rec = reconstruct_scan(undersampled_scan[0], CLASSICAL["zero-filled"])
    (path,) = deliver(rec, Delivery(tmp_path, ("npy",)))
    assert path == tmp_path / f"{rec.source.stem}_recon.npy"
    np.testing.assert_array_equal(np.load(path)[0], rec.magnitude)
    assert rec.save(tmp_path / "other.npy") == [tmp_path / "other.npy"]
    assert "npy: magnitudes for NumPy." in formats.described()
    with pytest.raises(InputError, match=r"expected some of h5, .*, npy, joined by commas; near it: npy"):
        Delivery(tmp_path, ("npz",))


def test_every_format_of_the_table_is_written_and_found_by_its_ending(tmp_path, undersampled_scan):
    rec = reconstruct_scan(undersampled_scan[0], CLASSICAL["zero-filled"])
    for name, one in formats.FORMATS.items():
        files = deliver(rec, Delivery(tmp_path / name, (name,)))
        assert files and all(path.is_file() and tmp_path / name in path.parents for path in files)
        for ending in one.saved:
            assert len(rec.save(tmp_path / "saved" / f"{name}{ending}")) == len(files)


def test_plug_and_play_settles_at_the_posterior_mean_of_gaussian_images():
    c, sigma, shape = 0.8, 0.3, (6, 8)
    csm = normal((1, 2, *shape), generator("maps"), torch.complex128)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    operator = sense_operator(csm, torch.tensor([0, 1, 0, 1, 1, 0, 0, 1]))
    y = operator(c * normal((1, *shape), generator("image"), torch.complex128))
    n = shape[0] * shape[1]
    gram = operator.gram(torch.eye(n, dtype=torch.complex128).reshape(n, *shape)).reshape(n, n).T
    mean = torch.linalg.solve(gram / sigma**2 + torch.eye(n) / c**2, operator.adjoint(y).reshape(n) / sigma**2)
    problem = Problem(
        operator,
        y,
        sigma,
        lambda x, t, step: x * (c**2 / (c**2 + t**2))[:, None, None],
        lambda step, what, like: torch.zeros_like(like),
        torch.zeros(1, *shape, dtype=torch.complex128),
        c,
    )
    space = example("Add a sampler", diffpir)
    made = space["PlugAndPlay"]
    found = made(levels=60, sigma_min=0.8, sigma_max=0.8, iterations=30, tolerance=1e-10).sample(problem)
    assert torch.allclose(found.reshape(n), mean, atol=1e-4)
    # The row is all that a table needs.
    row = re.search(r"`SAMPLERS` \| the row `(.*?)`", section_of("Add a sampler"))[1]
    table = SAMPLERS | named(*eval(f"[{row}]", space))  # noqa: S307 - our own text
    assert sampler_of("plug-and-play", 7, table).parameters()["levels"] == 7


def test_smooth_least_squares_are_those_of_a_dense_solve(monkeypatch, tmp_path):
    shape, sigma = (6, 8), 0.1
    csm = normal((1, 2, *shape), generator("maps"), torch.complex128)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    operator = sense_operator(csm, torch.tensor([0, 1, 0, 1, 1, 0, 0, 1]))
    y = operator(normal((1, *shape), generator("image"), torch.complex128))
    new_file("Add a classical method", OF_ITS_OWN[2], tmp_path, monkeypatch)
    row = wiring("Add a classical method")["CLASSICAL"]
    found = eval(row, {"Classical": Classical}).run(operator, y, sigma)  # noqa: S307 - our own text
    weight = classical.default_regularisation("cg-sense", operator, y, sigma)
    n = shape[0] * shape[1]
    eye = torch.eye(n, dtype=torch.complex128).reshape(n, *shape)
    matrix = (operator.gram(eye) + weight * gradient_adjoint(gradient(eye))).reshape(n, n).T
    exact = torch.linalg.solve(matrix, operator.adjoint(y).reshape(n))
    assert torch.allclose(found.reshape(n), exact, atol=1e-3)


def test_every_row_of_the_tables_of_methods_is_there():
    for row in (*(method.function for method in CLASSICAL.values()), *(method.kind for method in LEARNED.values())):
        module, name = row.rsplit(".", 1)
        folder = "reconstruction.classical" if "." not in module else "reconstruction"
        assert callable(getattr(import_module(f"rsd_mri.{folder}.{module}"), name))


def test_archives_are_read_and_damaged_ones_refused(monkeypatch, tmp_path, undersampled_scan):
    scan = undersampled_scan[0]
    space, rows = example("Add a scan reader", arrays, zipfile=zipfile), wiring("Add a scan reader")
    read = space["read_npz"]
    for table in ("READERS", "SIGNATURES"):
        monkeypatch.setattr(reading, table, getattr(reading, table) | eval(f"{{{rows[table]}}}", space))  # noqa: S307
    monkeypatch.setattr(reading, "SUFFIXES", (*reading.SUFFIXES, eval(rows["SUFFIXES"])))  # noqa: S307 - our own text
    path = tmp_path / "scan.npz"
    np.savez(path, kspace=scan.kspace, mask=scan.mask)
    assert reading.find_scans(tmp_path) == [path]
    (found,) = reading.read_scans(path)
    assert found.format == "npz"
    np.testing.assert_array_equal(found.kspace, scan.kspace)
    np.testing.assert_array_equal(found.mask, scan.mask)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="save it again"):
        read(path)
    np.savez(path, other=scan.mask)
    with pytest.raises(InputError, match="no array kspace"):
        read(path)
