"""The linear Gaussian model: our loss against matrix formulas, and its minimum against the closed forms."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from rsd_mri.machine.progress import Progress
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.rsd.linear import (
    OPERATORS,
    GaussianDenoiser,
    LinearCase,
    LinearModel,
    describe,
    draw_matrices,
    expected_covariance,
    linear_cases,
    mini_cases,
    run_linear,
)

each_operator = pytest.mark.parametrize("operator", OPERATORS)
either_student = pytest.mark.parametrize("matched", [False, True], ids=["b=0", "b=sigma^2"])


def draw(*shape):
    return normal(shape, generator("linear", *shape), torch.float64)


def precisions(model, u, t):
    """P_t and Q_t of every operator: inverse covariances of the student's and of the data's noisy measurements."""
    eye = torch.eye(model.matrices.shape[1], dtype=torch.float64)
    student, clean = model.matrices @ u, model.matrices @ model.subspace
    p = torch.linalg.inv(student @ student.mT + (model.student_variance + t**2) * eye)
    q = torch.linalg.inv(clean @ clean.mT + (model.case.sigma**2 + t**2) * eye)
    return p, q


@each_operator
@either_student
def test_loss_is_half_the_fisher_divergence(operator, matched):
    """sum_t t^2 tr[(P - Q) P^-1 (P - Q)], and its full derivative 2 A^T sum_t t^2 (Q^2 - P^2) A U."""
    model = LinearModel(LinearCase(10, 2, 3, 0.4, operator, matched))
    u = draw(10, 3).requires_grad_()
    value = model.loss(u, 0.5)
    (grad,) = torch.autograd.grad(value, u)
    fisher, slope = 0.0, torch.zeros(10, 3, dtype=torch.float64)
    for t in model.levels:
        p, q = precisions(model, u.detach(), t)
        gap = p - q
        fisher += float(t**2 * (gap @ torch.linalg.inv(p) @ gap).diagonal(dim1=1, dim2=2).sum(1).mean())
        slope += 2 * t**2 * (model.matrices.mT @ (q @ q - p @ p) @ model.matrices).mean(0) @ u.detach()
    assert float(value.detach()) == pytest.approx(fisher / 2, rel=1e-9)
    assert torch.allclose(grad, slope / 2, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.2])
def test_expectation_is_that_of_random_draws(alpha):
    """The few points stand for the Gaussians: 200,000 draws give the same loss."""
    case = LinearCase(6, 2, 2, 0.5, "square", True)
    model = LinearModel(case, levels=(0.5,))
    u = draw(6, 2)
    n, t = 200_000, 0.5
    z, e, noise = draw(n, 2), draw(n, 6), normal((n, 6), generator("n"), torch.float64)
    v = z @ (model.matrices[0] @ u).T + case.sigma * e
    p, q = (x[0] for x in precisions(model, u, t))
    v_t = v + t * noise
    real, other = v_t - t**2 * v_t @ q, v_t - t**2 * v_t @ p
    loss = ((real - other) * ((real - v) - alpha * (real - other))).sum(1) / t**2
    spread = float(loss.std()) / n**0.5
    assert abs(float(model.loss(u, alpha)) - float(loss.mean())) < 5 * spread


def test_denoiser_is_the_conditional_mean():
    levels = torch.tensor([0.1, 2.0], dtype=torch.float64)
    factor = draw(3, 5, 2)
    denoise = GaussianDenoiser(factor, 0.3, levels)
    x = draw(3, 2, 4, 5)
    for o in range(3):
        covariance = factor[o] @ factor[o].T + 0.3 * torch.eye(5, dtype=torch.float64)
        for i, t in enumerate(levels):
            gain = covariance @ torch.linalg.inv(covariance + t**2 * torch.eye(5, dtype=torch.float64))
            assert torch.allclose(denoise(x.reshape(-1, 5), levels).reshape(x.shape)[o, i], x[o, i] @ gain.T)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4), st.integers(5, 12), st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.booleans(), st.integers(0, 99))
def test_closed_forms(r, d, sigma, matched, seed):
    """A = I, k = r: U U^T = (1 + sigma^2) E E^T without, E E^T with the data noise on the student."""
    model = LinearModel(LinearCase(d, r, r, sigma, "identity", matched, seed))
    found = describe(model, model.minimise())
    assert found.error < 1e-3
    gap = 0 if matched else r * ((1 + sigma**2) ** 0.5 - 1) ** 2
    assert found.w2_squared == pytest.approx(gap, abs=1e-3)
    if sigma:
        assert found.w2_squared < found.w2_squared_noisy


def test_spare_rank_fits_the_noise_unless_it_is_matched():
    loose = LinearModel(LinearCase(12, 2, 4, 0.5, "identity", False))
    assert describe(loose, loose.minimise()).eigenvalues == pytest.approx([1.25, 1.25, 0.25, 0.25], abs=1e-3)
    assert expected_covariance(loose) is None
    matched = LinearModel(LinearCase(12, 2, 4, 0.5, "identity", True))
    assert describe(matched, matched.minimise()).eigenvalues == pytest.approx([1, 1, 0, 0], abs=1e-3)


def test_one_wide_operator_leaves_its_null_space_open_and_many_masks_do_not():
    wide = LinearModel(LinearCase(12, 2, 2, 0.2, "wide", True))
    found = describe(wide, wide.minimise())
    assert found.fisher < 1e-4
    assert min(found.cosines_seen) > 0.999 and min(found.cosines) < 0.95
    masks = LinearModel(LinearCase(12, 2, 2, 0.2, "masks", True))
    found = describe(masks, masks.minimise(restarts=6))
    assert found.fisher < 1e-4
    assert min(found.cosines) > 0.999


@either_student
def test_the_published_alpha_leads_to_the_same_place(matched):
    """Plain descent along the generator's gradient at alpha = 1.2, which is the gradient of no function."""
    model = LinearModel(LinearCase(8, 2, 2, 0.5, "identity", matched))
    u = 0.3 * draw(8, 2)
    for _ in range(1000):
        u = u.requires_grad_()
        (grad,) = torch.autograd.grad(model.loss(u, 1.2), u)
        u = (u - 0.15 * grad).detach()
    assert describe(model, u).error < 1e-3


def test_distance_is_that_of_gaussians():
    model = LinearModel(LinearCase(7, 3, 4, 0.1, "identity", False))
    u = draw(7, 4)
    made, clean = (u @ u.T).numpy(), (model.subspace @ model.subspace.T).numpy()
    root = sqrtm(clean + 1e-12 * np.eye(7)).real
    expected = np.trace(made + clean - 2 * sqrtm(root @ made @ root + 1e-12 * np.eye(7)).real)
    assert describe(model, u).w2_squared == pytest.approx(expected, abs=1e-4)


@each_operator
def test_operators_are_what_they_say(operator):
    matrices = draw_matrices(LinearCase(20, 4, 4, 0.1, operator, True))
    values = torch.linalg.svdvals(matrices)
    expected = {"identity": (20, 1, 1), "square": (20, 0.5, 1.5), "wide": (12, 0.5, 1.5), "masks": (10, 1, 1)}
    rows, low, high = expected[operator]
    assert matrices.shape[1:] == (rows, 20)
    assert float(values.min()) == pytest.approx(low) and float(values.max()) == pytest.approx(high)
    if operator == "masks":
        assert bool((matrices.sum((0, 1)) == len(matrices) / 2).all())


@pytest.mark.long
def test_run_reports_the_largest_error_and_repeats_itself():
    cases = linear_cases(("identity", "wide"), (8,), (2,), (0.0, 0.5))
    done = []
    found = run_linear(cases, Progress.of(done.append))
    assert done[-1] == 1 and len(found.cases) == len(cases) == 12
    assert len(found.errors) == 5
    assert found.max_error == max(found.errors) < 1e-3
    assert run_linear(cases) == found
    other = [dataclasses.replace(case, seed=1) for case in cases]
    assert run_linear(other).max_error != found.max_error


def test_grids():
    whole = linear_cases()
    assert len(whole) == len(set(whole)) == 4 * 2 * 3 * 2 * 9
    assert set(mini_cases()) < set(whole)
    closed = [c for c in whole if c.operator == "identity" and (c.matched or c.k == c.r)]
    assert set(closed) < set(mini_cases())
