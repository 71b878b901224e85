"""For Gaussian images and a known operator, the minimum of the objective is the conditional mean.

The loss is quadratic in images and noise, so its expectation is an exact mean over 2 N points
+-sqrt(N) e_i of the N-dimensional standard normal; nothing is left to chance.
"""

import itertools

import pytest
import torch
from torch import nn

from rsd_mri.corruption.corruption import Measurements
from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.kernels import gaussian_kernel
from rsd_mri.corruption.measured import Blur, SuperResolution
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import Identity, LinearOperator
from rsd_mri.rsd.objectives import restoration_loss

D = 5
SPREAD = normal((D, D), generator("covariance"), torch.float64)
COVARIANCE = SPREAD @ SPREAD.T / D
T = 0.7


class Matrix(LinearOperator):
    """Per item, a matrix [batch, m, d]."""

    def __init__(self, matrix):
        self.matrix = matrix

    def forward(self, x):
        return (self.matrix @ x[..., None])[..., 0]

    def adjoint(self, y):
        return (self.matrix.mT @ y[..., None])[..., 0]


class Linear(nn.Module):
    """D(u, t) = W u: the family that holds the conditional mean of Gaussians."""

    sigma_data, sigma_hidden = 0.5, 0.0

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w.clone())

    def forward(self, u, t, condition=None):
        return (u.flatten(1) @ self.w.T).reshape(u.shape)


def points(*sizes):
    """Standard normal vectors of these sizes, jointly, as points that give second moments exactly."""
    n = sum(sizes)
    one = torch.eye(n, dtype=torch.float64) * n**0.5
    return torch.cat([one, -one]).split(sizes, dim=1)


class Preconditioned(Noise):
    """Judged and shown through W = (A^H A + 0.1)^-1, as MRI is."""

    def preconditioner(self, operator):
        return Matrix(torch.linalg.inv(operator.matrix.mT @ operator.matrix + 0.1 * torch.eye(D, dtype=torch.float64)))


def gradient(w, further, operators, sigma, corruption=Noise):
    """Gradient of the expected loss at W, over images, noises and the operators A that go with one A~."""
    total = torch.zeros_like(w)
    for a in operators:
        x, e, n = points(D, a.shape[0], D)
        x = x @ SPREAD.T / D**0.5
        batch = len(x)
        level = torch.full((batch,), sigma, dtype=torch.float64)
        data = Measurements(x @ a.T + sigma * e, Matrix(a[None]), level, ((0,),) * batch)
        denoiser = Linear(w)
        t = torch.full((batch,), T, dtype=torch.float64)
        loss = restoration_loss(denoiser, corruption((D,), sigma), data, Matrix(further[None]), t, n)
        total += torch.autograd.grad(loss.mean(), denoiser.w)[0]
    return total


def conditional_mean(further, sigma):
    """E[x | u] = W u for u = A~^H y + s A~^H A~ n, by the normal equations."""
    gram = further.T @ further
    noise = sigma**2 * gram + (T**2 - sigma**2) * gram @ gram
    return COVARIANCE @ gram @ torch.linalg.pinv(gram @ COVARIANCE @ gram + noise, rtol=1e-10)


def masks(rows):
    keep = torch.zeros(D, dtype=torch.float64)
    keep[list(rows)] = 1
    return keep.diag()


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("seen", [(0, 2), (1, 2, 4), tuple(range(D))], ids=str)
def test_masks_and_their_mixtures_with_noise(seen, sigma):
    """A~ keeps `seen`; A any larger set, so that every pixel is judged by some item."""
    others = [i for i in range(D) if i not in seen]
    larger = [seen + extra for k in range(len(others) + 1) for extra in itertools.combinations(others, k)]
    operators = [masks(rows) for rows in larger]
    further = masks(seen)
    best = conditional_mean(further, sigma)
    away = best + 0.1 * normal((D, D), generator("away"), torch.float64)
    at_best = gradient(best, further, operators, sigma).abs().max()
    assert at_best < 1e-10
    # At t = sigma what was seen teaches nothing; there the loss is flat, elsewhere it is not.
    flat = sigma == T and not others
    assert (gradient(away, further, operators, sigma).abs().max() < 1e-10) == flat
    if not flat:
        # A convex quadratic: zero gradient is the minimum if walking away always climbs.
        climb = (gradient(away, further, operators, sigma) * (away - best)).sum()
        assert climb > 0


def test_any_known_operator_without_noise():
    """A of any conditioning, A~ some of its rows: zero gradient at E[x | A~^H A~ (x + t n)]."""
    a = normal((4, D), generator("A"), torch.float64)
    further = a.clone()
    further[3] = 0
    best = conditional_mean(further, 0.0)
    assert gradient(best, further, [a], 0.0).abs().max() < 1e-9
    assert gradient(best + 0.1, further, [a], 0.0).abs().max() > 1e-3


def test_a_preconditioner_changes_the_way_not_the_goal():
    """Shown W~ u instead of u and judged by W, the minimum is E[x | W~ u]: the same image of the same data."""
    a = normal((4, D), generator("A"), torch.float64)
    further = a.clone()
    further[3] = 0
    gram = further.T @ further
    weight = torch.linalg.inv(gram + 0.1 * torch.eye(D, dtype=torch.float64))
    best = conditional_mean(further, 0.0) @ torch.linalg.inv(weight)
    assert gradient(best, further, [a], 0.0, Preconditioned).abs().max() < 1e-8
    assert gradient(best + 0.1, further, [a], 0.0, Preconditioned).abs().max() > 1e-3
    noisy = conditional_mean(masks((0, 2, 3)), 0.3) * 1.1
    everything = [masks((0, 2, 3)), masks(range(D))]
    assert gradient(noisy, masks((0, 2, 3)), everything, 0.3, Preconditioned).abs().max() < 1e-8


def test_the_objective_does_not_fit_the_noise():
    """The regression on the noisy data themselves, E[y | u], is not where the gradient vanishes."""
    sigma, everything = 0.5, masks(range(D))
    total = torch.linalg.inv(COVARIANCE + T**2 * torch.eye(D, dtype=torch.float64))
    noisy = (COVARIANCE + sigma**2 * torch.eye(D, dtype=torch.float64)) @ total
    assert gradient(noisy, everything, [everything], sigma).abs().max() > 0.05


@pytest.mark.parametrize(
    "corruption",
    [
        Blur((1, 5, 5), gaussian_kernel(5), 0.3, torch.float64),
        SuperResolution((1, 8, 8), 2, 0.3, torch.float64),
    ],
    ids=["blur", "smaller"],
)
def test_measured_images_give_their_own_conditional_mean(corruption):
    """In the space of measurements D estimates E[A x | A x + t n], with noisy data too."""
    shape = tuple(corruption.generator_shape)
    size = shape[1] * shape[2]
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    a = corruption.to_teacher(basis).flatten(1).T
    m = a.shape[0]
    x, e, n = points(size, m, m)
    batch, sigma = len(x), corruption.sigma
    inner = corruption.image_shape
    y = corruption.to_teacher(x.reshape(batch, *shape)) + sigma * e.reshape(batch, *inner)
    level = torch.full((batch,), sigma, dtype=torch.float64)
    data = Measurements(y, Identity(), level, ((0,),) * batch)
    best = a @ a.T @ torch.linalg.inv(a @ a.T + T**2 * torch.eye(m, dtype=torch.float64))
    for w, small in ((best, True), (best + 0.01, False)):
        denoiser = Linear(w)
        t = torch.full((batch,), T, dtype=torch.float64)
        loss = restoration_loss(denoiser, corruption, data, Identity(), t, n.reshape(batch, *inner))
        (grad,) = torch.autograd.grad(loss.mean(), denoiser.w)
        # The weights of the blur are single precision.
        assert (float(grad.abs().max()) < 1e-6) == small
