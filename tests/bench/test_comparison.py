"""Teacher and student judged against clean images."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rsd_mri.bench.comparison import FIRST_HELD_OUT, TRAINING, held_out_images
from rsd_mri.commands.bench import bench
from rsd_mri.machine.progress import SILENT
from rsd_mri.metrics.judging import CLEAN, MEASURED, SEEN, judge
from rsd_mri.protocol import Protocol, build

TINY = {
    "data": {"volumes": 2, "slices": 25, "matrix": 24, "coils": 3},
    "prep": {"kernel_width": 3},
    "network": {"channels": 4, "multipliers": [1, 2]},
    "teacher": {"images": 8, "batch": 4},
    "distillation": {"images": 8, "batch": 4},
    "sampler": {"steps": 4},
}


def test_equal_sets_are_at_no_distance_and_worse_ones_further_off():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(36, 36)) / 6
    clean, other = (np.reshape(rng.normal(size=(400, 36)) @ mixing, (400, 1, 6, 6)) for _ in range(2))
    sets = {"same": clean, "others": other, "noisy": other + 1.0}
    rows = {r.name: r for r in judge(clean, sets, {"noisy": (0.5, 3)})}
    assert rows["same"].frechet < 1e-6 and rows["same"].precision == 1
    assert rows["same"].frechet < rows["others"].frechet < rows["noisy"].frechet
    assert rows["noisy"].recall < rows["others"].recall
    assert rows["noisy"].seconds_per_image == 0.5 and rows["others"].seconds_per_image is None
    assert 0 < rows["others"].interval < rows["others"].frechet


def test_a_distance_is_of_structure_and_of_detail():
    rng = np.random.default_rng(0)
    y = np.linspace(-1, 1, 16)
    clean = rng.normal(size=(300, 1, 1)) * y[:, None] + rng.normal(size=(300, 1, 1)) * y
    clean = clean + rng.uniform(0.05, 0.15, (300, 1, 1)) * rng.normal(size=clean.shape)
    brighter, rougher = judge(clean, {"brighter": clean + 1.0, "rougher": clean + 0.3 * rng.normal(size=clean.shape)})
    assert brighter.structure > 1 and brighter.detail < 1e-6  # detail has no mean brightness
    assert rougher.detail > 3 * rougher.structure
    for row in (brighter, rougher):
        assert row.frechet > 0.9 * (row.structure + row.detail)  # two blocks of features, little correlated


@pytest.mark.parametrize(
    "corruption, source",
    [
        ({"kind": "undersampling"}, "brains"),
        ({"kind": "noise", "sigma": 0.3}, "digits"),
        ({"kind": "super-resolution"}, "photographs"),
    ],
)
@pytest.mark.long
def test_bench_walks_the_whole_path(tmp_path, corruption, source):
    values = {**TINY, "name": "tiny", "corruption": corruption, "data": {**TINY["data"], "source": source}}
    if source != "brains":
        values["network"] = {**TINY["network"], "field": "real"}
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(build(Protocol, values, "tiny").to_yaml(), encoding="utf-8")
    asked = ["run", "noise-0.2-cifar10", "--set", f"protocol={recipe}", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(bench, [*asked, "--set", "count=100", "--device", "cpu", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    spaces = (CLEAN, SEEN, MEASURED)
    names = {space: [row["name"] for row in found["rows"] if row["space"] == space] for space in spaces}
    taught = ["teacher", "teacher, truncated", "student"]
    small = corruption["kind"] == "super-resolution"  # the teacher makes measurements, and is judged among them too
    assert names == {CLEAN: ["measurements", *taught, TRAINING], SEEN: taught if small else [], MEASURED: taught}
    assert found["ratio"] > 0 and found["ratio_truncated"] > 0 and (found["ratio_seen"] is not None) == small
    clean = {row["name"]: row for row in found["rows"] if row["space"] == CLEAN}
    assert (
        clean[TRAINING]["frechet"] < clean["measurements"]["frechet"]
    )  # untrained networks: the clean ones are nearest
    assert found["likeness"]["nearest"]["median"] > 0 and found["likeness"]["two_sample"]["images"] > 40
    assert found["speed_up"] > 1 and all(row["images"] > 0 for row in found["rows"])
    assert json.loads((tmp_path / "run" / "card.json").read_text())["rows"] == found["rows"]
    assert "Not for diagnostic use" in done.stdout and "published:" in done.stdout


@pytest.mark.long
def test_held_out_scans_are_not_those_of_training(tmp_path):
    recipe = build(Protocol, {**TINY, "data": {**TINY["data"], "slices": 3}}, "tiny")
    images = held_out_images(recipe, tmp_path, 4, SILENT)
    assert images.shape == (4, 24, 24) and np.iscomplexobj(images)
    assert sorted(p.name for p in (tmp_path / "held-out").glob("*.h5")) == [
        f"brain_0_{FIRST_HELD_OUT + i:04d}.h5" for i in range(2)
    ]
