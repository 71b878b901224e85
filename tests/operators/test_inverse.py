"""The regularised inverse against dense linear algebra."""

import math

import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import RegularisedInverse, sense_operator


def unit_maps(*shape):
    csm = normal(shape, generator("unit maps", *shape), torch.complex128)
    return csm / csm.abs().square().sum(1, keepdim=True).sqrt()


def dense(operator, shape):
    size = shape[0] * shape[1]
    basis = torch.eye(size, dtype=torch.complex128).reshape(size, *shape)
    return torch.stack([operator(one[None])[0].flatten() for one in basis], 1)


@pytest.mark.parametrize("floor, iterations", [(0.05, 10), (0.01, 25), (0.3, 4)])
def test_eigenvalues_above_the_floor_are_inverted(floor, iterations):
    """Within the bound of the Chebyshev polynomial; below the floor less and less is."""
    shape = (6, 9)
    csm = 1.7 * unit_maps(1, 3, *shape)
    gram = sense_operator(csm, torch.arange(9) % 4 == 1).gram
    largest = csm.abs().square().sum(1).amax()[None]
    inverse = RegularisedInverse(gram, largest, floor, iterations)
    values, vectors = torch.linalg.eigh(dense(gram, shape))
    found = torch.linalg.vecdot(vectors.T, (dense(inverse, shape) @ dense(gram, shape) @ vectors).T).real
    bound = 1 / math.cosh(iterations * math.acosh((1 + floor) / (1 - floor)))
    inside = values > floor * largest
    assert 0 < int(inside.sum()) < len(values)
    assert ((found - 1).abs()[inside] <= bound + 1e-9).all()
    assert found[0] < 0.5 < found[-1]
    assert (found[~inside] < 1 + bound).all()


def test_each_item_has_its_own_scale():
    csm = unit_maps(2, 3, 6, 8) * torch.tensor([1.0, 3.0])[:, None, None, None]
    gram = sense_operator(csm, torch.ones(8)).gram
    inverse = RegularisedInverse(gram, csm.abs().square().sum(1).flatten(1).amax(1))
    x = normal((2, 6, 8), generator("x"), torch.complex128)
    assert torch.allclose(inverse(gram(x)), x, atol=0.05)


def test_its_gradient_is_itself():
    csm = unit_maps(2, 2, 5, 6)
    inverse = RegularisedInverse(sense_operator(csm, torch.ones(6)).gram, torch.ones(2), 0.1, 5)
    x = normal((2, 5, 6), generator("x"), torch.complex128).requires_grad_(True)
    assert torch.autograd.gradcheck(inverse.forward, (x,))
