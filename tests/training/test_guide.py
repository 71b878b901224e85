"""A worse teacher that guides the distilled one: kept in the run, and refused where it would do nothing."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import PROTOCOL, Slices, run

from rsd_mri.errors import InputError
from rsd_mri.priors.guided import GUIDE
from rsd_mri.rsd import guide

GUIDED = PROTOCOL.with_values({"distillation.autoguidance": "1"})


@pytest.fixture(scope="module")
def slices(full_scan):
    return Slices(full_scan[0])


@pytest.fixture(scope="module")
def earlier(slices, tmp_path_factory):
    """A run whose teacher was stopped, and one that has the teacher which went on."""
    folder = tmp_path_factory.mktemp("earlier")
    run(slices, folder / "run", PROTOCOL.with_values({"teacher.images": "8"}), stage="teacher")
    shutil.copytree(folder / "run", folder / "before")
    run(slices, folder / "run", stage="teacher")
    return folder


def later(earlier, folder):
    """A run to distil, of its own."""
    shutil.copytree(earlier / "run", folder)
    return folder


def test_a_guide_is_kept_and_changes_the_generator(slices, earlier, tmp_path):
    plain, guided, parts = (later(earlier, tmp_path / name) for name in ("plain", "guided", "parts"))
    run(slices, plain, stage="generator")
    run(slices, guided, GUIDED, stage="generator", guide=earlier / "before")
    assert (guided / GUIDE).read_bytes() == (earlier / "before" / "teacher.safetensors").read_bytes()
    run(
        slices,
        parts,
        GUIDED.with_values({"distillation.images": "4"}),
        stage="generator",
        guide=earlier / "before" / "teacher.safetensors",
    )
    run(slices, parts, GUIDED, stage="generator")
    a, b, c = (load_file(folder / "generator.safetensors") for folder in (guided, parts, plain))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)


def test_the_weights_of_a_guide_are_loaded_once_as_the_distillation_starts(slices, earlier, tmp_path, monkeypatch):
    folder, loaded = later(earlier, tmp_path / "run"), []
    whole = guide.load_prior
    monkeypatch.setattr(guide, "load_prior", lambda *given: loaded.append(given[0]) or whole(*given))
    short = GUIDED.with_values({"distillation.images": "4"})
    run(slices, folder, short, stage="generator", guide=earlier / "before")
    assert loaded == [earlier / "before"]
    run(slices, folder, GUIDED, stage="generator")
    assert loaded == [earlier / "before", folder / GUIDE]


def test_a_guide_that_equals_the_teacher_changes_nothing_but_rounding(slices, earlier, tmp_path):
    plain, guided = (later(earlier, tmp_path / name) for name in ("plain", "guided"))
    run(slices, plain, stage="generator")
    run(slices, guided, GUIDED, stage="generator", guide=plain)
    a, b = (load_file(folder / "generator.safetensors") for folder in (plain, guided))
    for name, weight in a.items():
        torch.testing.assert_close(weight, b[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("protocol", "options", "said"),
    [
        (GUIDED, {}, "has no guide; give --guide EARLIER, a run whose teacher was trained for a shorter time"),
        (PROTOCOL, {"guide": True}, "distillation.autoguidance is 0; set its weight"),
    ],
)
def test_one_without_the_other_is_refused(slices, earlier, tmp_path, protocol, options, said):
    folder = later(earlier, tmp_path / "run")
    options = dict.fromkeys(options, earlier / "before")
    with pytest.raises(InputError, match=said):
        run(slices, folder, protocol, stage="generator", **options)
    assert not (folder / GUIDE).exists()
    assert not (folder / "generator.safetensors").exists()


def test_another_guide_is_refused_and_the_first_kept(slices, earlier, tmp_path):
    folder = later(earlier, tmp_path / "run")
    short = GUIDED.with_values({"distillation.images": "4"})
    run(slices, folder, short, stage="generator", guide=earlier / "before")
    kept = (folder / GUIDE).read_bytes()
    with pytest.raises(InputError, match="is guided by other weights"):
        run(slices, folder, GUIDED, stage="generator", guide=earlier / "run")
    assert (folder / GUIDE).read_bytes() == kept
    run(slices, folder, short, stage="generator", guide=earlier / "run", fresh=True)
    assert (folder / GUIDE).read_bytes() == (earlier / "run" / "teacher.safetensors").read_bytes()
