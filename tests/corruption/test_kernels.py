"""Blur kernels: what they must be whatever their seed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.corruption.kernels import gaussian_kernel, motion_kernel
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator


def test_gaussian_is_the_published_one():
    """9x9, standard deviation 2, mirrored tails: the values of the mirrored sampled Gaussian, by hand."""
    kernel = gaussian_kernel().double()
    assert kernel.shape == (9, 9)
    x = torch.arange(-8, 9, dtype=torch.float64)
    weights = (-(x**2) / 8).exp()
    weights = weights / weights.sum()
    line = weights[4:13].clone()
    # Tails at -8..-5 fall on 1..4 pixels inside the edge of the box; half-sample mirror.
    line[:4] += weights[:4].flip(0)
    line[-4:] += weights[-4:].flip(0)
    assert torch.allclose(kernel, torch.outer(line, line), atol=1e-7)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 15), st.integers(0, 10_000), st.floats(0, 1))
def test_motion_keeps_brightness_and_reaches_the_edge_of_its_box(half, seed, roughness):
    size = 2 * half + 1
    kernel = motion_kernel(size, generator(seed, "motion"), roughness)
    assert kernel.shape == (size, size)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert kernel.min() >= 0
    edges = torch.cat([kernel[0], kernel[-1], kernel[:, 0], kernel[:, -1]])
    assert float(edges.max()) > 0


def test_motion_follows_its_seed_and_straightens_without_roughness():
    first, again, other = (motion_kernel(15, generator(i, "motion")) for i in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    line = motion_kernel(15, generator(1, "motion"), roughness=0.0)
    at = torch.nonzero(line > 0).double()
    thickness = torch.linalg.svdvals(at - at.mean(0))[-1] / len(at) ** 0.5
    assert thickness < 0.8  # pixels: a line and what bilinear weights spread beside it


@pytest.mark.parametrize(
    "make",
    [
        lambda: gaussian_kernel(8),
        lambda: motion_kernel(4, generator(0)),
        lambda: gaussian_kernel(9, 0.0),
        lambda: motion_kernel(1, generator(0)),
    ],
)
def test_impossible_kernels_are_refused(make):
    with pytest.raises(InputError, match="expected"):
        make()
