"""The generator's beginning: pairs of noise and the teacher's sample of it, learned by one call."""

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from rsd_mri.corruption.build import image_corruption
from rsd_mri.corruption.identity import Noise
from rsd_mri.errors import InputError
from rsd_mri.experiment.runs import train_run
from rsd_mri.machine.progress import SILENT
from rsd_mri.priors.prior import WHOLE_IMAGES, build_denoiser, load_prior
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
    TeacherSettings,
    load_protocol,
)
from rsd_mri.rsd.generator import noise_for
from rsd_mri.rsd.pairs import Pairs, PairsStage, draw_pairs, image_distance, pair_keys, paired_in
from rsd_mri.training.fabric import TrainOptions, make_fabric
from rsd_mri.training.loop import LoopSettings, run_stage

OWN = Noise((8, 8), 0.0, torch.complex64)
CPU = TrainOptions("generator", device="cpu")
PROTOCOL = Protocol(
    network=NetworkSettings(channels=4, multipliers=(1, 2), attention=()),
    distillation=DistillationSettings(
        teacher="denoiser", learning_rate_fake=3e-3, pairs=600, pair_steps=48, pair_images=8_000, batch=32
    ),
)


class Gaussian(nn.Module):
    """The best denoiser of white images of standard deviation 0.5, which counts its calls."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.calls = 0

    def forward(self, u, sigma, condition=None):
        self.calls += 1
        return u * (0.25 / (0.25 + sigma**2)).reshape(-1, 1, 1)


@pytest.fixture(scope="module")
def fabric():
    return make_fabric(CPU)


def test_pairs_are_those_of_the_flow(tmp_path, fabric):
    # The probability flow of a Gaussian law only scales: by its own standard deviation over that of the start.
    pairs = draw_pairs(Gaussian(), OWN, PROTOCOL, tmp_path, "a", SILENT, fabric)
    highest = PROTOCOL.sampler.sigma_max
    expected = noise_for(OWN, pair_keys(0, range(600))) * (highest * 0.5 / (0.25 + highest**2) ** 0.5)
    assert list(pairs.numbers) == list(range(600))
    torch.testing.assert_close(pairs.images, expected, rtol=0.03, atol=1e-3)


def test_pairs_end_at_the_lowest_level_that_is_distilled(tmp_path, fabric):
    seen = []

    class Watched(Gaussian):
        def forward(self, u, sigma, condition=None):
            seen.append(float(sigma[0]))
            return super().forward(u, sigma, condition)

    protocol = replace(PROTOCOL, distillation=replace(PROTOCOL.distillation, pairs=2, sigma_min=0.1))
    draw_pairs(Watched(), OWN, protocol, tmp_path, "a", SILENT, fabric)
    assert min(seen) == pytest.approx(0.1) and len(seen) == 48


def test_pairs_are_drawn_once_and_go_on_where_they_were_stopped(tmp_path, fabric):
    told, teacher = [], Gaussian()

    def stop(share, *_):
        told.append(share)
        if len(told) == 2:
            raise KeyboardInterrupt

    progress = replace(SILENT, show=stop)
    with pytest.raises(KeyboardInterrupt):
        draw_pairs(teacher, OWN, PROTOCOL, tmp_path, "a", progress, fabric)
    whole, calls = draw_pairs(Gaussian(), OWN, PROTOCOL, tmp_path / "whole", "a", SILENT, fabric), teacher.calls
    again = draw_pairs(teacher, OWN, PROTOCOL, tmp_path, "a", SILENT, fabric)
    assert torch.equal(again.images, whole.images) and len(whole.images) == 600
    assert teacher.calls == calls + 48  # the last of three files alone
    draw_pairs(teacher, OWN, PROTOCOL, tmp_path, "a", SILENT, fabric)
    assert teacher.calls == calls + 48
    draw_pairs(teacher, OWN, PROTOCOL, tmp_path, "another teacher", SILENT, fabric)
    assert teacher.calls == calls + 4 * 48


def test_where_time_is_short_there_are_fewer(tmp_path, fabric):
    assert len(draw_pairs(Gaussian(), OWN, PROTOCOL, tmp_path, "a", SILENT, fabric, seconds=1e-6).numbers) == 256
    assert len(draw_pairs(Gaussian(), OWN, PROTOCOL, tmp_path, "a", SILENT, fabric).numbers) == 600


@pytest.mark.long
def test_one_call_repeats_the_flow(tmp_path, fabric):
    pairs = Pairs(range(600), noise_for(OWN, pair_keys(0, range(600))) * 0.5)
    made = {}
    stage = PairsStage(
        build_denoiser(PROTOCOL, WHOLE_IMAGES), pairs, OWN, PROTOCOL, fabric, lambda module, _: made.update(g=module)
    )
    length = replace(PROTOCOL.distillation, images=PROTOCOL.distillation.pair_images, ema_halflife=500)
    run_stage(stage, fabric, tmp_path, LoopSettings.of(length, CPU, fabric), {}, SILENT)
    fresh = noise_for(OWN, [(1, "fresh", i) for i in range(32)])
    errors = []
    for generator in (build_denoiser(PROTOCOL, WHOLE_IMAGES), made["g"]):
        with torch.no_grad():
            once = generator(2.5 * fresh, torch.full((32,), 2.5))
        errors.append(float((once - 0.5 * fresh).norm() / (0.5 * fresh).norm()))
    assert errors[1] < 0.2 < 0.5 < errors[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_the_distance_is_that_of_the_whole_image(dtype):
    a, b = torch.randn(2, 3, 5, 4, dtype=dtype)
    torch.testing.assert_close(image_distance(a, b), (a - b).flatten(1).norm(dim=1), rtol=0.01, atol=0)
    a.requires_grad_(True)
    (gradient,) = torch.autograd.grad(image_distance(a, a.detach()).sum(), a)
    assert not gradient.any()


def test_images_of_another_size_share_no_noise():
    protocol = load_protocol("mini-super-resolution-2-celeba").with_values({"distillation.pairs": "8"})
    with pytest.raises(InputError, match="pairs: the teacher's images have another size"):
        paired_in(protocol, image_corruption(protocol, (3, 16, 16)))
    paired_in(protocol, OWN)


SMALL = Protocol(
    mask=MaskSettings(acceleration=2.0),
    prep=PrepSettings(virtual_coils=2, kernel_width=3),
    data=DataSettings(volumes=4, slices=5, matrix=16, coils=2),
    network=NetworkSettings(channels=4, multipliers=(1, 2), attention=(1,)),
    teacher=TeacherSettings(images=16, batch=8),
    denoiser=DenoiserSettings(restored_by="tv", rounds=2, levels=3, images=32, batch=8, patch=0),
    distillation=DistillationSettings(images=16, batch=8, pairs=24, pair_steps=2, pair_images=32),
    sampler=SamplerSettings(steps=4),
    monitor=MonitorSettings(images=16, held_out=0.8, cost=0.5),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    whole = replace(
        SMALL, distillation=replace(SMALL.distillation, teacher="denoiser", autoguidance=1.0, guide_round=1)
    )
    return whole, folder, train_run(whole, folder, None, replace(CPU, stage="all"), SILENT)


@pytest.mark.long
def test_a_run_begins_with_pairs_and_is_done_once(run):
    protocol, folder, done = run
    assert done.images == {"denoiser": 64, "start": 32, "generator": 16}
    start, generator = (load_prior(folder / f"{name}.safetensors", "generator") for name in ("start", "generator"))
    assert start.sha256 != generator.sha256
    again = train_run(protocol, folder, None, replace(CPU, stage="all"), SILENT)
    assert again.images == {"denoiser": 0, "generator": 0}


@pytest.mark.long
def test_a_start_that_was_stopped_goes_on(run, tmp_path):
    protocol, folder, _ = run
    kept = shutil.ignore_patterns("generator.safetensors", "start.safetensors")
    shutil.copytree(folder, tmp_path / "run", ignore=kept)
    half = replace(protocol, distillation=replace(protocol.distillation, images=8))
    data = folder / "simulated-prepared"
    assert train_run(half, tmp_path / "run", data, CPU, SILENT).images == {"start": 32, "generator": 8}
    assert train_run(protocol, tmp_path / "run", data, CPU, SILENT).images == {"generator": 8}
    a, b = (load_file(f / "start.safetensors") for f in (tmp_path / "run", folder))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.long
def test_an_earlier_generator_needs_no_pairs(run, tmp_path):
    protocol, folder, _ = run
    kept = shutil.ignore_patterns("generator.safetensors", "start.safetensors", "pairs-*")
    shutil.copytree(folder, tmp_path / "run", ignore=kept)
    options = replace(CPU, start=folder)
    assert train_run(protocol, tmp_path / "run", folder / "simulated-prepared", options, SILENT).images == {
        "generator": 16
    }
    assert not list((tmp_path / "run").rglob("pairs-*"))


@pytest.mark.long
def test_a_teacher_of_measurements_has_pairs_too(run, tmp_path):
    _, folder, _ = run
    done = train_run(SMALL, tmp_path, folder / "simulated-prepared", replace(CPU, stage="all"), SILENT)
    assert done.images == {"teacher": 16, "start": 32, "generator": 16}
