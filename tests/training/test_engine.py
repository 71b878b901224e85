"""Parts of a batch, precision, drawing ahead, finite losses: none of them changes what is learned."""

import csv
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from safetensors.torch import load_file
from tiny_run import PROTOCOL, Slices, run
from torch import nn

from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT
from rsd_mri.operators import LinearOperator, Sense
from rsd_mri.priors.prior import Inputs, build_denoiser
from rsd_mri.protocol import MonitorSettings, NetworkSettings
from rsd_mri.rsd.distillation import DistillationStage
from rsd_mri.rsd.stages import TeacherStage
from rsd_mri.training.descent import ItemLosses, descend, ramps, stop_if_not_finite
from rsd_mri.training.loop import LoopSettings, run_stage
from rsd_mri.training.tally import Tally


@pytest.fixture(scope="module")
def slices(full_scan):
    return Slices(full_scan[0])


def weights(folder, name):
    return load_file(folder / f"{name}.safetensors")


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    fabric = Fabric(accelerator="cpu", devices=1)
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for parts in (1, 2, 3, 4, 12):
        net = nn.Linear(5, 1, bias=False, dtype=torch.float64)
        nn.init.ones_(net.weight)
        module, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=0.0))

        def losses(part, module=module):
            loss = module(part).square().sum(1)
            return ItemLosses(loss, torch.ones(len(part)), [(0, i) for i in range(len(part))])

        whole = descend(fabric, module, optimizer, x.chunk(parts), losses, 0.0, "here")
        assert whole.loss.shape == (12,) and len(whole.keys) == 12
        found.append(net.weight.grad.clone())
    assert all(torch.allclose(found[0], one, rtol=1e-12) for one in found[1:])


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 1))
def test_the_learning_rate_rises_and_falls(total, warmup, cooldown, share):
    images = int(share * (total - 1))
    rate = ramps(images, total, warmup, cooldown)
    assert 0 < rate <= 1
    if (not warmup or images + 1 >= warmup) and total - images >= cooldown:
        assert rate == 1
    assert ramps(total, total, warmup, cooldown) == (0 if cooldown else min(1, (total + 1) / max(warmup, 1)))


def test_the_learning_rate_at_known_places():
    assert [ramps(i, 100, 10, 20) for i in (0, 4, 9, 50, 80, 90, 95)] == pytest.approx([0.1, 0.5, 1, 1, 1, 0.5, 0.25])


@pytest.fixture(scope="module")
def plain(slices, tmp_path_factory):
    """A run with nothing special about it."""
    folder = tmp_path_factory.mktemp("plain")
    run(slices, folder)
    return folder


@pytest.mark.long
def test_accumulation_trains_the_same_networks(slices, plain, tmp_path):
    run(slices, tmp_path / "two", accumulate=2)
    for name in ("teacher", "generator"):
        a, b = weights(plain, name), weights(tmp_path / "two", name)
        assert max(float((a[k] - b[k]).abs().max()) for k in a) < 1e-5
    with pytest.raises(InputError, match="a batch of 4 cannot be shared by 1 devices in 3 parts"):
        run(slices, tmp_path / "three", accumulate=3)


@pytest.mark.long
def test_drawing_ahead_changes_nothing(slices, tmp_path):
    found = []
    for ahead in (False, True):
        data = UndersampledSlices(slices, PROTOCOL.mask, PROTOCOL.seed)
        fabric = Fabric(accelerator="cpu", devices=1)
        kept = {}
        for make in (
            lambda d, f: TeacherStage(denoiser(d), d, PROTOCOL, f, keep),
            lambda d, f: DistillationStage(denoiser(d), d.corruption, PROTOCOL, f, keep),
        ):

            def keep(module, facts, kept=kept):
                kept[len(kept)] = [v.clone() for v in module.state_dict().values()]

            stage = make(data, fabric)
            folder = tmp_path / f"{stage.name}-{ahead}"
            run_stage(stage, fabric, folder, LoopSettings(8, ahead=ahead), {}, SILENT)
        found.append(kept)
    assert all(torch.equal(a, b) for i in (0, 1) for a, b in zip(found[0][i], found[1][i], strict=True))


def test_a_generator_waits_for_its_fake_score(slices):
    data, fabric, moved = UndersampledSlices(slices, PROTOCOL.mask, PROTOCOL.seed), Fabric(accelerator="cpu"), []
    for warmup in (0, 1000):
        protocol = replace(PROTOCOL, distillation=replace(PROTOCOL.distillation, warmup=warmup))
        torch.manual_seed(0)
        stage = DistillationStage(denoiser(data), data.corruption, protocol, fabric, lambda *_: None)
        networks = [stage.modules[name] for name in ("fake", "generator")]
        before = [nn.utils.parameters_to_vector(one.parameters()).detach().clone() for one in networks]
        stage.step(fabric, [stage.draw(range(4))], 0)
        after = [nn.utils.parameters_to_vector(one.parameters()).detach() for one in networks]
        moved.append([float((a - b).abs().max()) for a, b in zip(after, before, strict=True)])
    (fake, generator), (fake_waiting, generator_waiting) = moved
    assert fake == fake_waiting > 0
    assert generator_waiting == pytest.approx(generator / 1000, rel=0.01)


def denoiser(data):
    return build_denoiser(PROTOCOL, Inputs.of(data.corruption))


@pytest.mark.long
@pytest.mark.parametrize("precision", ["bf16", "16"])
def test_half_precision_never_reaches_the_operators(slices, tmp_path, precision, monkeypatch):
    seen, inside = set(), set()
    for name in ("forward", "adjoint"):
        plain = getattr(Sense, name)

        def watched(self, x, plain=plain):
            seen.update({x.dtype, torch.is_autocast_enabled("cpu")})
            out = plain(self, x)
            seen.add(out.dtype)
            return out

        monkeypatch.setattr(Sense, name, watched)
    convolve = nn.functional.conv2d

    def conv2d(*args, **kwargs):
        out = convolve(*args, **kwargs)
        inside.add(out.dtype)
        return out

    monkeypatch.setattr(nn.functional, "conv2d", conv2d)
    run(slices, tmp_path, precision=precision)
    assert issubclass(Sense, LinearOperator)
    assert seen == {torch.complex64, False}
    assert inside == {torch.bfloat16 if precision == "bf16" else torch.float16}
    for name in ("teacher", "generator"):
        found = weights(tmp_path, name)
        assert all(v.dtype == torch.float32 and torch.isfinite(v).all() for v in found.values())


def test_unknown_precision_is_refused(slices, tmp_path):
    with pytest.raises(InputError, match="--precision 8: expected one of 32, bf16, 16"):
        run(slices, tmp_path, precision="8")


def test_a_non_finite_loss_stops_before_the_weights_are_touched():
    fabric = Fabric(accelerator="cpu", devices=1)
    module, optimizer = fabric.setup(net := nn.Linear(1, 1), torch.optim.SGD(net.parameters(), lr=1.0))
    before = net.weight.detach().clone()

    def losses(part):
        scale = torch.tensor([1.0, float("nan")]) if part else torch.ones(2)
        return ItemLosses(module(torch.ones(2, 1))[:, 0] * scale, torch.tensor([0.1, 0.7]), [("x", part), ("y", part)])

    with pytest.raises(FloatingPointError, match=r"teacher after 320 images: loss is nan at sigma 0\.7, item .*'y', 1"):
        descend(fabric, module, optimizer, [0, 1], losses, 1.0, "teacher after 320 images")
    assert torch.equal(net.weight, before)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_every_kind_of_not_finite_is_named(value):
    fabric = Fabric(accelerator="cpu", devices=1)
    losses = ItemLosses(torch.tensor([1.0, value]), torch.tensor([0.5, 2.5]), [("a",), ("b", 7)])
    with pytest.raises(FloatingPointError, match=rf"loss is {value} at sigma 2\.5, item \('b', 7\)"):
        stop_if_not_finite(fabric, losses, "generator after 8 images")


def test_losses_are_averaged_by_noise_level():
    fabric, tally = Fabric(accelerator="cpu", devices=1), Tally()
    first = ItemLosses(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0.05, 0.2, 0.2]), [(0,)] * 3)
    tally.add("loss", first)
    tally.add("loss", ItemLosses(torch.tensor([7.0]), torch.tensor([0.1]), [(0,)]))
    tally.add("loss", ItemLosses(torch.tensor([9.0]), torch.tensor([50.0]), [(0,)]))
    assert tally.take(fabric) == {
        "loss": 5.0,
        "loss sigma 0-0.1": 1.0,
        "loss sigma 0.1-0.3": 5.0,
        "loss sigma over 3": 9.0,
    }
    assert tally.take(fabric) == {}


def test_log_has_losses_by_noise_level(slices, tmp_path):
    run(slices, tmp_path, replace(PROTOCOL, monitor=MonitorSettings(cost=0.0)))
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for stage, name in (("teacher", "teacher loss"), ("generator", "fake loss"), ("generator", "generator loss")):
        mine = [r for r in rows if r["stage"] == stage]
        assert {r["name"] for r in mine} > {name}
        assert any(r["name"].startswith(f"{name} sigma ") for r in mine)
        assert all(float(r["value"]) == float(r["value"]) for r in mine)


def test_missing_tensorboard_is_one_sentence(slices, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"--tensorboard: the package is missing; pip install 'rsd-mri\[logging\]'"):
        run(slices, tmp_path, tensorboard=True)


def test_tensorboard_gets_what_the_csv_gets(slices, tmp_path, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, images):
            written.append((name, value, images))

        def flush(self): ...

        close = flush

    monkeypatch.setattr("rsd_mri.training.log.require_tensorboard", lambda: Writer)
    monkeypatch.setattr("rsd_mri.training.loop.require_tensorboard", lambda: Writer)
    run(slices, tmp_path, stage="teacher", tensorboard=True)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = [(r["name"], int(r["images"])) for r in csv.DictReader(file)]
    assert written[0] == (str(tmp_path / "tensorboard" / "teacher"), 1)
    assert [(name, images) for name, _, images in written[1:]] == rows


@pytest.mark.long
def test_computing_activations_twice_changes_nothing(slices, plain, tmp_path):
    run(slices, tmp_path / "twice", checkpoint_activations=True)
    for name in ("teacher", "generator"):
        a, b = weights(plain, name), weights(tmp_path / "twice", name)
        assert all(torch.allclose(a[k], b[k], atol=1e-6) for k in a)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler")
def test_a_compiled_teacher_learns_the_same(slices, tmp_path):
    small = replace(PROTOCOL, network=NetworkSettings(channels=2, multipliers=(1,)))
    run(slices, tmp_path / "plain", small, stage="teacher")
    run(slices, tmp_path / "compiled", small, stage="teacher", compile=True)
    a, b = weights(tmp_path / "plain", "teacher"), weights(tmp_path / "compiled", "teacher")
    assert all(torch.allclose(a[k], b[k], atol=1e-4) for k in a)
