"""Varied patches: what stays of an image, and what does not."""

import pytest
import torch

from rsd_mri.datasets import variety
from rsd_mri.datasets.patches import RestoredPatches
from rsd_mri.machine.randomness import generator

WAYS = [variety.sharpened, variety.recontrasted, variety.textured, variety.rephased, variety.altered]


def patch(seed=0, side=24):
    x = torch.randn(side, side, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))
    x[: side // 4] = 0  # background
    return x


@pytest.mark.parametrize("way", WAYS)
def test_turns_with_the_phase_of_the_image_and_leaves_air_dark(way):
    """A network that commutes with a global phase must meet a law that does."""
    turn = torch.polar(torch.ones(()), torch.tensor(1.1))
    changed = 0
    for key in range(8):
        out = way(patch(), generator(0, key))
        assert torch.allclose(way(turn * patch(), generator(0, key)), turn * out, atol=1e-4)
        assert out[:5].abs().max() == 0  # sharpening reaches one pixel further
        changed += int(not torch.allclose(out, patch()))
    assert changed >= 6


def test_contrast_keeps_the_phase_and_texture_the_place():
    for key in range(8):
        for way in (variety.recontrasted, variety.textured):
            out = way(patch(), generator(1, key))
            assert (out * patch().conj()).imag.abs().max() < 1e-5 * out.abs().max() * patch().abs().max()


def test_contrast_puts_one_curve_on_all_grey_values():
    flat = torch.linspace(0, 1, 16 * 16).reshape(16, 16).to(torch.complex64)
    turned_over = 0
    for key in range(20):
        out = variety.recontrasted(flat, generator(2, key)).real.flatten()
        assert out.min() >= 0 and out.max() <= 1 + 1e-5
        rising = out[64:].diff()
        assert (rising > -1e-6).all() or (rising < 1e-6).all()
        turned_over += int((rising < 1e-6).all())
    assert 0 < turned_over < 20


def test_sharpening_takes_back_a_blur():
    """Of one frequency it multiplies by 1 + a (1 - m), m being what the mean over 3x3 pixels leaves of it."""
    wave = torch.cos(2 * torch.pi * torch.arange(30) / 5).expand(30, 30).to(torch.complex64)
    out = variety.sharpened(wave, generator(3, 0))
    gain = (out / wave).real[2:-2, 2:-2]
    leaves = (1 + 2 * torch.cos(torch.tensor(2 * torch.pi / 5))) / 3
    amount = (gain.mean() - 1) / (1 - leaves)
    assert torch.allclose(gain, gain.mean().expand_as(gain), atol=1e-4)
    assert 0.3 <= float(amount) <= 1.5


def test_joined_patches_lie_side_by_side():
    one, other = torch.ones(40, 40), -torch.ones(40, 40)
    pure = []
    for key in range(10):
        out = variety.joined(one, other, generator(4, key))
        assert out.abs().max() <= 1
        pure.append(float((out.abs() > 0.9).float().mean()))
    assert max(pure) > 0.8  # a sharp edge leaves most pixels to one of the two


def test_share_of_varied_patches():
    """Patches that are not varied are those of the plain law; the others are not parts of one image."""
    images = torch.stack([patch(k, 40) for k in range(3)])
    plain, mixed = (RestoredPatches(images, 16, 0, share).batch(range(200)).y for share in (0.0, 0.3))
    same = [torch.equal(a, b) for a, b in zip(plain, mixed, strict=True)]
    assert 0.6 < sum(same) / 200 < 0.8
    again = RestoredPatches(images, 16, 0, 0.3).batch([199, 0]).y
    assert torch.equal(again, mixed[[199, 0]])
    assert mixed.isfinite().all()
