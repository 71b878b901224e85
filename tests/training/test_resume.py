"""A run that was killed and continued ends with the weights of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import PROTOCOL, Slices, run
from typer.testing import CliRunner

from rsd_mri.commands.root import app
from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.protocol import Protocol, load_protocol
from rsd_mri.training.checkpoint import load_tensors
from rsd_mri.training.state import module_weights


@pytest.fixture(scope="module")
def slices(full_scan):
    return Slices(full_scan[0])


def with_lengths(teacher, generator):
    return PROTOCOL.with_values({"teacher.images": str(teacher), "distillation.images": str(generator)})


@pytest.fixture(scope="module")
def whole(slices, tmp_path_factory):
    """A run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(slices, folder).images == {"teacher": 16, "generator": 8}
    return folder


def taught(whole, folder):
    """A run with the finished teacher of another."""
    folder.mkdir()
    shutil.copy(whole / "teacher.safetensors", folder)
    return folder


def test_stopped_and_continued_equals_uninterrupted(slices, whole, tmp_path):
    run(slices, tmp_path / "parts", with_lengths(8, 8), stage="teacher")
    seen = run(slices, tmp_path / "parts", stage="teacher")
    assert seen.images == {"teacher": 8}
    run(slices, tmp_path / "parts", with_lengths(16, 4), stage="generator")
    run(slices, tmp_path / "parts", stage="generator")
    for name in ("teacher", "generator"):
        a = load_file(whole / f"{name}.safetensors")
        b = load_file(tmp_path / "parts" / f"{name}.safetensors")
        assert all(torch.equal(a[k], b[k]) for k in a), name
        assert any(not torch.equal(a[k], torch.zeros_like(a[k])) for k in a)


@pytest.mark.long
def test_the_critic_is_continued_too(slices, whole, tmp_path):
    """With the adversarial term, which learns from the measurements of the training."""
    told = {"distillation.adversarial": "0.5"}
    for folder in ("once", "parts"):
        taught(whole, tmp_path / folder)
    run(slices, tmp_path / "once", PROTOCOL.with_values(told), stage="generator")
    run(slices, tmp_path / "parts", with_lengths(16, 4).with_values(told), stage="generator")
    run(slices, tmp_path / "parts", PROTOCOL.with_values(told), stage="generator")
    once, parts, without = (
        load_file(folder / "generator.safetensors") for folder in (tmp_path / "once", tmp_path / "parts", whole)
    )
    assert all(torch.equal(once[k], parts[k]) for k in once)
    assert not all(torch.equal(once[k], without[k]) for k in once)
    state = load_tensors(tmp_path / "once" / "checkpoint" / "generator.safetensors")[0]
    assert state["module/critic/read.weight"].any()


def test_a_generator_may_begin_as_an_earlier_one(slices, whole, tmp_path):
    folder = taught(whole, tmp_path / "run")
    still = PROTOCOL.with_values({"distillation.learning_rate_generator": "0"})
    run(slices, folder, still, stage="generator", start=whole)
    begun, ended = (load_file(one / "generator.safetensors") for one in (whole, folder))
    for name, weight in begun.items():
        torch.testing.assert_close(ended[name], weight, rtol=1e-5, atol=1e-7)


@pytest.mark.long
def test_what_begins_as_an_average_is_averaged_as_long_from_its_first_step(slices, whole, tmp_path):
    """And no longer than suits the length of the run: a short one does not keep what it began as."""
    moved = {}
    for name, start in (("fresh", None), ("from", whole)):
        folder = taught(whole, tmp_path / name)
        run(slices, folder, stage="generator", start=start)
        weights = load_tensors(folder / "checkpoint" / "generator.safetensors")[0]
        moved[name] = sum(
            float((weights[k.replace("average", "module", 1)] - v).abs().sum())
            for k, v in weights.items()
            if k.startswith("average/generator/")
        )
    assert moved["from"] < 3 * moved["fresh"] + 1e-3


def test_and_its_fake_score_as_the_one_that_knows_its_images(slices, whole, tmp_path):
    still = {"distillation.learning_rate_generator": "0", "distillation.learning_rate_fake": "0"}
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(whole / "generator.safetensors", bare)
    fakes = {}
    for name, start in (("earlier", whole), ("teacher", bare)):
        folder = taught(whole, tmp_path / name)
        run(slices, folder, PROTOCOL.with_values(still), stage="generator", start=start)
        fakes[name] = module_weights(folder / "checkpoint" / "generator.safetensors", "fake")
    known = module_weights(whole / "checkpoint" / "generator.safetensors", "fake")
    teacher = load_file(whole / "teacher.safetensors")
    assert all(torch.equal(fakes["earlier"][k], known[k]) for k in known)
    assert all(torch.equal(fakes["teacher"][k], teacher[k]) for k in teacher)
    assert not all(torch.equal(known[k], teacher[k]) for k in teacher)


@pytest.mark.long
def test_a_run_may_end_later_and_more_gently(slices, tmp_path):
    """Rates fall to zero over the last images; a finished run goes on under another end."""
    gentle = with_lengths(16, 8).with_values({"teacher.cooldown": "16", "distillation.cooldown": "8"})
    moved = {}
    for name, protocol in (("plain", with_lengths(16, 8)), ("gentle", gentle)):
        run(slices, tmp_path / name, with_lengths(4, 4), stage="teacher")
        start = load_file(tmp_path / name / "teacher.safetensors")
        run(slices, tmp_path / name, protocol)
        for stage in ("teacher", "generator"):
            end = load_file(tmp_path / name / f"{stage}.safetensors")
            moved[name, stage] = sum(float((end[k] - start[k]).abs().sum()) for k in end)
    assert moved["gentle", "teacher"] < moved["plain", "teacher"]
    longer = gentle.with_values({"teacher.images": "24", "teacher.cooldown": "4"})
    assert run(slices, tmp_path / "gentle", longer, stage="teacher").images == {"teacher": 8}


def test_training_never_reads_outside_the_mask(slices, tmp_path):
    """What a retrospective mask hides cannot change the weights."""
    data = UndersampledSlices(slices, PROTOCOL.mask, PROTOCOL.seed)
    one = data.batch([0])
    assert one.operator.mask.sum() == 56 // 3
    spoiled = Slices.__new__(Slices)
    spoiled.items = slices.items
    spoiled.rows = []
    for i in range(len(slices)):
        row = slices[i]
        hidden = data.batch([sorted(range(len(slices)), key=lambda j: slices.items[j]).index(i)]).operator.mask[0, 0]
        kspace = np.where(hidden.numpy(), row["kspace"], 1e3).astype(np.complex64)
        spoiled.rows.append(type("Row", (), {**row, "kspace": kspace}))
    run(slices, tmp_path / "a", with_lengths(8, 4), stage="teacher")
    run(spoiled, tmp_path / "b", with_lengths(8, 4), stage="teacher")
    a, b = (load_file(tmp_path / n / "teacher.safetensors") for n in "ab")
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_other_protocol_is_refused_and_fresh_starts_over(slices, tmp_path):
    run(slices, tmp_path, with_lengths(8, 4), stage="teacher")
    other = with_lengths(8, 4).with_values({"teacher.learning_rate": "0.5"})
    with pytest.raises(InputError, match="another protocol; continue it with the same one, or start over with --fresh"):
        run(slices, tmp_path, other, stage="teacher")
    assert run(slices, tmp_path, other, stage="teacher", fresh=True).images == {"teacher": 8}


def test_log_has_no_row_twice(slices, tmp_path):
    run(slices, tmp_path, with_lengths(8, 4), stage="teacher")
    run(slices, tmp_path, stage="teacher")
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows[0] == "stage,images,seconds,name,value"
    seen = [(int(r.split(",")[1]), r.split(",")[3]) for r in rows[1:]]
    assert len(set(seen)) == len(seen)
    images = [i for i, name in seen if name == "teacher loss"]
    assert images == sorted(images)
    assert images[-1] == 16
    assert any(name.startswith("teacher loss sigma ") for _, name in seen)


def test_damaged_checkpoint_is_one_sentence(slices, tmp_path):
    run(slices, tmp_path, with_lengths(8, 4), stage="teacher")
    path = tmp_path / "checkpoint" / "teacher.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        run(slices, tmp_path, stage="teacher")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", ["half of the file", "before the rename"])
def test_kill_minus_nine_in_the_middle_of_a_checkpoint(slices, whole, tmp_path, moment, monkeypatch):
    """The old checkpoint stays usable, the partial file goes, and the weights are those of an uninterrupted run."""
    saved = []

    def save_half(tensors, path, metadata):
        save_file(tensors, path, metadata=metadata)
        saved.append(path.name)
        if sum(name.startswith(".teacher-") for name in saved) == 3:
            if moment == "half of the file":
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of threads at a fork
        child = os.fork()
    if child == 0:
        monkeypatch.setattr("rsd_mri.training.checkpoint.save_file", save_half)
        try:
            run(slices, tmp_path / "killed", stage="teacher", checkpoint_seconds=0.0)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    folder = tmp_path / "killed" / "checkpoint"
    assert len(list(folder.iterdir())) == 2  # the old checkpoint, and what was being written
    _, metadata = load_tensors(folder / "teacher.safetensors")
    assert metadata["images"] == 8
    assert run(slices, tmp_path / "killed", stage="teacher").images == {"teacher": 8}
    assert [p.name for p in folder.iterdir()] == ["teacher.safetensors"]
    a, b = (load_file(folder / "teacher.safetensors") for folder in (whole, tmp_path / "killed"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_row_cut_short_by_a_kill_is_dropped(slices, tmp_path):
    run(slices, tmp_path, with_lengths(8, 4), stage="teacher")
    log = tmp_path / "metrics.csv"
    log.write_text(log.read_text() + "teacher,8,1")
    run(slices, tmp_path, stage="teacher")
    rows = [r.split(",") for r in log.read_text().splitlines()]
    assert all(len(r) == 5 for r in rows)
    assert rows[-1][1] == "16"


@pytest.mark.slow
def test_kill_minus_nine_in_training(tmp_path):
    """The command line, killed at some moment, run again: the weights of an uninterrupted run."""

    def command(out):
        return [
            sys.executable,
            "-m",
            "rsd_mri",
            "train",
            "--protocol",
            "demo",
            "--stage",
            "teacher",
            "--images",
            "96",
            "--out",
            str(out),
            "--data",
            str(tmp_path / "prepared"),
            "--set",
            "network.channels=4",
        ]

    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    make = [sys.executable, "-m", "rsd_mri"]
    scans = ["simulate", str(tmp_path / "raw"), "--volumes", "2", "--slices", "2", "--matrix", "64"]
    subprocess.run([*make, *scans], check=True, env=env)
    subprocess.run([*make, "prep", str(tmp_path / "raw"), "--out", str(tmp_path / "prepared")], check=True, env=env)
    subprocess.run(command(tmp_path / "whole"), check=True, env=env)
    process = subprocess.Popen(command(tmp_path / "killed"), env=env)
    log = tmp_path / "killed" / "metrics.csv"
    while process.poll() is None and (not log.is_file() or len(log.read_text().splitlines()) < 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "teacher.safetensors").exists()
    subprocess.run(command(tmp_path / "killed"), check=True, env=env)
    a, b = (load_file(tmp_path / n / "teacher.safetensors") for n in ("whole", "killed"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_hidden_error_is_the_error_on_what_is_not_shown(slices):
    """For a denoiser that gives back what it sees, the error is the signal of the hidden lines."""
    from rsd_mri.rsd.stages import hidden_error

    class Echo(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, u, t, condition=None):
            return 0 * u

    data = UndersampledSlices(slices, PROTOCOL.mask, PROTOCOL.seed)
    found = hidden_error(Echo(), data, PROTOCOL.seed, [0, 1])
    batch = data.batch([0, 1])
    keys = [(PROTOCOL.seed, "hidden error", i) for i in range(2)]
    hidden = batch.operator.mask & ~data.corruption.further(batch.operator, keys).mask
    power = (batch.y.abs().square().sum(1, keepdim=True) * hidden).sum((1, 2, 3)) / (hidden.sum((1, 2, 3)) * 64)
    expected = (power - 3 * batch.sigma**2).mean().sqrt()
    assert found == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize(
    ("stage", "keys"),
    [
        ("teacher", ["teacher.images"]),
        ("generator", ["distillation.images", "distillation.pair_images"]),
        ("denoiser", ["denoiser.images"]),
        ("reconstructor", ["reconstructor.images"]),
        ("all", ["teacher.images", "distillation.images", "distillation.pair_images"]),
    ],
)
def test_a_longer_training_changes_the_lengths_of_its_own_stages(stage, keys):
    assert Protocol().lengths(stage) == keys
    rounds = load_protocol("brain32-r4-guided").lengths("all")
    assert rounds == ["denoiser.images", "denoiser.last_images", "distillation.images", "distillation.pair_images"]
    for key in keys:
        assert Protocol().with_values({key: "7"}) != Protocol()


@pytest.mark.long
def test_the_command_goes_on_with_more_images(tmp_path):
    tiny = ["data.volumes=2", "data.slices=4", "data.matrix=16", "network.channels=4", "monitor.cost=0"]
    asked = ["train", "--protocol", "demo", "--stage", "teacher", "--device", "cpu", "--out", str(tmp_path)]
    asked += [word for one in tiny for word in ("--set", one)]
    for images in (16, 48):
        done = CliRunner().invoke(app, [*asked, "--images", str(images), "--json"])
        assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["images"] == {"teacher": 32}
