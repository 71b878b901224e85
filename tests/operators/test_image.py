"""Image operators against scipy, Pillow and torch, and on real images."""

import numpy as np
import pytest
import torch
from adjointness import assert_adjoint
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import convolve

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import Convolution, Downsampling, PixelMask


def images(*shape, dtype=torch.float64):
    return normal(shape, generator("images", *shape), dtype)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3), st.integers(0, 3), st.integers(4, 12), st.integers(4, 12))
def test_blur_equals_scipy(a, b, height, width):
    """scipy calls this boundary 'mirror'; its convolution is the outside truth."""
    kernel = images(2 * a + 1, 2 * b + 1)
    x = images(2, 2, height, width)
    blurred = Convolution(kernel)(x)
    for i in range(2):
        for c in range(2):
            expected = convolve(x[i, c].numpy(), kernel.numpy(), mode="mirror")
            assert np.allclose(blurred[i, c], expected, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_shrinking_equals_pillow(factor, height, width):
    height, width = height * factor, width * factor
    x = images(1, 1, height, width)
    small = Downsampling((height, width), factor, torch.float64)(x)[0, 0].numpy()
    size = (width // factor, height // factor)
    expected = np.asarray(Image.fromarray(x[0, 0].numpy().astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
    assert np.allclose(small, expected, atol=1e-5)


def test_shrinking_equals_torch():
    x = images(2, 3, 32, 48)
    expected = torch.nn.functional.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True)
    assert torch.allclose(Downsampling((32, 48), 2, torch.float64)(x), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_adjoint_on_real_images(dtype):
    shape = (2, 3, 9, 12)
    assert_adjoint(PixelMask(images(2, 1, 9, 12) > 0), shape, shape, dtype)
    assert_adjoint(Convolution(images(5, 7)), shape, shape, dtype)
    assert_adjoint(Downsampling((9, 12), 3, dtype), shape, (2, 3, 3, 4), dtype)


def test_complex_images_are_blurred_part_by_part():
    x = images(2, 1, 8, 9, dtype=torch.complex128)
    blur = Convolution(images(3, 5))
    assert torch.allclose(blur(x), torch.complex(blur(x.real.contiguous()), blur(x.imag.contiguous())))
    assert torch.allclose(blur(x.conj()), blur(x).conj())


def test_hidden_pixels_are_replaced_not_multiplied():
    mask = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    mask[..., 0, 0] = False
    x = torch.ones(1, 3, 2, 2)
    x[..., 0, 0] = torch.nan
    assert PixelMask(mask)(x).sum() == 9


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="odd sizes"):
        Convolution(torch.ones(4, 3))
    with pytest.raises(ValueError, match="too large"):
        Convolution(torch.ones(9, 9))(torch.ones(1, 1, 4, 16))
    with pytest.raises(ValueError, match="does not divide"):
        Downsampling((8, 9), 2)
    with pytest.raises(ValueError, match="expects images of 8x8"):
        Downsampling((8, 8), 2)(torch.ones(1, 1, 4, 4))
    with pytest.raises(ValueError, match="does not fit"):
        PixelMask(torch.ones(1, 1, 4, 4))(torch.ones(1, 1, 4, 5))
