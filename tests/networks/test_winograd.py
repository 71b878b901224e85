"""Convolutions on a processor against torch's own, and their gradients."""

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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [(24, 24), (23, 30)])
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 32), (48, 16)])
def test_gradients_are_those_of_the_direct_convolution(inputs, outputs, size, threads):
    x, weight = maps(3, inputs, size), normal((outputs, inputs, 3, 3), generator(0, "weight"), torch.float32)
    along = maps(3, outputs, size)
    mine, plain = [[v.to(dtype).requires_grad_() for v in (x, weight)] for dtype in (torch.float32, torch.float64)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        made = winograd.convolve_learning(*mine)
        found = torch.autograd.grad(made, mine, along)
    finally:
        torch.set_num_threads(before)
    direct = F.conv2d(*plain, padding=1)
    for one, expected in zip(
        (made, *found), (direct, *torch.autograd.grad(direct, plain, along.double())), strict=True
    ):
        assert (one - expected).abs().max() < 3e-5 * expected.abs().max()


def test_a_frozen_layer_hands_on_the_gradient_of_its_maps_alone():
    torch.manual_seed(0)
    conv = ComplexConv2d(16, 16).requires_grad_(False)
    x = maps(1, 32, (24, 24)).requires_grad_()
    conv(x).square().sum().backward()
    assert x.grad is not None and conv.real.grad is None


def test_in_inference_the_way_does_not_depend_on_the_batch():
    weight, x = (16, 16, 3, 3), maps(8, 16, (12, 10))  # nine tiles an item
    assert winograd.takes(x, weight)
    with torch.no_grad():
        assert not winograd.takes(x, weight) and not winograd.takes(x[:1], weight)


def test_half_precision_and_double_go_the_direct_way():
    weight = (16, 16, 3, 3)
    x = maps(1, 16, (24, 24))
    assert winograd.takes(x, weight)
    assert not winograd.takes(x.double(), weight)
    assert not winograd.takes(x.contiguous(), weight)
    assert not winograd.takes(x, (8, 16, 3, 3))
    assert not winograd.takes(maps(16, 16, (4, 4)), weight)  # one tile an item, most of it beyond the edge
    with torch.autocast("cpu", torch.bfloat16):
        assert not winograd.takes(x, weight)
