"""Windows of what the maps see."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from rsd_mri.reconstruction.posterior.support import windows_of


@given(st.integers(12, 60), st.integers(12, 60), st.integers(0, 100), st.integers(0, 59), st.integers(1, 59))
def test_nothing_the_maps_see_is_lost(rows, columns, seed, start, length):
    csm = torch.zeros(1, 2, 3, rows, columns, dtype=torch.complex64)
    csm[:, 0] = 1
    inside = (torch.arange(start, start + min(length, columns))) % columns
    csm[:, 1, :, rows // 2 :][..., inside] = 1
    image = torch.randn(4, 2, rows, columns, generator=torch.Generator().manual_seed(seed))
    whole, second = windows_of(csm)
    assert torch.equal(whole.paste(whole.cut(image[:, 0]), (rows, columns)), image[:, 0])
    seen = (csm[0, 1] != 0).any(0)
    out = second.paste(second.cut(image[:, 1]), (rows, columns))
    assert torch.equal(out[:, seen], image[:, 1][:, seen])


def test_window_over_the_edge_is_no_longer_than_needed():
    csm = torch.zeros(1, 2, 128, 128, dtype=torch.complex64)
    csm[..., 30:90, 110:] = 1
    csm[..., 30:90, :10] = 1
    (window,) = windows_of(csm)
    assert len(window.rows) == 80
    assert len(window.columns) == 48
    assert {125, 0}.issubset(window.columns.tolist())


def test_maps_that_see_nothing_give_an_image_of_zeros():
    (window,) = windows_of(torch.zeros(1, 1, 16, 16, dtype=torch.complex64))
    assert window.cut(torch.ones(1, 16, 16)).shape[-1] > 0
