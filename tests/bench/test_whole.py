"""A whole experiment on data of the kind that a user has, at a size that takes seconds."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from data_prep import prepare_folder
from data_prep.images import photographs
from rsd_mri.commands.app import app
from rsd_mri.protocol import Protocol, build
from rsd_mri.simulation import simulate_folder

TINY = {
    "data": {"matrix": 16},
    "prep": {"kernel_width": 3},
    "network": {"channels": 4, "multipliers": [1, 2]},
    "teacher": {"images": 8, "batch": 4},
    "distillation": {"images": 8, "batch": 4},
    "sampler": {"steps": 4},
    "monitor": {"cost": 0},
}


def run(tmp_path, values, data):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(build(Protocol, values, "tiny").to_yaml(), encoding="utf-8")
    asked = ["bench", "run", "noise-0.2-cifar10", "--scale", "paper", "--data", str(data)]
    asked += ["--set", f"protocol={recipe}"]
    more = ["--set", "count=20", "--set", "features=principal", "--device", "cpu", "--json"]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "run"), *more])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert json.loads((tmp_path / "run" / "card.json").read_text())["judged"] == found["judged"]
    for sets in found["judged"].values():
        assert {"teacher", "student"} <= set(sets)
        for figures in sets.values():
            assert figures["frechet_distance"] > 0 and figures["images"] == 20
            assert set(figures["intervals"]) >= {"frechet_distance", "kernel_distance", "precision", "recall"}
    return found


@pytest.mark.parametrize("kind", ["noise", "super-resolution"])
def test_pictures_of_a_folder(tmp_path, kind):
    pytest.importorskip("torch_fidelity")
    (tmp_path / "pictures").mkdir()
    for i, image in enumerate(photographs(24, 20, 0)):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "pictures" / f"{i}.png")
    values = {**TINY, "corruption": {"kind": kind, "sigma": 0.2}, "network": {**TINY["network"], "field": "real"}}
    found = run(tmp_path, values, tmp_path / "pictures")["judged"]
    assert set(found) == {"bytes", "proximal"} and found["bytes"]["student"]["reference_images"] == 24


def test_scans_are_judged_on_both_scales(tmp_path):
    """Unscaled magnitudes, as published, and the stated scale: squared distances differ by the square of the factor."""
    pytest.importorskip("torch_fidelity")
    simulate_folder(tmp_path / "scans", 6, 4, 24, 3, 0.01, None, 0)
    prepare_folder(tmp_path / "scans", tmp_path / "prepared", build(Protocol, TINY, "tiny"))
    found = run(tmp_path, TINY, tmp_path / "prepared")["judged"]
    assert set(found) == {"scaled", "unscaled", "proximal"}
    assert np.isfinite([f["frechet_distance"] for sets in found.values() for f in sets.values()]).all()
