"""Guidance by a worse denoiser, against closed forms of Gaussian images."""

import pytest
import torch

from rsd_mri.corruption.identity import Noise
from rsd_mri.diffusion.autoguidance import Autoguided
from rsd_mri.diffusion.denoiser import Denoiser, expand
from rsd_mri.protocol import SamplerSettings
from rsd_mri.rsd.generator import sample_teacher

GOOD, WORSE = 0.5, 0.7
SIZE = (12, 10)


class Wiener(Denoiser):
    """The conditional mean of images of independent normal pixels; its network is never called."""

    def __init__(self, deviation):
        super().__init__(torch.nn.Linear(1, 1), deviation)

    def forward(self, u, sigma, condition=None):
        return expand(self.sigma_data**2 / (self.sigma_data**2 + sigma**2), u) * u


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 2.0])
def test_samples_have_the_deviation_that_the_flow_of_the_two_laws_gives(weight):
    """dx/dt = (x - D) / t is x ((1 + w) t / (s^2 + t^2) - w t / (s'^2 + t^2)) here, which is solved by hand."""
    settings = SamplerSettings(steps=200, sigma_max=20.0)
    law, keys = Noise(SIZE, 0.0, torch.complex64), [("x", 0), ("x", 1)]
    start = sample_teacher(Wiener(1e6), law, keys, settings) / settings.sigma_max
    made = sample_teacher(Autoguided(Wiener(GOOD), Wiener(WORSE), weight), law, keys, settings)
    top = settings.sigma_max**2
    expected = settings.sigma_max * (GOOD**2 / (GOOD**2 + top)) ** ((1 + weight) / 2)
    expected *= ((WORSE**2 + top) / WORSE**2) ** (weight / 2)
    torch.testing.assert_close(made, expected * start, rtol=2e-3, atol=1e-4)
    assert expected == pytest.approx(GOOD ** (1 + weight) / WORSE**weight, rel=1e-2)


def test_it_is_the_score_of_a_quotient_of_powers():
    """(D - u) / t^2 is the gradient of log p^(1 + w) / p'^w of the noisy images, by automatic differentiation."""
    t, weight = torch.tensor([0.3]), 1.5
    u = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    score = (Autoguided(Wiener(GOOD), Wiener(WORSE), weight)(u, t) - u) / t.double() ** 2

    def law(deviation):
        return torch.distributions.Normal(0.0, (deviation**2 + t.double() ** 2).sqrt()).log_prob(u).sum()

    (expected,) = torch.autograd.grad((1 + weight) * law(GOOD) - weight * law(WORSE), u)
    torch.testing.assert_close(score, expected, rtol=1e-6, atol=1e-8)


def test_from_a_noise_level_on_it_is_not_guided():
    u, t = torch.ones(3, *SIZE), torch.tensor([0.5, 1.0, 2.0])
    made = Autoguided(Wiener(GOOD), Wiener(WORSE), 1.0, below=1.0)(u, t)
    everywhere, nowhere = Autoguided(Wiener(GOOD), Wiener(WORSE), 1.0)(u, t), Wiener(GOOD)(u, t)
    assert torch.equal(made[0], everywhere[0]) and not torch.equal(made[0], nowhere[0])
    assert torch.equal(made[1:], nowhere[1:])


class Counted(Wiener):
    """Counts its calls."""

    calls = 0

    def forward(self, u, sigma, condition=None):
        self.calls += 1
        return super().forward(u, sigma, condition)


@pytest.mark.parametrize(
    ("weight", "levels", "calls"),
    [(1.0, (1.0, 2.0, 3.0), 0), (1.0, (0.9, 2.0, 3.0), 1), (0.0, (0.1, 0.2, 0.3), 0)],
)
def test_the_guide_is_asked_only_where_it_counts(weight, levels, calls):
    guide = Counted(WORSE)
    Autoguided(Wiener(GOOD), guide, weight, below=1.0)(torch.ones(3, *SIZE), torch.tensor(levels))
    assert guide.calls == calls


def test_the_network_is_the_better_ones():
    good = Wiener(GOOD)
    made = Autoguided(good, Wiener(WORSE), 1.0)
    assert made.network is good.network
    assert (made.sigma_data, made.sigma_hidden) == (good.sigma_data, good.sigma_hidden)
