"""Convolutions of inference against torch's own."""

import copy

import pytest
import torch
import torch.nn.functional as F

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import winograd
from rsd_mri.networks.layers import ComplexConv2d, RealConv2d


def maps(batch, channels, size):
    made = normal((batch, channels, *size), generator(0, "maps", channels, *size), torch.float32)
    return made.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [(24, 24), (23, 26), (41, 30)])
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 32), (48, 16)])
def test_it_is_the_direct_convolution(inputs, outputs, size, threads):
    x, weight = maps(2, inputs, size), normal((outputs, inputs, 3, 3), generator(0, "weight"), torch.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            assert winograd.takes(x, weight.shape)
            found = winograd.convolve(x, winograd.transformed(weight))
    finally:
        torch.set_num_threads(before)
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found - expected).abs().max() < 3e-5 * expected.abs().max()


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("layer", [ComplexConv2d, RealConv2d])
def test_layers_give_the_same_with_and_without_a_gradient(layer, kernel):
    torch.manual_seed(0)
    conv = layer(16, 16, kernel)
    x = maps(2, 32 if layer is ComplexConv2d else 16, (24, 28))
    with torch.no_grad():
        without = conv(x)
    expected = conv(x).detach()
    assert (without - expected).abs().max() < 3e-5 * expected.abs().max()


@pytest.mark.parametrize("change", ["in place", "loaded", "replaced"])
def test_changed_weights_are_noticed(change):
    torch.manual_seed(0)
    conv, x = ComplexConv2d(16, 16), maps(1, 32, (24, 24))
    with torch.no_grad():
        conv(x)
        other = copy.deepcopy(conv)
        if change == "in place":
            conv.real.lerp_(torch.zeros(()), 1.0)
        elif change == "loaded":
            conv.load_state_dict({name: torch.zeros_like(value) for name, value in conv.state_dict().items()})
        else:
            conv.real.data = torch.zeros_like(conv.real)
        found = conv(x)
        expected = F.conv2d(x, conv._weight(), padding=1)
        assert (found - expected).abs().max() < 1e-4
        assert (other(x) - expected).abs().max() > 0.1


def test_half_precision_double_and_training_go_the_direct_way():
    weight = (16, 16, 3, 3)
    x = maps(1, 16, (24, 24))
    assert not winograd.takes(x, weight)  # a gradient may be wanted
    with torch.no_grad():
        assert winograd.takes(x, weight)
        assert not winograd.takes(x.double(), weight)
        assert not winograd.takes(x.contiguous(), weight)
        assert not winograd.takes(x, (8, 16, 3, 3))
        with torch.autocast("cpu", torch.bfloat16):
            assert not winograd.takes(x, weight)
