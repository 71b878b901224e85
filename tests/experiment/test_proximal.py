"""The Proximal distance: it falls as images get better, chooses the weights, and survives a kill."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from safetensors.torch import load_file
from tiny_run import PROTOCOL, Slices, run

from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.kernels import gaussian_kernel
from rsd_mri.corruption.measured import Blur, SuperResolution
from rsd_mri.datasets.images import CorruptedImages
from rsd_mri.experiment.proximal import ProximalDistance, proximal_distance, split_items
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.prior import load_prior
from rsd_mri.protocol import MonitorSettings, Protocol
from rsd_mri.training import loop
from rsd_mri.training.state import CHANCE

JUDGED = replace(
    PROTOCOL,
    teacher=replace(PROTOCOL.teacher, images=24),
    distillation=replace(PROTOCOL.distillation, images=16),
    # A distance after every eight images of the teacher, and after each batch of the generator.
    monitor=MonitorSettings(cost=14.0, images=16, held_out=0.4, steps=8),
)


@pytest.fixture(scope="module")
def slices(full_scan):
    return Slices(full_scan[0], copies=20)


@given(st.integers(1, 3000), st.floats(0.0, 0.9), st.integers(16, 600), st.integers(0, 5))
def test_split_is_a_partition_that_repeats(count, share, images, seed):
    settings = MonitorSettings(held_out=share, images=images)
    train, held = split_items(count, settings, seed)
    assert sorted(train + held) == list(range(count))
    assert (train, held) == split_items(count, settings, seed)
    assert not held or 16 <= len(held) <= images
    assert split_items(count, replace(settings, cost=0.0), seed) == (list(range(count)), [])


def gaussian_images(count, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    slow = rng.standard_normal((count, 1, 4, 4)).astype(np.float32)
    return 0.3 * scale * np.kron(slow, np.ones((1, 1, 2, 2), np.float32))


def test_the_true_law_is_closest_and_worse_ones_are_ordered():
    sigma = 0.2
    corruption = Noise((1, 8, 8), sigma)
    data = CorruptedImages(gaussian_images(600, 0), corruption, 0)
    settings = MonitorSettings(images=256, held_out=0.4)
    _, held = split_items(len(data), settings, 0)
    distance = ProximalDistance(data, held, settings, 0)
    fabric = Fabric(accelerator="cpu", devices=1)

    def of(scale, shift=0.0):
        images = torch.from_numpy(gaussian_images(256, 9, scale)) + shift
        return distance(fabric, lambda keys: images[[int(k[2]) for k in keys]])

    found = [of(1.0), of(0.8), of(0.5), of(0.0)]
    assert found == sorted(found)
    assert of(1.0, 0.2) > found[0]
    # Noise that was learned as if it were image is counted once too often: a memory of the data is not closest.
    noisy = data.batch(list(range(256))).y
    assert distance(fabric, lambda keys: noisy[[int(k[2]) for k in keys]]) > found[0]
    assert distance(fabric, lambda keys: noisy[[int(k[2]) for k in keys]] * float("nan")) == math.inf


def test_interval_keeps_to_its_share_of_the_computation():
    settings = MonitorSettings(cost=0.05, images=256)
    data = CorruptedImages(gaussian_images(200, 0), Noise((1, 8, 8), 0.1), 0)
    distance = proximal_distance(data, Protocol(monitor=settings))
    every = distance.interval(15, 3)
    assert 256 * 15 / (3 * every) == pytest.approx(0.05, rel=1e-3)
    assert proximal_distance(data, Protocol(monitor=MonitorSettings(cost=0.0))) is None


def judged_at(folder, stage):
    rows = [r.split(",") for r in (folder / "metrics.csv").read_text().splitlines()]
    return {int(r[1]): float(r[4]) for r in rows if r[0] == stage and r[3] == "proximal distance"}


@pytest.mark.long
def test_the_last_weights_of_a_low_distance_are_the_result(slices, tmp_path, monkeypatch):
    averages = {}
    plain = loop.save_state

    def watched(stage, fabric, path, images, identity, best):
        averages[stage.name, images] = {k: v.clone() for k, v in stage.averages[stage.name].state_dict().items()}
        plain(stage, fabric, path, images, identity, best)

    monkeypatch.setattr(loop, "save_state", watched)
    falling = replace(JUDGED, distillation=replace(JUDGED.distillation, images=24, cooldown=16))
    run(slices, tmp_path, falling, checkpoint_seconds=0.0)
    for stage in ("teacher", "generator"):
        distances = judged_at(tmp_path, stage)
        assert len(distances) >= 3
        if stage == "generator":  # once the rates fall, what came before does not count
            assert min(distances) <= 8
            distances = {i: d for i, d in distances.items() if i > 8}
            assert len(distances) >= 2
        lowest = {i: min(d for j, d in distances.items() if j <= i) for i in distances}
        chosen = max(i for i, d in distances.items() if d <= (1 + CHANCE) * lowest[i])
        prior = load_prior(tmp_path, stage)
        assert prior.card.chosen_at_images == chosen
        assert prior.card.proximal_distance == pytest.approx(distances[chosen], rel=1e-5)
        assert prior.card.proximal_images == 16 and prior.card.proximal_held_out == 16
        written = load_file(tmp_path / f"{stage}.safetensors")
        assert all(torch.equal(written[k], v) for k, v in averages[stage, chosen].items())


@pytest.mark.long
def test_held_out_items_are_not_trained_on(slices, tmp_path):
    run(slices, tmp_path / "a", JUDGED, stage="teacher")
    data_items = sorted(range(len(slices)), key=lambda i: slices.items[i])
    _, held = split_items(len(slices), JUDGED.monitor, JUDGED.seed)
    spoiled = Slices.__new__(Slices)
    spoiled.items, spoiled.rows = slices.items, list(slices.rows)
    for i in held:
        row = slices.rows[data_items[i]]
        spoiled.rows[data_items[i]] = replace(row, kspace=row.kspace * 1e3)
    run(spoiled, tmp_path / "b", JUDGED, stage="teacher")
    for where in ("module/teacher/", "average/teacher/"):
        a, b = (load_file(tmp_path / n / "checkpoint" / "teacher.safetensors") for n in "ab")
        assert all(torch.equal(v, b[k]) for k, v in a.items() if k.startswith(where))


class Killed(Exception):
    """Stands for a kill: nothing of the loop runs after it."""


@pytest.mark.long
@pytest.mark.parametrize("stage", ["teacher", "generator"])
def test_the_best_so_far_survives_a_kill(slices, tmp_path, stage, monkeypatch):
    run(slices, tmp_path / "whole", JUDGED)
    run(slices, tmp_path / "killed", JUDGED, stage="teacher")
    if stage == "teacher":
        for name in ("teacher.safetensors", "checkpoint/teacher.safetensors"):
            (tmp_path / "killed" / name).unlink()

    def show(share, name, detail):
        if name == stage and share == 12 / {"teacher": 24, "generator": 16}[stage]:
            raise Killed

    with pytest.raises(Killed):
        run(slices, tmp_path / "killed", JUDGED, stage=stage, progress=Progress(show), checkpoint_seconds=0.0)
    run(slices, tmp_path / "killed", JUDGED)
    for name in ("teacher", "generator"):
        a, b = (load_file(tmp_path / n / f"{name}.safetensors") for n in ("whole", "killed"))
        assert all(torch.equal(a[k], b[k]) for k in a)
        cards = [load_prior(tmp_path / n, name).card for n in ("whole", "killed")]
        assert cards[0] == cards[1]
        assert judged_at(tmp_path / "whole", name) == judged_at(tmp_path / "killed", name)


def test_few_items_are_all_trained_on(full_scan, tmp_path):
    run(Slices(full_scan[0]), tmp_path, stage="teacher")
    assert load_prior(tmp_path, "teacher").card.proximal_distance is None
    assert "proximal" not in (tmp_path / "metrics.csv").read_text()


@pytest.mark.parametrize("law", ["blur", "smaller"])
def test_images_that_are_measurements_are_not_degraded_again(law):
    """Where the teacher models A x, clean A x is what comes closest: it is noised, not blurred or shrunk, once more."""
    shape = (1, 16, 16)
    corruption = Blur(shape, gaussian_kernel(5, 1.5), 0.1) if law == "blur" else SuperResolution(shape, 2, 0.1)
    rng = np.random.default_rng(0)
    clean = (0.4 * rng.standard_normal((800, *shape))).astype(np.float32)
    settings = MonitorSettings(images=256, held_out=0.4)
    data = CorruptedImages(clean, corruption, 0)
    distance = ProximalDistance(data, split_items(len(data), settings, 0)[1], settings, 0)
    seen = corruption.to_teacher(torch.from_numpy((0.4 * rng.standard_normal((256, *shape))).astype(np.float32)))
    fabric = Fabric(accelerator="cpu", devices=1)
    right = distance(fabric, lambda keys: seen[[int(k[-1]) for k in keys]])
    assert right < 0.5 * distance(fabric, lambda keys: 0.5 * seen[[int(k[-1]) for k in keys]])
    if law == "blur":
        assert right < 0.5 * distance(fabric, lambda keys: corruption.to_teacher(seen[[int(k[-1]) for k in keys]]))
