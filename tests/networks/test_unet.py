"""The U-Net: phase equivariance, any size, one definition for both fields."""

import pytest
import torch

from rsd_mri.networks import UNet, to_channels, to_complex
from rsd_mri.networks.layers import (
    Attention,
    ComplexConv2d,
    ComplexGroupNorm,
    ComplexNormAct,
    GatedConv2d,
    MagnitudeGate,
)
from rsd_mri.protocol import NetworkSettings

SMALL = {"channels": 8, "multipliers": (1, 2), "attention": (1,)}


def awake(module):
    """Give every weight a size that matters: some are near zero at the start on purpose."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=rng, dtype=p.dtype))
    return module


def complex_normal(*shape, seed=0, dtype=torch.complex64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("condition_channels", [0, 1])
def test_complex_network_commutes_with_a_global_phase(gated, condition_channels):
    settings = NetworkSettings(field="complex", gated=gated, **SMALL)
    net = awake(UNet(settings, condition_channels=condition_channels, sampling_features=4)).eval()
    x = complex_normal(2, 1, 13, 18)
    extra = {"sampling": torch.rand(2, 4)}
    if condition_channels:
        extra["condition"] = torch.rand(2, 1, 13, 18)
    out = to_complex(net(to_channels(x), torch.tensor([0.1, -0.4]), **extra))
    turn = torch.exp(torch.tensor(2.1j))
    turned = to_complex(net(to_channels(turn * x), torch.tensor([0.1, -0.4]), **extra))
    assert out.abs().max() > 1e-2
    assert (turned - turn * out).abs().max() < 1e-5 * out.abs().max()


@pytest.mark.parametrize(
    "layer",
    [
        ComplexConv2d(4, 4),
        ComplexGroupNorm(4),
        MagnitudeGate(4),
        Attention(4, True),
        GatedConv2d(4, 4, is_complex=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_each_complex_layer_commutes_with_a_global_phase(layer):
    layer = awake(layer)
    x = complex_normal(2, 4, 6, 5)
    turn = torch.exp(torch.tensor(-0.7j))
    out, turned = to_complex(layer(to_channels(x))), to_complex(layer(to_channels(turn * x)))
    assert (turned - turn * out).abs().max() < 1e-5 * out.abs().max()


def test_a_bias_would_break_the_equivariance():
    """The test above can fail: with a bias it does."""
    conv = ComplexConv2d(4, 4)
    x = complex_normal(1, 4, 6, 5)
    turn = torch.exp(torch.tensor(-0.7j))
    out, turned = to_complex(conv(to_channels(x)) + 0.1), to_complex(conv(to_channels(turn * x)) + 0.1)
    assert (turned - turn * out).abs().max() > 1e-3 * out.abs().max()


def test_block_real_convolution_is_the_complex_one():
    conv = awake(ComplexConv2d(3, 5))
    x = complex_normal(2, 3, 7, 6)
    weight = torch.complex(conv.real, conv.imag)
    expected = torch.nn.functional.conv2d(x, weight, padding=1)
    assert torch.allclose(to_complex(conv(to_channels(x))), expected, atol=1e-5)


@pytest.mark.parametrize("field", ["complex", "real"])
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (5, 31)])
def test_any_size_gives_the_same_size(field, size):
    net = awake(UNet(NetworkSettings(field=field, **SMALL), channels=1 if field == "complex" else 3))
    x = torch.randn(2, 2 if field == "complex" else 3, *size)
    assert net(x, torch.zeros(2)).shape == x.shape


def test_real_network_uses_its_mask():
    net = awake(UNet(NetworkSettings(field="real", **SMALL), channels=3, condition_channels=1)).eval()
    x = torch.randn(1, 3, 8, 8)
    a = net(x, torch.zeros(1), condition=torch.zeros(1, 1, 8, 8))
    b = net(x, torch.zeros(1), condition=torch.ones(1, 1, 8, 8))
    assert (a - b).abs().max() > 1e-3
    with pytest.raises(ValueError, match="condition"):
        net(x, torch.zeros(1))


def test_complex_network_has_half_the_parameters_of_the_real_one():
    complex_net = UNet(NetworkSettings(field="complex", channels=16, multipliers=(1, 2, 2)), channels=1)
    real_net = UNet(NetworkSettings(field="real", channels=32, multipliers=(1, 2, 2)), channels=2)
    count = [sum(p.numel() for p in n.parameters() if p.ndim == 4) for n in (complex_net, real_net)]
    assert count[0] / count[1] == pytest.approx(0.5, abs=0.02)


def test_attention_sees_distant_pixels():
    layer = awake(Attention(4, True))
    x = complex_normal(1, 4, 9, 9)
    moved = x.clone()
    moved[..., 8, 8] *= 3
    change = (to_complex(layer(to_channels(moved))) - to_complex(layer(to_channels(x)))).abs()
    assert change[..., 0, 0].max() > 1e-5


def test_fused_gate_has_the_right_derivatives():
    gate = awake(MagnitudeGate(3)).double()
    x = torch.randn(2, 6, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    factor = (torch.rand(2, 3, dtype=torch.float64) + 0.5).requires_grad_(True)
    assert torch.autograd.gradcheck(gate, (x, factor))
    slope, offset = gate.slope.detach(), gate.offset.detach()
    for moved in (slope.clone().requires_grad_(True), offset.clone().requires_grad_(True)):
        is_slope = torch.equal(moved, slope)

        def run(p, is_slope=is_slope):
            parameters = {"slope": p, "offset": offset} if is_slope else {"slope": slope, "offset": p}
            return torch.func.functional_call(gate, parameters, (x.detach(), factor.detach()))

        assert torch.autograd.gradcheck(run, (moved,))


def test_fused_norm_and_gate_is_norm_then_gate():
    both = awake(ComplexNormAct(8))
    x = to_channels(complex_normal(2, 8, 5, 6))
    scale = torch.rand(2, 8)
    assert torch.allclose(both(x, scale), both.gate(both.norm(x, scale)), atol=1e-6)
