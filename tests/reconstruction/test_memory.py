"""Batches are planned from the memory that is free."""

import pytest
import torch

from rsd_mri.errors import InputError
from rsd_mri.protocol import NetworkSettings
from rsd_mri.reconstruction.memory import (
    free_bytes,
    item_bytes,
    peak_bytes,
    plan_batches,
    require_room_for_images,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_batches_grow_with_memory():
    assert plan_batches(100, 8, 20, CPU, 10_000).samples == 8
    assert plan_batches(100, 8, 20, CPU, 600).samples == 4
    assert plan_batches(100, 8, 20, CPU, 10_000).slices == 1
    assert plan_batches(100, 8, 20, CUDA, 10_000).slices == 4
    assert plan_batches(100, 8, 2, CUDA, 10_000).slices == 2
    assert plan_batches(100, 8, 20, CUDA, 600).slices == 1


def test_one_that_does_not_fit_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="one sample of one slice needs about 100 MiB and 50 MiB"):
        plan_batches(100 * 2**20, 1, 1, CPU, 50 * 2**20)


def test_estimates_grow_with_what_is_computed():
    network = NetworkSettings(channels=32, fold=1)
    small = item_bytes((64, 64), 8, 1, None)
    assert item_bytes((128, 64), 8, 1, None) == 2 * small
    assert item_bytes((64, 64), 8, 2, None) > small
    plain = item_bytes((64, 64), 8, 1, network)
    assert item_bytes((64, 64), 8, 1, network, gradient=True) > plain > small
    assert item_bytes((64, 64), 8, 1, NetworkSettings(channels=32, fold=2)) < plain


def test_this_machine_has_memory():
    assert free_bytes(CPU) > 2**20
    assert peak_bytes(CPU) > 2**20


def test_images_that_would_not_fit_are_refused_before_they_are_made():
    require_room_for_images((256, 256), 100, 4, learned=True, free=2**30)
    with pytest.raises(
        InputError, match=r"images of 1000 slices of 256 x 256 pixels need about 3\.\d GiB and 1\.0 GiB"
    ):
        require_room_for_images((256, 256), 1000, 4, learned=True, free=2**30)
