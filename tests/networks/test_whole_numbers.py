"""Convolutions of inference in whole numbers of 16 bits against torch's own."""

import pytest
import torch
import torch.nn.functional as F

from rsd_mri.machine import device
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import whole_numbers
from rsd_mri.networks.layers import ComplexConv2d

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(not device.whole_numbers_are_quick(), reason="this processor is not quick at them")


def maps(batch, channels, size):
    made = normal((batch, channels, *size), generator(0, "maps", channels, *size), torch.float32)
    return made.contiguous(memory_format=torch.channels_last)


def layer(inputs, outputs):
    torch.manual_seed(0)
    return ComplexConv2d(inputs, outputs)


def rounded(conv, x, under=None):
    with torch.no_grad():
        return whole_numbers.convolve(x, whole_numbers.transformed(conv.real, conv.imag), under)


def direct(conv, x):
    with torch.no_grad():
        return F.conv2d(x.double(), conv._weight().double(), padding=1)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [(24, 24), (23, 26), (41, 30)])
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 32), (48, 16)])
def test_it_is_the_direct_convolution_to_a_few_thousandths(inputs, outputs, size, threads):
    conv, x = layer(inputs, outputs), maps(2, 2 * inputs, size)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = rounded(conv, x)
    finally:
        torch.set_num_threads(before)
    expected = direct(conv, x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found - expected).norm() < 4e-3 * expected.norm()
    assert torch.equal(rounded(conv, x[1:]), found[1:])
    below = maps(2, 2 * outputs, size)
    assert torch.allclose(rounded(conv, x, below), found + below, atol=1e-5)


@pytest.mark.parametrize("magnitude", [1e-20, 1.0, 1e15])
def test_the_largest_sums_do_not_overflow(magnitude):
    conv = layer(128, 16)
    x = torch.full((1, 256, 16, 16), magnitude).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        conv.real.fill_(1.0)
        conv.imag.fill_(-1.0)  # the real part is the sum of all
    expected = direct(conv, x)
    assert (rounded(conv, x) - expected).abs().max() < 2e-3 * expected.abs().max()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_stays_so(value):
    x = maps(1, 32, (16, 16))
    x[0, 3, 5, 6] = value
    found = rounded(layer(16, 16), x)
    assert not found[0, :, 5, 6].isfinite().any()
    assert found[0, :, 12:, 12:].isfinite().all()


def test_it_is_taken_where_quick_products_are_wanted_alone(monkeypatch):
    monkeypatch.setattr(device, "bfloat16_is_quick", lambda: False)
    conv, x = layer(16, 16), maps(1, 32, (24, 24))
    expected = direct(conv, x)

    def error():
        return float((conv(x).detach() - expected).norm() / expected.norm())

    with torch.no_grad():
        assert error() < 1e-5
        with device.quick_products(CPU):
            assert 1e-4 < error() < 4e-3
            with torch.enable_grad():
                assert error() < 1e-5
        assert error() < 1e-5
    with device.quick_products(CPU):
        assert error() < 1e-5
