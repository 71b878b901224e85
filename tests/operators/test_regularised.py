"""The regularised solution against a dense one by numpy, by compiled loops and without them."""

import numpy as np
import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import sense_operator
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import compiled

SIZE = (6, 8)


def problem(sets: int, items: int):
    csm = normal((items, sets, 3, *SIZE), generator(0, "csm"))
    mask = torch.tensor([1, 0, 1, 1, 0, 0, 1, 1], dtype=torch.bool)
    right = normal((items, sets, *SIZE), generator(0, "right"))
    operator = sense_operator(csm if sets > 1 else csm[:, 0], mask)
    return operator, right if sets > 1 else right[:, 0]


def dense(operator, item: int, right):
    """(p A^H A + 1 / v)^-1 of one item, column by column, in double precision."""
    unit = torch.eye(right[0].numel(), dtype=torch.complex64).reshape(-1, *right.shape[1:])
    one = operator.with_maps(operator.csm[item : item + 1], operator.mask[:, 0])
    return torch.stack([one.adjoint(one.forward(u[None]))[0] for u in unit]).flatten(1).T.to(torch.complex128).numpy()


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("each", ["one number", "one an item", "one a pixel"])
@pytest.mark.parametrize(("sets", "items"), [(1, 1), (2, 3)])
def test_solution_is_that_of_numpy(sets, items, each, started, loops):
    operator, right = problem(sets, items)
    axes = (items, *(1,) * (right.ndim - 1))
    precision = 2.0 if each == "one number" else torch.linspace(1, 3, items).reshape(axes)
    variance = {
        "one number": 0.5,
        "one an item": torch.linspace(0.2, 0.7, items).reshape(axes),
        "one a pixel": 0.2 + torch.rand(right.shape, generator=generator(0, "variance")),
    }[each]
    start = normal(tuple(right.shape), generator(0, "start")) if started else None
    gram = compiled(operator.gram) if loops else operator.gram
    before = right.clone()
    found = solve_regularised(gram, precision, variance, right, start, 200, 1e-6)
    assert torch.equal(right, before)
    for i in range(items):
        p, v = (np.asarray(torch.as_tensor(one).expand(right.shape)[i], float).ravel() for one in (precision, variance))
        wanted = np.linalg.solve(p[0] * dense(operator, i, right) + np.diag(1 / v), right[i].numpy().ravel())
        assert np.allclose(found[i].numpy().ravel(), wanted, atol=2e-5 * abs(wanted).max())


def test_few_iterations_are_the_same_by_loops_alone_and_beside_others():
    operator, right = problem(2, 3)
    variance = 0.2 + torch.rand(right.shape, generator=generator(0, "variance"))
    start = torch.zeros_like(right)
    # One item is all but solved at its start: it stops, and the others go on.
    start[1] = solve_regularised(operator.gram, 2.0, variance, right, None, 100, 1e-7)[1]
    plain, quick = (
        solve_regularised(gram, 2.0, variance, right, start, 3, 1e-3)
        for gram in (operator.gram, compiled(operator.gram))
    )
    assert torch.allclose(plain, quick, atol=1e-5)
    assert torch.equal(quick[1], start[1])
    alone = operator.with_maps(operator.csm[2:], operator.mask[:, 0])
    one = solve_regularised(compiled(alone.gram), 2.0, variance[2:], right[2:], start[2:], 3, 1e-3)
    assert torch.equal(one[0], quick[2])


def test_what_is_no_number_ends_it():
    operator, right = problem(1, 1)
    right[0, 2, 3] = float("nan")
    found = solve_regularised(compiled(operator.gram), 2.0, 0.5, right, None, 5, 1e-3)
    assert found.shape == right.shape
