"""Teacher and student judged against clean images."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rsd_mri.bench.comparison import FIRST_HELD_OUT, held_out_images
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
    assert names == {CLEAN: ["measurements", *taught], SEEN: taught if small else [], MEASURED: taught}
    assert found["ratio"] > 0 and found["ratio_truncated"] > 0 and (found["ratio_seen"] is not None) == small
    assert found["speed_up"] > 1 and all(row["images"] > 0 for row in found["rows"])
    assert json.loads((tmp_path / "run" / "card.json").read_text())["rows"] == found["rows"]
    assert "Not for diagnostic use" in done.stdout and "published:" in done.stdout


def test_held_out_scans_are_not_those_of_training(tmp_path):
    recipe = build(Protocol, {**TINY, "data": {**TINY["data"], "slices": 3}}, "tiny")
    images = held_out_images(recipe, tmp_path, 4, SILENT)
    assert images.shape == (4, 24, 24) and np.iscomplexobj(images)
    assert sorted(p.name for p in (tmp_path / "held-out").glob("*.h5")) == [
        f"brain_0_{FIRST_HELD_OUT + i:04d}.h5" for i in range(2)
    ]
