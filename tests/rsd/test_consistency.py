"""The consistency term against Gaussian images, whose denoiser is known at every noise level."""

import pytest
import torch
from torch import nn

from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.inpainting import RandomInpainting
from rsd_mri.diffusion.noise_levels import log_normal, log_normal_below
from rsd_mri.operators import Identity
from rsd_mri.rsd.consistency import consistency_loss

POWER, N = 0.64, 20_000


class Wiener(nn.Module):
    """D(u, t) = u g(t), right for white Gaussian images where `error` is 0."""

    sigma_data, sigma_hidden = 0.5, 0.0

    def __init__(self, error=0.0, below=10.0):
        super().__init__()
        self.error, self.below = nn.Parameter(torch.tensor(error)), below

    def forward(self, u, t, condition=None):
        wrong = torch.where(t < self.below, self.error, torch.zeros(()))
        gain = POWER / (POWER + t**2) + wrong
        return u * gain.reshape(-1, *(1,) * (u.ndim - 1))


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def loss_of(denoiser, steps=3, hidden=False):
    t = torch.full((N,), 0.9)
    levels = torch.stack([torch.full((N,), v) for v in (0.6, 0.3, 0.1)[-steps:]])
    x = POWER**0.5 * normal(N, 1, 3, 3, seed=1) + t[:, None, None, None] * normal(N, 1, 3, 3, seed=2)
    noise = normal(steps, 2, N, 1, 3, 3, seed=3)
    if not hidden:
        return consistency_loss(denoiser, Noise((1, 3, 3), 0.0), x, Identity(), t, levels, noise)
    corruption = RandomInpainting((1, 3, 3), 0.5)
    keys = [(0, i) for i in range(N)]
    further = corruption.further(corruption.draw(keys)[0], keys)
    return consistency_loss(denoiser, corruption, further.gram(x), further, t, levels, noise)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_true_denoiser_is_consistent_on_average(steps, hidden):
    loss = loss_of(Wiener(), steps, hidden).detach()
    assert abs(loss.mean()) < 4 * loss.std() / N**0.5
    assert loss.std() > 0.1  # one draw alone says nothing


def test_loss_is_the_squared_error_of_the_mean_below_the_trained_levels():
    """Only D(., s = 0.1) is wrong, by the factor e: the loss is w e^2 E |E[x_s | x_t]|^2."""
    loss = loss_of(Wiener(0.5, below=0.2)).detach()
    weight = (0.1**2 + 0.5**2) / (0.1 * 0.5) ** 2
    expected = weight * 0.5**2 * (POWER + 0.01) ** 2 / (POWER + 0.81)
    assert abs(loss.mean() - expected) < 4 * loss.std() / N**0.5
    assert 4 * loss.std() / N**0.5 < 0.1 * expected


def test_gradient_pulls_the_lower_level_to_the_true_denoiser():
    for error in (0.2, -0.2):
        denoiser = Wiener(error, below=0.2)
        (gradient,) = torch.autograd.grad(loss_of(denoiser).mean(), denoiser.error)
        assert float(gradient) * error > 0


def test_levels_below_a_bound_follow_the_law():
    uniform = torch.linspace(0, 1, 10_001)[:-1]
    levels = log_normal_below(uniform, -1.0, 1.2, torch.full_like(uniform, 0.4))
    assert levels.max() <= 0.4
    law = log_normal(uniform, -1.0, 1.2)
    assert float(levels.median()) == pytest.approx(float(law[law <= 0.4].median()), rel=0.01)


def test_clamped_law_puts_the_published_share_on_the_noise_level():
    uniform = torch.linspace(0, 1, 100_001)[:-1]
    for sigma, share in ((0.1, 0.179), (0.2, 0.366), (0.4, 0.593)):
        clamped = log_normal(uniform, -1.2, 1.2, sigma, clamped=True)
        assert float((clamped <= sigma * 1.0001).float().mean()) == pytest.approx(share, abs=2e-3)
        assert float((log_normal(uniform, -1.2, 1.2, sigma) <= sigma * 1.0001).float().mean()) < 1e-3
