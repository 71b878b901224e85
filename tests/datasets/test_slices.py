"""Prepared slices as training data."""

import numpy as np
import pytest
import torch

from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.protocol import MaskSettings

LAW = MaskSettings(acceleration=2.0, acs_lines=4)


class Slices:
    """Slices of several matrix sizes and coil counts, in memory."""

    def __init__(self, *shapes):
        self.shapes = list(shapes)
        self.items = [f"slice-{i}" for i in range(len(shapes))]

    def __len__(self):
        return len(self.shapes)

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        shape = self.shapes[i]
        kspace, csm = (rng.normal(size=(*shape, 2)).astype(np.float32).view(np.complex64)[..., 0] for _ in range(2))
        mask = np.ones(shape[-1], bool)
        return {"kspace": kspace, "csm": csm, "mask": mask, "sigma": np.float32(0.1 + i), "item": self.items[i]}


def test_slices_of_the_commonest_size_are_taken_and_the_others_counted():
    data = UndersampledSlices(Slices((3, 16, 12), (2, 16, 20), (4, 16, 20), (3, 16, 12), (2, 16, 20)), LAW, 0)
    assert len(data) == 3 and data.left_out == 2 and data.size == (16, 20)
    batch = data.batch([0, 1, 2])
    assert batch.y.shape == (3, 4, 16, 20)  # coils are padded
    assert torch.equal(batch.y[0, 2:], torch.zeros(2, 16, 20, dtype=torch.complex64))
    assert batch.sigma.tolist() == pytest.approx([1.1, 2.1, 4.1])


def test_of_equally_common_sizes_the_larger_whatever_the_order():
    sizes = [(2, 16, 12), (2, 16, 20)]
    for shapes in (sizes, sizes[::-1]):
        assert UndersampledSlices(Slices(*shapes), LAW, 0).size == (16, 20)


def test_a_mask_belongs_to_its_slice():
    """The retrospective mask is keyed by identity: other slices beside it do not change it."""
    many = UndersampledSlices(Slices((2, 16, 20), (2, 16, 20), (2, 16, 12)), LAW, 0)
    alone = UndersampledSlices(Slices((2, 16, 20)), LAW, 0)
    assert torch.equal(many.batch([0]).y, alone.batch([0]).y)
    assert not torch.equal(many.batch([0]).operator.mask, many.batch([1]).operator.mask)


def test_no_slices_is_one_sentence():
    with pytest.raises(InputError, match="run 'rsd-mri prep'"):
        UndersampledSlices(Slices(), LAW, 0)


def test_the_number_of_dropped_lines_is_drawn_where_a_range_is_given():
    law = MaskSettings(acceleration=2.0, acs_lines=4, extra_lines=1, most_extra_lines=3)
    data = UndersampledSlices(Slices((2, 8, 20)), law, 0)
    batch = data.batch([0] * 60)
    further = data.corruption.further(batch.operator, [(i,) for i in range(60)])
    dropped = (batch.operator.mask.sum(-1) - further.mask.sum(-1)).flatten()
    assert set(dropped.tolist()) == {1, 2, 3}
    assert not bool((further.mask & ~batch.operator.mask).any())
