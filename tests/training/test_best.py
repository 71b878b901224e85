"""Which weights of a training are its result."""

import torch
from torch import nn

from rsd_mri.training.stage import Stage
from rsd_mri.training.state import Best


class Counted(Stage):
    """Whose averaged weight is the number of images seen."""

    def __init__(self):
        self.averages = {"it": nn.Linear(1, 1, bias=False)}

    def step(self, fabric, parts, images):
        raise NotImplementedError

    def preview(self, count):
        raise NotImplementedError

    def finish(self, found):
        raise NotImplementedError


def chosen(*judged):
    """Images of the result, and of the weights that were kept for it."""
    stage, best = Counted(), None
    for i, (distance, falling) in enumerate(judged):
        stage.averages["it"].weight.data.fill_(i)
        best = Best.after(best, stage, distance, i, falling)
    assert torch.equal(best.tensors["it/weight"], torch.full((1, 1), float(best.images)))
    return best.images


def test_last_that_is_as_low_as_any_up_to_chance():
    assert chosen((5.0, False), (4.0, False), (4.3, False), (4.5, False)) == 2
    # Many steps of chance are not one.
    assert chosen((4.0, False), (4.3, False), (4.6, False), (4.3, False), (4.9, False)) == 3


def test_rates_that_fall_begin_anew():
    assert chosen((4.0, False), (6.0, True)) == 1
    assert chosen((4.0, False), (6.0, True), (5.0, True), (5.4, True), (5.6, True)) == 3
    # Carried on at full rates after they fell: by the distance again.
    assert chosen((6.0, True), (7.0, False), (6.4, False), (8.0, True)) == 3
    assert chosen((6.0, True), (7.0, False)) == 0
