"""The reconstruction prior: patches keyed by number, a run that ends with a usable prior."""

from dataclasses import replace

import pytest
import torch

from rsd_mri.datasets.patches import RestoredPatches
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT
from rsd_mri.operators import sense_operator
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import Inputs, build_denoiser, load_prior, save_prior
from rsd_mri.protocol import DenoiserSettings, NetworkSettings, Protocol
from rsd_mri.reconstruction.posterior.samplers import DiffPIR
from rsd_mri.reconstruction.posterior.teacher_step import TeacherStep
from rsd_mri.reconstruction.posterior_method import Posterior
from rsd_mri.rsd.planned import new_network
from rsd_mri.rsd.train import TrainOptions, train_denoiser

PROTOCOL = Protocol(
    network=NetworkSettings(channels=4, multipliers=(1, 2)), denoiser=DenoiserSettings(images=16, batch=8, patch=16)
)


def images():
    return torch.randn(3, 24, 20, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


def test_patches_are_parts_of_the_images_up_to_turn_flip_phase_and_gain():
    data = RestoredPatches(images(), 8, 0)
    batch = data.batch([5, 7, 5])
    assert batch.y.shape == (3, 8, 8)
    assert torch.equal(batch.y[0], batch.y[2])
    assert not torch.equal(batch.y[0], batch.y[1])
    patch = batch.y[0]
    windows = images()[5 % 3].unfold(0, 8, 1).unfold(1, 8, 1).reshape(-1, 8, 8)
    turned = [torch.rot90(p, k, (0, 1)) for k in range(4) for p in (patch, patch.flip(0))]
    match = max(float((w.conj() * t).sum().abs() / (w.norm() * t.norm())) for w in windows for t in turned)
    assert match > 1 - 1e-5


def test_patch_larger_than_the_image_is_cut():
    assert RestoredPatches(images(), 64, 0).corruption.image_shape == (20, 20)


def test_run_resumes_and_its_prior_reconstructs(tmp_path):
    options = TrainOptions(device="cpu")
    done = train_denoiser(images(), PROTOCOL, tmp_path, options, SILENT, Card(data="test"))
    assert done.images == {"denoiser": 16}
    assert train_denoiser(images(), PROTOCOL, tmp_path, options, SILENT, Card()).images == {"denoiser": 0}
    prior = load_prior(tmp_path)
    assert prior.kind == "denoiser"
    csm = torch.ones(1, 1, 24, 20, dtype=torch.complex64)
    operator = sense_operator(csm, torch.arange(20) % 2 == 0)
    kspace = operator(images()[:1])
    method = Posterior(prior, DiffPIR(levels=3))
    both = method.run(operator, kspace, 0.1, [(0, 1), (0, 2)])
    alone = method.run(operator, kspace, 0.1, [(0, 2)])
    assert both.shape == (2, 24, 20)
    assert torch.allclose(both[1], alone[0], atol=1e-4)  # a sample does not depend on those beside it
    assert TeacherStep(prior).run(operator, kspace, 0.1).shape == (1, 24, 20)


def test_two_sets_of_maps(tmp_path):
    train_denoiser(images(), PROTOCOL, tmp_path, TrainOptions(device="cpu"), SILENT, Card())
    prior = load_prior(tmp_path)
    csm = torch.randn(1, 2, 3, 24, 20, dtype=torch.complex64, generator=torch.Generator().manual_seed(1)) / 3
    operator = sense_operator(csm, torch.arange(20) % 2 == 0)
    kspace = operator(torch.stack([images()[0], 0.2 * images()[1]])[None])
    out = Posterior(prior, DiffPIR(levels=3)).run(operator, kspace, 0.1, [(0, 1)])
    assert out.shape == (1, 2, 24, 20)
    assert TeacherStep(prior).run(operator, kspace, 0.1).shape == (1, 2, 24, 20)


def test_the_teacher_of_the_run_makes_the_first_image(tmp_path):
    """A denoiser alone starts from total variation; beside a teacher both its step and start are the teacher's."""
    train_denoiser(images(), PROTOCOL, tmp_path, TrainOptions(device="cpu"), SILENT, Card())
    assert load_prior(tmp_path).teacher is None
    assert Posterior(load_prior(tmp_path)).start == "tv"
    network = build_denoiser(PROTOCOL, Inputs())
    for parameter in network.network.last.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_prior(tmp_path / "teacher.safetensors", "teacher", network, PROTOCOL, Inputs(), Card(hidden_error=0.2))
    both = load_prior(tmp_path)
    assert both.kind == "denoiser" and both.teacher is not None
    assert Posterior(both).start == "teacher"
    csm = torch.ones(1, 1, 24, 20, dtype=torch.complex64)
    operator = sense_operator(csm, torch.arange(20) % 2 == 0)
    kspace = operator(images()[:1])
    expected = TeacherStep(load_prior(tmp_path, "teacher")).run(operator, kspace, 0.1)
    assert torch.equal(TeacherStep(both).run(operator, kspace, 0.1), expected)
    alone = TeacherStep(load_prior(tmp_path, "denoiser"))
    assert not torch.allclose(alone.run(operator, kspace, 0.1), expected, atol=1e-3)


def test_a_new_denoiser_starts_from_earlier_weights(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    train_denoiser(images(), PROTOCOL, first, TrainOptions(device="cpu"), SILENT, Card())
    still = replace(PROTOCOL, denoiser=replace(PROTOCOL.denoiser, learning_rate=0.0))
    options = TrainOptions(device="cpu", start=first)
    train_denoiser(images(), still, second, options, SILENT, Card())
    ours, theirs = (load_prior(run).denoiser.state_dict() for run in (first, second))
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    with pytest.raises(InputError, match="holds a denoiser"):
        new_network(PROTOCOL, Inputs(), "teacher", replace(options, start=first / "denoiser.safetensors"))
