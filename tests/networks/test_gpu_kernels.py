"""Norm and gate on a GPU against the formulas in double precision."""

import pytest
import torch

from rsd_mri.networks import UNet
from rsd_mri.networks.activations import ComplexNormAct
from rsd_mri.protocol import NetworkSettings

pytestmark = pytest.mark.cuda

# Channels no power of two, pixels no multiple of a tile, one pixel alone.
SHAPES = [(3, 24, 6, 5), (2, 64, 33, 31), (4, 80, 16, 16), (2, 8, 1, 1), (1, 192, 8, 8)]


def distance(a, b):
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    return float((a - b).norm() / b.norm())


@pytest.fixture(autouse=True)
def gpu():
    if not torch.cuda.is_available():
        pytest.skip("no GPU")


def pair(channels):
    """The same layer on the processor in double precision, and on the GPU."""
    torch.manual_seed(channels)
    layer = ComplexNormAct(channels)
    for p in layer.parameters():
        torch.nn.init.normal_(p)
    here = ComplexNormAct(channels).double()
    here.load_state_dict({k: v.double() for k, v in layer.state_dict().items()})
    return here, layer.cuda()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_values_and_gradients_are_those_of_the_formulas(shape, dtype, tolerance):
    batch, channels, height, width = shape
    here, there = pair(channels)
    x = torch.randn(batch, 2 * channels, height, width).to(dtype).double()
    scale, along = torch.rand(batch, channels) + 0.5, torch.randn(x.shape).to(dtype).double()
    x_here, scale_here = x.clone().requires_grad_(), scale.double().requires_grad_()
    x_there, scale_there = x.to("cuda", dtype).requires_grad_(), scale.cuda().requires_grad_()
    out_here, out_there = here(x_here, scale_here), there(x_there, scale_there)
    assert out_there.dtype == dtype and distance(out_there, out_here) < tolerance
    out_here.backward(along)
    out_there.backward(along.to("cuda", dtype))
    assert distance(x_there.grad, x_here.grad) < tolerance
    assert distance(scale_there.grad, scale_here.grad) < tolerance
    for mine, other in zip(there.parameters(), here.parameters(), strict=True):
        assert distance(mine.grad, other.grad) < tolerance


def test_the_same_maps_give_the_same_bits():
    _, there = pair(64)
    x = torch.randn(8, 128, 32, 32, device="cuda", dtype=torch.bfloat16)
    assert torch.equal(there(x), there(x))


def test_either_layout_gives_the_same():
    _, there = pair(24)
    x = torch.randn(2, 48, 12, 10, device="cuda")
    assert torch.equal(there(x), there(x.contiguous(memory_format=torch.channels_last)))


def test_the_network_commutes_with_a_global_phase():
    torch.manual_seed(0)
    network = UNet(NetworkSettings(channels=8, multipliers=(1, 2), fold=2, attention=(1,))).cuda()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.1)
    image = torch.randn(2, 1, 24, 20, dtype=torch.complex64, device="cuda")
    noise = torch.zeros(2, device="cuda")

    def run(z):
        real, imag = network(torch.cat([z.real, z.imag], 1), noise).chunk(2, 1)
        return torch.complex(real, imag)

    turn = torch.polar(torch.ones((), device="cuda"), torch.tensor(0.7, device="cuda"))
    assert distance(torch.view_as_real(run(turn * image)), torch.view_as_real(turn * run(image))) < 1e-2


def test_the_network_agrees_with_the_processor():
    torch.manual_seed(0)
    network = UNet(NetworkSettings(channels=8, multipliers=(1, 2), fold=2, attention=(1,)))
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.1)
    x, noise = torch.randn(2, 2, 24, 20), torch.tensor([-0.5, 0.3])
    here = network(x, noise)
    assert distance(network.cuda()(x.cuda(), noise.cuda()), here) < 1e-2  # matrix units may round to 10 bits
