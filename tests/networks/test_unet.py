"""The U-Net: phase equivariance, any size, one definition for both fields."""

import shutil

import pytest
import torch

from rsd_mri.networks import UNet, to_channels, to_complex
from rsd_mri.networks.activations import ComplexGroupNorm, ComplexNormAct, MagnitudeGate
from rsd_mri.networks.layers import Attention, ComplexConv2d, GatedConv2d
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


@pytest.mark.parametrize("fold", [1, 2, 3])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("condition_channels", [0, 1])
def test_complex_network_commutes_with_a_global_phase(gated, condition_channels, fold):
    settings = NetworkSettings(field="complex", gated=gated, fold=fold, **SMALL)
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


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("field", ["complex", "real"])
@pytest.mark.parametrize("size", [(33, 38), (4, 4), (2, 2)])  # down to maps of one pixel
def test_inference_gives_what_training_gives(field, gated, size):
    """Without a gradient maps are not joined, and what is added is added as it is written."""
    settings = NetworkSettings(field=field, gated=gated, channels=16, multipliers=(1, 2))
    net = awake(UNet(settings, 1 if field == "complex" else 2)).eval()
    x, noise = to_channels(complex_normal(2, 1, *size)), torch.tensor([0.1, -0.4])
    with torch.no_grad():
        found = [net(x, noise) for _ in range(2)]
    expected = net(x, noise).detach()
    assert torch.equal(*found)
    assert (found[0] - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    "layer",
    [
        ComplexConv2d(4, 4),
        ComplexGroupNorm(4),
        MagnitudeGate(4),
        ComplexNormAct(4),
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


@pytest.mark.parametrize("fold", [1, 2, 3])
@pytest.mark.parametrize("field", ["complex", "real"])
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (5, 31)])
def test_any_size_gives_the_same_size(field, size, fold):
    net = awake(UNet(NetworkSettings(field=field, fold=fold, **SMALL), channels=1 if field == "complex" else 3))
    x = torch.randn(2, 2 if field == "complex" else 3, *size)
    assert net(x, torch.zeros(2)).shape == x.shape


def test_folded_network_moves_with_the_image():
    """A shift by a whole cell of the coarsest level, four pixels here, shifts the output; edges stay out of reach."""
    net = awake(UNet(NetworkSettings(field="complex", channels=8, multipliers=(1, 2), fold=2))).eval()
    x = torch.zeros(1, 2, 144, 144)
    x[..., 68:76, 68:76] = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    out, moved = (net(image, torch.zeros(1)) for image in (x, x.roll((4, -8), (-2, -1))))
    assert (moved.roll((-4, 8), (-2, -1)) - out).abs().max() < 1e-4 * out.abs().max()
    wrong = net(x.roll(1, -1), torch.zeros(1)).roll(-1, -1)
    assert (wrong - out).abs().max() > 1e-2 * out.abs().max()


@pytest.mark.parametrize("field", ["complex", "real"])
@pytest.mark.parametrize("gated", [False, True])
def test_folded_network_sees_every_pixel_of_its_condition(field, gated):
    settings = NetworkSettings(field=field, channels=8, multipliers=(1, 2), fold=2, gated=gated)
    net = awake(UNet(settings, channels=1 if field == "complex" else 2, condition_channels=1)).eval()
    x, condition = torch.randn(1, 2, 11, 9), torch.ones(1, 1, 11, 9)
    plain = net(x, torch.zeros(1), condition=condition)
    for y, column in ((0, 0), (4, 5), (10, 8)):
        changed = condition.clone()
        changed[..., y, column] = 0
        out = net(x, torch.zeros(1), condition=changed)
        assert (out - plain)[..., y, column].abs().max() > 1e-5


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


@pytest.mark.parametrize("field", ["complex", "real"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_checkpointing_gives_the_same_gradients_from_less_memory(field, dropout):
    settings = NetworkSettings(field=field, dropout=dropout, channels=8, multipliers=(1, 2))
    net = awake(UNet(settings, channels=1 if field == "complex" else 2)).train()
    x = torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(0))

    def kept_and_gradients(checkpointing):
        net.checkpointing = checkpointing
        kept = {}

        def keep(tensor):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        torch.manual_seed(5)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = net(x, torch.zeros(2))
        return sum(kept.values()), torch.autograd.grad(out.square().sum(), list(net.parameters()))

    (plain, wanted), (less, found) = kept_and_gradients(False), kept_and_gradients(True)
    for a, b in zip(wanted, found, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)
    assert less < 0.5 * plain


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [
        "aot_eager",
        pytest.param("inductor", marks=pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")),
    ],
)
def test_compiled_network_equals_the_eager_one(backend):
    settings = NetworkSettings(field="complex", channels=4, multipliers=(1,))
    net = awake(UNet(settings))
    x, noise = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0)), torch.zeros(2)
    torch._dynamo.reset()
    outs = [f(x, noise) for f in (net, torch.compile(net, backend=backend, fullgraph=True))]
    assert torch.allclose(*outs, rtol=1e-4, atol=1e-5)
    eager, compiled = (torch.autograd.grad(out.square().sum(), list(net.parameters())) for out in outs)
    for a, b in zip(eager, compiled, strict=True):
        assert (a - b).abs().max() < 1e-4 * a.abs().max()
