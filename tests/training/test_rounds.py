"""Expectation maximisation as a run: rounds of a denoiser of whole images, and its distillation to one step."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rsd_mri.datasets.restored import RestoredImages
from rsd_mri.errors import InputError
from rsd_mri.experiment.generated import generate_sets
from rsd_mri.experiment.runs import train_run
from rsd_mri.machine.progress import SILENT
from rsd_mri.priors.guided import GUIDE
from rsd_mri.priors.prior import WHOLE_IMAGES, load_corruption, load_prior
from rsd_mri.protocol import (
    DataSettings,
    DenoiserSettings,
    DistillationSettings,
    MaskSettings,
    MonitorSettings,
    NetworkSettings,
    PrepSettings,
    Protocol,
    SamplerSettings,
)
from rsd_mri.rsd.sampling import network_of
from rsd_mri.training.fabric import TrainOptions

PROTOCOL = Protocol(
    mask=MaskSettings(acceleration=2.0),
    prep=PrepSettings(virtual_coils=2, kernel_width=3),
    data=DataSettings(volumes=4, slices=5, matrix=16, coils=2),
    network=NetworkSettings(channels=4, multipliers=(1, 2), attention=(1,)),
    denoiser=DenoiserSettings(restored_by="tv", rounds=2, levels=3, images=32, batch=8, patch=0),
    distillation=DistillationSettings(teacher="denoiser", images=16, batch=8),
    sampler=SamplerSettings(steps=4),
    monitor=MonitorSettings(images=16, held_out=0.8, cost=0.5),
)
CPU = TrainOptions("all", device="cpu")
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rounds")
    done = train_run(PROTOCOL, folder, None, CPU, SILENT)
    return folder, done


def test_whole_images_are_given_as_they_are():
    images = torch.randn(3, 6, 5, dtype=torch.complex64)
    batch = RestoredImages(images, 0).batch([2, 0])
    assert torch.equal(batch.y, images[[2, 0]]) and not batch.sigma.any()


def test_a_run_restores_learns_restores_again_and_distils(run):
    folder, done = run
    assert done.images == {"denoiser": 64, "generator": 16}
    rounds = [load_prior(folder / f"round-{n}", "denoiser") for n in (1, 2)]
    assert [r.card.restored_by for r in rounds] == ["tv", "posterior"]
    assert load_prior(folder, "denoiser").sha256 == rounds[1].sha256 != rounds[0].sha256
    assert load_prior(folder, "generator").inputs == WHOLE_IMAGES


def test_what_is_done_is_not_done_again(run):
    folder, _ = run
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("restored-*.safetensors")}
    assert len(before) == 2
    assert train_run(PROTOCOL, folder, None, CPU, SILENT).images == {"denoiser": 0, "generator": 0}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_earlier_round_guides_the_distillation(run, tmp_path):
    folder, _ = run
    shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("generator.safetensors"))
    guided = replace(PROTOCOL, distillation=replace(PROTOCOL.distillation, autoguidance=1.0, guide_round=1))
    data = folder / "simulated-prepared"
    assert train_run(guided, tmp_path / "run", data, CPU, SILENT).images == {"denoiser": 0, "generator": 16}
    guide = load_prior(tmp_path / "run" / GUIDE, "denoiser")
    assert guide.sha256 == load_prior(folder / "round-1", "denoiser").sha256
    given = replace(guided, distillation=replace(guided.distillation, guide_round=0))
    shutil.copytree(folder, tmp_path / "given", ignore=shutil.ignore_patterns("generator.safetensors"))
    options = replace(CPU, stage="generator", guide=folder / "round-1")
    assert train_run(given, tmp_path / "given", data, options, SILENT).images == {"generator": 16}
    a, b, plain = (load_file(f / "generator.safetensors") for f in (tmp_path / "run", tmp_path / "given", folder))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], plain[name]) for name in a)


def test_the_last_round_may_be_longer(run, tmp_path):
    folder, _ = run
    longer = replace(PROTOCOL, denoiser=replace(PROTOCOL.denoiser, last_images=64, last_cooldown=16))
    assert longer.taught == (96, 8)
    shutil.copytree(folder, tmp_path / "run")
    options = replace(CPU, stage="denoiser")
    assert train_run(longer, tmp_path / "run", folder / "simulated-prepared", options, SILENT).images == {
        "denoiser": 32
    }


@pytest.mark.parametrize(
    ("distillation", "options", "sentence"),
    [
        ({"guide_round": 2}, {}, "denoiser.rounds is 2; a guide is of a round before the last"),
        ({"autoguidance": 0.0}, {}, "distillation.autoguidance is 0; set its weight"),
        ({"teacher": "teacher"}, {}, "distillation.teacher is 'teacher', which has no rounds"),
        ({}, {"guide": Path()}, "set it to 0 to give another guide"),
        ({}, {"stage": "generator"}, "round-1: holds no denoiser to guide the distillation"),
    ],
)
def test_a_round_that_cannot_guide_is_refused(run, tmp_path, distillation, options, sentence):
    chosen = {"autoguidance": 1.0, "guide_round": 1, **distillation}
    protocol = replace(PROTOCOL, distillation=replace(PROTOCOL.distillation, **chosen))
    with pytest.raises(InputError, match=sentence):
        train_run(protocol, tmp_path, run[0] / "simulated-prepared", replace(CPU, **options), SILENT)


def test_one_more_round_goes_on_from_the_last(run, tmp_path):
    folder, _ = run
    longer = replace(PROTOCOL, denoiser=replace(PROTOCOL.denoiser, rounds=3))
    done = train_run(longer, folder, None, replace(CPU, stage="denoiser"), SILENT)
    assert done.images == {"denoiser": 32}
    assert load_prior(folder, "denoiser").card.round == 3


def test_images_end_where_the_maps_do_in_the_restorations(run):
    from rsd_mri.training.checkpoint import load_tensors

    folder, _ = run
    tensors, _ = load_tensors(folder / "round-2" / "restored-posterior.safetensors")
    images = torch.view_as_complex(tensors["images"])
    assert images.shape == (20, 16, 16) and bool((images == 0).any()) and bool(torch.isfinite(images.abs()).all())


def test_generator_and_denoiser_make_images_without_maps(run):
    folder, _ = run
    student = load_prior(folder, "generator")
    assert not load_corruption(folder, student).sampling_features
    assert network_of(folder, "teacher").kind == "denoiser"
    made = generate_sets(PROTOCOL, folder, 6, torch.device("cpu"), SILENT)
    assert made.student.shape == made.taught["teacher"].shape == (6, 16, 16)
    assert set(made.taught) == {"teacher", "teacher, truncated"}
    # Judged as measurements under masks of the data, though no network was told of any.
    again = made.corrupted_again()["student"]
    assert again.shape == (6, 16, 16) and not np.allclose(again, made.student, atol=1e-3)


def test_the_guided_teacher_is_judged_beside_the_other(run, tmp_path):
    folder, _ = run
    shutil.copytree(folder, tmp_path / "run")
    with safe_open(folder / "denoiser.safetensors", "pt") as file:
        worse = {name: 1.1 * file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        save_file(worse, tmp_path / "run" / "guide.safetensors", file.metadata())
    guided = replace(PROTOCOL, distillation=replace(PROTOCOL.distillation, autoguidance=1.0))
    made = generate_sets(guided, tmp_path / "run", 4, torch.device("cpu"), SILENT)
    plain = generate_sets(PROTOCOL, tmp_path / "run", 4, torch.device("cpu"), SILENT)
    np.testing.assert_array_equal(made.taught["teacher"], plain.taught["teacher"])
    assert np.abs(made.taught["teacher, guided"] - made.taught["teacher"]).max() > 1e-3


def test_pictures_have_no_denoiser_to_distil(tmp_path):
    from rsd_mri.protocol.corruptions import NoiseSettings

    photographs = replace(
        PROTOCOL,
        corruption=NoiseSettings(sigma=0.2),
        data=replace(PROTOCOL.data, source="digits"),
        network=replace(PROTOCOL.network, field="real"),
    )
    with pytest.raises(InputError, match="learned from scans"):
        train_run(photographs, tmp_path, None, CPU, SILENT)


def test_a_call_with_little_time_ends_with_a_result_and_the_next_goes_on(run, tmp_path):
    folder, _ = run
    longer = replace(
        PROTOCOL,
        denoiser=replace(PROTOCOL.denoiser, images=100_000),
        distillation=replace(PROTOCOL.distillation, images=100_000, cooldown=50_000),
    )
    short = replace(CPU, seconds=4.0)
    data = folder / "simulated-prepared"
    first = train_run(longer, tmp_path, data, short, SILENT).images
    assert 0 < first["denoiser"] < 200_000 and 0 < first["generator"] < 100_000
    assert load_prior(tmp_path, "generator").denoiser is not None
    again = train_run(longer, tmp_path, data, replace(short, stage="generator"), SILENT).images
    assert 0 < again["generator"] < 100_000 - first["generator"]
