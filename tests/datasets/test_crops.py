"""Bands of rows as scans of their own."""

import numpy as np
import pytest
import torch

from rsd_mri.datasets.crops import ReadoutCrops
from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.errors import InputError
from rsd_mri.operators import sense_operator
from rsd_mri.protocol import MaskSettings

LAW = MaskSettings(acceleration=2.0, acs_lines=4, extra_lines=1)


class Scan:
    """One slice that obeys y = F S x without noise, 21 rows of 16 lines."""

    items = ("scan",)
    shapes = ((3, 21, 16),)

    def __init__(self):
        rng = np.random.default_rng(0)
        self.image, *maps = (rng.normal(size=(21, 16, 2)).view(complex)[..., 0].astype(np.complex64) for _ in range(4))
        self.csm = np.stack(maps)
        full = sense_operator(torch.from_numpy(self.csm)[None], torch.ones(16, dtype=torch.bool))
        self.kspace = full.forward(torch.from_numpy(self.image)[None])[0].numpy()
        self.mask = np.ones(16, bool)

    def __len__(self):
        return 1

    def __getitem__(self, i):
        return {
            "kspace": self.kspace,
            "csm": self.csm,
            "mask": self.mask,
            "sigma": np.float32(0.1),
            "item": self.items[i],
        }


def test_a_band_obeys_the_model_with_its_own_rows():
    scan = Scan()
    bands = ReadoutCrops(scan, 5)
    assert len(bands) == 4 and bands.shapes == [(3, 5, 16)] * 4
    data = UndersampledSlices(bands, LAW, 0)
    for band in range(4):
        batch = data.batch([band])
        (start,) = [s for s in range(0, 17) if np.array_equal(batch.operator.csm[0], scan.csm[:, s : s + 5])]
        expected = batch.operator.forward(torch.from_numpy(scan.image[start : start + 5])[None])
        torch.testing.assert_close(batch.y, expected, atol=1e-5, rtol=1e-5)


def test_all_bands_of_a_slice_have_the_mask_of_the_slice():
    """Else their union would be a fuller scan than was measured."""
    whole = UndersampledSlices(Scan(), LAW, 0).batch([0]).operator.mask
    masks = UndersampledSlices(ReadoutCrops(Scan(), 5), LAW, 0).batch([0, 1, 2, 3]).operator.mask
    assert all(torch.equal(mask, whole[0]) for mask in masks)


def test_a_short_slice_stays_whole():
    scan = Scan()
    bands = ReadoutCrops(scan, 32)
    assert bands.shapes == [(3, 21, 16)]
    np.testing.assert_allclose(bands[0]["kspace"], scan.kspace, atol=1e-5)


def test_a_band_has_at_least_a_row():
    with pytest.raises(InputError, match="at least 1 row"):
        ReadoutCrops(Scan(), -3)


def test_points_are_refused():
    scan = Scan()
    scan.mask = np.random.default_rng(1).random((21, 16)) < 0.5
    with pytest.raises(InputError, match=r"data\.crop"):
        ReadoutCrops(scan, 5)[0]
