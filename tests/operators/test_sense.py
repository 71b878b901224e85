"""The MRI operators against truths from outside: sigpy, fastMRI, closed forms, exact round trips."""

import fastmri
import numpy as np
import pytest
import sigpy
import sigpy.mri.linop
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import CoilExpand, SamplingMask, fft1c, fft2c, ifft1c, ifft2c, sense_operator

sizes = st.integers(min_value=1, max_value=13)


def draw(*shape, dtype=torch.complex128):
    return normal(shape, generator("test_sense", *shape), dtype)


def mask_of(*shape):
    return torch.rand(shape, generator=generator("mask", *shape)) < 0.4


@given(h=sizes, w=sizes)
@settings(max_examples=40, deadline=None)
def test_fft_agrees_with_sigpy_and_fastmri(h, w):
    x = draw(2, h, w)
    ours = fft2c(x)
    assert np.allclose(ours, sigpy.fft(x.numpy(), axes=(-2, -1)), atol=1e-12)
    theirs = torch.view_as_complex(fastmri.fft2c(torch.view_as_real(x)).contiguous())
    assert torch.allclose(ours, theirs, atol=1e-12)
    assert torch.allclose(ifft2c(ours), x, atol=1e-12)
    assert torch.allclose(fft1c(fft1c(x, -1), -2), ours, atol=1e-12)
    assert torch.allclose(ifft1c(fft1c(x, -2), -2), x, atol=1e-12)


@given(h=sizes, w=sizes)
@settings(max_examples=25, deadline=None)
def test_point_source_gives_a_flat_phase_ramp(h, w):
    """A point one pixel off the centre: magnitude 1/sqrt(N) everywhere, phase -2 pi (k - n // 2) / n."""
    for offset, (axis, n) in zip(((1, 0), (0, 1)), ((0, h), (1, w)), strict=True):
        x = torch.zeros(h, w, dtype=torch.complex128)
        x[(h // 2 + offset[0]) % h, (w // 2 + offset[1]) % w] = 1
        steps = torch.arange(n, dtype=torch.float64) - n // 2
        ramp = torch.exp(-2j * torch.pi * steps / n) / np.sqrt(h * w)
        expected = ramp[:, None].expand(h, w) if axis == 0 else ramp.expand(h, w)
        assert torch.allclose(fft2c(x), expected, atol=1e-12)


def test_gaussian_transforms_to_a_gaussian():
    """exp(-pi x^2 / a) has the transform sqrt(a) exp(-pi a k^2): the closed form on a fine grid."""
    n, a = 65, 65.0
    x = torch.arange(n, dtype=torch.float64) - n // 2
    gauss = torch.exp(-torch.pi * x**2 / a)
    image = (gauss[:, None] * gauss).to(torch.complex128)
    assert torch.allclose(fft2c(image), image, atol=1e-12)


@pytest.mark.parametrize("size", [(12, 10), (11, 13)])
@pytest.mark.parametrize("two_d", [False, True])
def test_agrees_with_sigpys_sense(size, two_d):
    csm, x = draw(3, *size), draw(*size)
    mask = mask_of(*size) if two_d else mask_of(size[1])
    weights = mask.double().expand(size).numpy().copy()
    theirs = sigpy.mri.linop.Sense(csm.numpy(), weights=weights)
    ours = sense_operator(csm[None], mask)
    y = ours(x[None])
    assert np.allclose(y[0], theirs(x.numpy()), atol=1e-12)
    assert np.allclose(ours.H(y)[0], theirs.H(theirs(x.numpy())), atol=1e-12)


def test_agrees_with_fastmris_expand_and_reduce():
    """fastMRI's own sensitivity operations, written with its complex helpers."""
    csm, x = draw(1, 4, 9, 8), draw(1, 9, 8)
    expanded = fastmri.fft2c(
        fastmri.complex_mul(torch.view_as_real(x[:, None]), torch.view_as_real(csm.resolve_conj()))
    )
    ours = sense_operator(csm, torch.ones(8, dtype=torch.bool))
    y = ours(x)
    assert torch.allclose(torch.view_as_real(y), expanded, atol=1e-12)
    reduced = fastmri.complex_mul(fastmri.ifft2c(expanded), fastmri.complex_conj(torch.view_as_real(csm))).sum(1)
    assert torch.allclose(torch.view_as_real(ours.H(y)), reduced, atol=1e-12)


@pytest.mark.parametrize("size", [(12, 10), (11, 13)])
def test_full_sampling_with_normalised_maps_gives_the_image_back(size):
    csm = draw(2, 5, *size)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    x = draw(2, *size)
    full = sense_operator(csm, torch.ones(size[1], dtype=torch.bool))
    assert torch.allclose(full.H(full(x)), x, atol=1e-12)
    assert torch.allclose(full.gram(x), x, atol=1e-12)


def test_two_sets_are_the_sum_of_the_operators():
    csm, x = draw(2, 2, 3, 7, 8), draw(2, 2, 7, 8)
    mask = mask_of(8)
    both = sense_operator(csm, mask)
    apart = [sense_operator(csm[:, m], mask) for m in range(2)]
    assert torch.allclose(both(x), apart[0](x[:, 0]) + apart[1](x[:, 1]), atol=1e-12)
    y = draw(2, 3, 7, 8)
    assert torch.allclose(both.H(y), torch.stack([a.H(y) for a in apart], 1), atol=1e-12)


@given(h=st.integers(2, 9), w=st.integers(2, 9), n_coils=st.integers(1, 4), kind=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_gram_equals_its_halves_for_any_size(h, w, n_coils, kind):
    shape = [(w,), (h, w), (2, 1, w), (2, h, w)][kind]
    operator = sense_operator(draw(2, n_coils, h, w), mask_of(*shape))
    x = draw(2, h, w)
    assert torch.allclose(operator.gram(x), operator.H(operator(x)), atol=1e-12)


def test_gram_second_derivative_and_broadcast_gradient():
    """One image under two masks: the gradient sums over the batch."""
    operator = sense_operator(draw(2, 3, 5, 6), mask_of(2, 1, 6))
    x = draw(1, 5, 6).requires_grad_()
    w = draw(2, 5, 6)
    (operator.gram(x) * w.conj()).real.sum().backward()
    assert torch.allclose(x.grad, operator.gram(w).sum(0, keepdim=True), atol=1e-12)
    assert torch.autograd.gradgradcheck(operator.gram, (draw(2, 5, 6).requires_grad_(),))


def test_gram_has_a_gradient_for_the_maps_that_ask_for_one():
    csm, x, w = draw(1, 3, 5, 6).requires_grad_(), draw(1, 5, 6), draw(1, 5, 6)
    (sense_operator(csm, mask_of(6)).gram(x) * w.conj()).real.sum().backward()
    step = 1e-6 * draw(1, 3, 5, 6)

    def value(maps):
        return float((sense_operator(maps, mask_of(6)).gram(x) * w.conj()).real.sum())

    slope = (value(csm.detach() + step) - value(csm.detach() - step)) / 2
    assert slope == pytest.approx(float((csm.grad.conj() * step).real.sum()), rel=1e-5)


def test_with_mask_changes_only_the_mask():
    operator = sense_operator(draw(1, 3, 7, 8), mask_of(8))
    other = operator.with_mask(torch.ones(8, dtype=torch.bool))
    assert other.csm is operator.csm and bool(other.mask.all()) and not bool(operator.mask.all())


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: CoilExpand(draw(3, 7, 8)), ValueError, "csm must be"),
        (lambda: CoilExpand(draw(1, 3, 7, 8).real), TypeError, "complex"),
        (lambda: CoilExpand(draw(1, 3, 7, 8))(draw(1, 7, 9)), ValueError, "does not fit"),
        (lambda: CoilExpand(draw(1, 3, 7, 8)).H(draw(1, 4, 7, 8)), ValueError, "do not fit"),
        (lambda: SamplingMask(torch.ones(2, 1, 1, 8)), ValueError, "mask must be"),
        (lambda: SamplingMask(torch.full((8,), 0.5)), ValueError, "0 and 1"),
        (lambda: SamplingMask(torch.ones(9))(draw(1, 3, 7, 8)), ValueError, "does not fit"),
        (lambda: sense_operator(draw(1, 3, 7, 8), torch.ones(9)), ValueError, "does not fit"),
        (lambda: sense_operator(draw(1, 3, 7, 8), torch.ones(6, 8)), ValueError, "does not fit"),
        (lambda: sense_operator(draw(1, 3, 7, 8), torch.ones(8))(draw(1, 7, 8).real), TypeError, "complex"),
    ],
)
def test_refusals_name_the_shapes(call, error, match):
    with pytest.raises(error, match=match):
        call()
