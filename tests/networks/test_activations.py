"""The fused norm and gate: derivatives, both implementations, precision, threads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.networks import kernels
from rsd_mri.networks.activations import ComplexNormAct, _NormGate


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def drawn(channels, dtype=torch.float32):
    layer = ComplexNormAct(channels).to(dtype)
    for i, p in enumerate(layer.parameters()):
        p.data += 0.3 * normal(*p.shape, seed=i, dtype=dtype)
    return layer


def gradients(layer, call, x, scale):
    x, scale = x.clone().requires_grad_(), scale.clone().requires_grad_()
    out = call(layer, x, scale)
    weights = normal(*out.shape, seed=9).to(out.dtype)
    return [out, *torch.autograd.grad((out * weights).sum(), [x, scale, *layer.parameters()])]


def fused(layer, x, scale):
    return layer(x, scale)


def one_after_the_other(layer, x, scale):
    return layer.gate(layer.norm(x, scale))


def test_derivatives_in_double_precision():
    x, gain = normal(2, 8, 4, 3, dtype=torch.float64), normal(2, 4, seed=1, dtype=torch.float64)
    slope, offset = normal(4, seed=2, dtype=torch.float64), normal(4, seed=3, dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (x, gain, slope, offset)]
    assert torch.autograd.gradcheck(lambda *t: _NormGate.apply(*t, 2, 1e-5), inputs)


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 9),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    size=st.sampled_from([1e-4, 1.0, 1e4]),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_compiled_kernel_is_norm_then_gate(batch, channels, height, width, size, layout):
    layer = drawn(channels)
    x, scale = size * normal(batch, 2 * channels, height, width), 1 + 0.5 * normal(batch, channels, seed=4)
    found = gradients(layer, fused, x.contiguous(memory_format=layout), scale)
    wanted = gradients(layer.double(), one_after_the_other, x.double(), scale.double())
    for a, b in zip(found, wanted, strict=True):
        assert (a - b).abs().max() < 1e-4 * b.abs().max()  # items may almost cancel in a parameter's gradient


def test_gate_opens_and_shuts_without_overflow():
    layer = ComplexNormAct(1)
    layer.gate.slope.data.fill_(1e4)
    x = normal(1, 2, 8, 8)
    assert torch.allclose(layer(x), layer.norm(x), atol=1e-6)
    layer.gate.slope.data.fill_(-1e4)
    assert layer(x).abs().max() < 1e-6


def test_what_is_not_a_number_stays_so():
    x = normal(1, 8, 4, 4)
    x[0, 0, 0, 0] = torch.nan
    assert ComplexNormAct(4)(x).isnan().any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_statistics_are_not_in_half_precision(dtype):
    """Squares of these values overflow float16 and lose all but 8 bits in bfloat16."""
    x = 300 * (1 + 0.01 * normal(1, 16, 16, 16))
    layer = drawn(8)
    out = layer(x.to(dtype))
    assert out.dtype == dtype
    assert torch.allclose(out, layer(x.to(dtype).float()).to(dtype), rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_bfloat16_is_rounded_once(layout):
    """The kernels read and write 16 bits; what lies between is that of single precision."""
    layer, scale = drawn(8), 1 + 0.5 * normal(3, 8, seed=4)
    x = normal(3, 16, 20, 21).bfloat16().contiguous(memory_format=layout)
    out, d_x, *others = gradients(layer, fused, x, scale)
    assert out.is_contiguous(memory_format=layout) and d_x.is_contiguous(memory_format=layout)
    wide = x.float().requires_grad_()
    wanted = layer(wide, scale)
    assert torch.equal(out, wanted.bfloat16())
    # The gradient as it reaches the layer, rounded as autocast rounds it.
    along = normal(*out.shape, seed=9).bfloat16().float()
    d_wide, *d_others = torch.autograd.grad(wanted, [wide, *layer.parameters()], along)
    assert torch.equal(d_x, d_wide.bfloat16())
    for a, b in zip(others[1:], d_others, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5)


def test_threads_share_a_batch(monkeypatch):
    monkeypatch.setattr(kernels, "SMALL", 1)
    layer, x, scale = drawn(4), normal(5, 8, 6, 7), 1 + 0.5 * normal(5, 4, seed=4)
    before = torch.get_num_threads()
    outs = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        outs.append(gradients(layer, fused, x, scale))
    torch.set_num_threads(before)
    for a, b in zip(*outs, strict=True):
        assert torch.equal(a, b)


def test_channels_last_gives_the_same():
    layer, x, scale = drawn(4), normal(2, 8, 6, 7), torch.ones(2, 4)
    plain = gradients(layer, fused, x, scale)
    for a, b in zip(plain, gradients(layer, fused, x.to(memory_format=torch.channels_last), scale), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
