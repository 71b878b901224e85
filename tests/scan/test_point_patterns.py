"""Patterns of two phase encodes: counts, the ellipse, and the aliasing of a sheared lattice."""

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from rsd_mri.commands.simulate import Pattern
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator
from rsd_mri.protocol import MaskSettings
from rsd_mri.scan.middle import centre_slice
from rsd_mri.scan.patterns import draw_mask, settings_for_size


@pytest.mark.parametrize("size", [(64, 48), (45, 64)])
@pytest.mark.parametrize("acceleration", [3.0, 7.0])
def test_an_ellipse_leaves_the_corners_out(size, acceleration):
    pattern = draw_mask(MaskSettings("elliptical", acceleration, 12), size, generator(1))
    assert pattern.realised_acceleration == pytest.approx(acceleration, rel=0.1)
    y, z = ((torch.arange(n) - n / 2) / (n / 2) for n in size)
    radius = (y[:, None] ** 2 + z[None] ** 2).sqrt()
    assert not pattern.mask[radius >= 1].any()
    assert pattern.mask[(radius > 0.8) & (radius < 1)].any()
    assert pattern.mask[centre_slice(size[0], 12), centre_slice(size[1], 12)].all()


@pytest.mark.parametrize(("acceleration", "side"), [(2, 2), (3, 3), (4, 2), (6, 3), (8, 4)])
def test_a_sheared_lattice_spreads_its_aliases(acceleration, side):
    """The point spread function has R equal peaks, at least as far apart as those of a plain lattice of such cells."""
    n = 48
    mask = draw_mask(MaskSettings("caipi", acceleration, 0), (n, n), generator(0)).mask
    assert int(mask.sum()) == n * n // acceleration
    spread = np.abs(np.fft.fft2(np.fft.ifftshift(mask.numpy())))
    peaks = np.argwhere(spread > 0.5 * spread[0, 0])
    assert len(peaks) == acceleration
    np.testing.assert_allclose(spread[tuple(peaks.T)], spread[0, 0])
    away = (peaks + n // 2) % n - n // 2
    distance = np.hypot(*away.T)
    nearest = distance[distance > 0].min()
    assert nearest >= n / side if acceleration == 4 else nearest > n / side


def test_a_lattice_needs_a_whole_number():
    with pytest.raises(InputError, match="caipi"):
        draw_mask(MaskSettings("caipi", 2.5, 8), (32, 32), generator(0))


def test_the_centre_of_points_is_wide_enough_for_maps():
    assert settings_for_size(MaskSettings("elliptical", 8.0), 96).acs_lines == 16
    assert settings_for_size(MaskSettings("elliptical", 8.0), 320).acs_lines == 20
    # Half of the points kept, at most.
    assert settings_for_size(MaskSettings("poisson", 8.0), 32).acs_lines == 8


def test_the_command_line_has_every_law():
    assert {one.value for one in Pattern} == set(get_args(get_type_hints(MaskSettings)["kind"]))
