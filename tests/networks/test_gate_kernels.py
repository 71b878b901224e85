"""Norm and gate in vectors of channels, against the formula in double precision."""

import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks.activations import ComplexNormAct


@pytest.mark.parametrize("channels", [16, 24, 48])
@pytest.mark.parametrize("size", [(9, 7), (33, 20)])
@pytest.mark.parametrize("magnitude", [0.0, 1e-4, 1.0, 1e6])
def test_vectors_give_the_formula(channels, size, magnitude):
    act = ComplexNormAct(channels)
    rng = generator(0, "gate", channels)
    with torch.no_grad():
        act.gate.slope.copy_(3 * normal((channels,), rng, torch.float32))
        act.gate.offset.copy_(30 * normal((channels,), rng, torch.float32))
        act.norm.gain.copy_(normal((channels,), rng, torch.float32))
        x = magnitude * normal((2, 2 * channels, *size), rng, torch.float32)
        scale = 1 + normal((2, channels), rng, torch.float32)
        found = act(x.contiguous(memory_format=torch.channels_last), scale)
        expected = act.double()(x.double(), scale.double())
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("channels", [16, 24, 48])
@pytest.mark.parametrize("size", [(9, 7), (33, 20)])
@pytest.mark.parametrize("magnitude", [1e-4, 1.0, 1e4])
def test_vectors_give_the_gradients_of_the_formula(channels, size, magnitude):
    act = ComplexNormAct(channels)
    rng = generator(0, "gate", channels)
    with torch.no_grad():
        act.gate.slope.copy_(3 * normal((channels,), rng, torch.float32))
        act.norm.gain.copy_(normal((channels,), rng, torch.float32))
    x = magnitude * normal((2, 2 * channels, *size), rng, torch.float32)
    scale, along = 1 + normal((2, channels), rng, torch.float32), normal(x.shape, rng, torch.float32)

    def gradients(act, x, scale, made):
        given = [x.requires_grad_(), scale.requires_grad_(), *act.parameters()]
        return torch.autograd.grad(made(x, scale), given, along.to(x.dtype))

    found = gradients(act, x.contiguous(memory_format=torch.channels_last), scale.clone(), act)
    act.double()
    expected = gradients(act, x.double(), scale.double(), lambda x, scale: act.gate(act.norm(x, scale)))
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() < 2e-5 * other.abs().max()


def test_what_is_no_number_stays_so():
    act = ComplexNormAct(16)
    x = torch.ones(1, 32, 4, 4).contiguous(memory_format=torch.channels_last)
    x[0, 0, 0, 0] = float("nan")
    with torch.no_grad():
        assert act(x).isnan().any()
