"""The objectives against Gaussian images, for which the optimal denoiser is known."""

import pytest
import torch
from torch import nn

from rsd_mri.corruption.corruption import Measurements
from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.undersampling import Undersampling
from rsd_mri.diffusion import Condition
from rsd_mri.diffusion.denoiser import loss_weight
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Identity, sense_operator
from rsd_mri.protocol import MaskSettings
from rsd_mri.rsd.objectives import (
    compare,
    dmd_loss,
    restoration_loss,
    sds_loss,
    sid_loss,
)

C, SIGMA, T = 0.8, 0.3, 0.5
N = 4000


class Gain(nn.Module):
    """D(u, t) = a u: the right family for white Gaussian images."""

    sigma_data, sigma_hidden = 0.5, 0.0

    def __init__(self, a):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, u, t, condition=None):
        return self.a * u


def normal(*shape, seed, dtype=torch.complex64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def tweedie_gradient(a):
    x = C * normal(N, 4, 4, seed=1)
    y = x + SIGMA * normal(N, 4, 4, seed=2)
    data = Measurements(y, Identity(), torch.full((N,), SIGMA), ((0,),) * N)
    denoiser = Gain(a)
    loss = restoration_loss(
        denoiser, Noise((4, 4), SIGMA, torch.complex64), data, Identity(), torch.full((N,), T), normal(N, 4, 4, seed=3)
    )
    (grad,) = torch.autograd.grad(loss.mean(), denoiser.a)
    return float(grad)


def test_ambient_tweedie_is_minimal_at_the_clean_denoiser():
    """From noisy data alone the minimum is E[x | x_t] of the clean law, not of the noisy one."""
    clean, noisy = C**2 / (C**2 + T**2), (C**2 + SIGMA**2) / (C**2 + T**2)
    slope = (tweedie_gradient(clean + 0.1) - tweedie_gradient(clean)) / 0.1
    assert abs(tweedie_gradient(clean) / slope) < 0.01
    assert abs(tweedie_gradient(noisy) / slope) > 0.08


def sense_case(n=6, seed=0, shown="adjoint"):
    csm = normal(n, 3, 8, 16, seed=seed)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    law = MaskSettings(acceleration=2.0, acs_lines=4, extra_lines=2)
    return Undersampling(law, csm, torch.full((n,), SIGMA), shown)


def test_mri_loss_is_the_published_one_without_noise():
    """w || A^H A (D - x) ||^2 with the network given A~^H A~ (x + t n)."""
    corruption = sense_case()
    keys = [(0, "case", i) for i in range(6)]
    operator, _ = corruption.draw(keys)
    further = corruption.further(operator, keys)
    x, n, t = normal(6, 8, 16, seed=1), normal(6, 8, 16, seed=2), torch.linspace(0.1, 2, 6)
    data = Measurements(operator(x), operator, torch.zeros(6), tuple(keys))
    loss = restoration_loss(Gain(0.7), corruption, data, further, t, n)
    u = further.adjoint(further(x + t[:, None, None] * n))
    residual = operator.adjoint(operator(0.7 * u - x))
    expected = loss_weight(t, 0.5) * residual.abs().square().mean((1, 2))
    assert torch.allclose(loss, expected, rtol=1e-4)


def test_noise_correction_acts_only_on_what_was_seen():
    """At t = sigma nothing can be learned where the denoiser saw the data; the dropped lines still teach."""
    corruption = sense_case()
    keys = [(0, "case", i) for i in range(6)]
    operator, sigma = corruption.draw(keys)
    further = corruption.further(operator, keys)
    y = operator(normal(6, 8, 16, seed=1)) + SIGMA * normal(6, 3, 8, 16, seed=2)
    data = Measurements(y, operator, sigma, tuple(keys))
    seen = restoration_loss(Gain(0.3), corruption, data, operator, sigma, normal(6, 8, 16, seed=3))
    hidden = restoration_loss(Gain(0.3), corruption, data, further, sigma, normal(6, 8, 16, seed=3))
    assert seen.max() < 1e-9
    assert hidden.min() > 1e-3


def test_further_mask_keeps_the_centre_and_drops_lines():
    corruption = sense_case()
    keys = [(0, "case", i) for i in range(6)]
    operator, _ = corruption.draw(keys)
    further = corruption.further(operator, keys)
    assert operator.mask.sum((1, 2, 3)).tolist() == [8] * 6
    assert further.mask.sum((1, 2, 3)).tolist() == [6] * 6
    assert bool((further.mask <= operator.mask).all())
    assert bool(further.mask[..., 6:10].all())
    again = corruption.draw(keys[2:3])[0]
    assert torch.equal(again.mask[0], operator.mask[2])  # keyed by item, not by place in the batch


def student_gradient(g, loss_function):
    """d loss / d g for a student G(z) = g z and white Gaussian data of power C^2, fake score exact."""
    gain = torch.tensor(g, requires_grad=True)
    images = gain * normal(N, 4, 4, seed=4)
    t = torch.full((N,), T)
    keys = [(0, i) for i in range(N)]
    teacher, fake = Gain(C**2 / (C**2 + T**2)), Gain(g**2 / (g**2 + T**2))
    pair = compare(
        teacher.requires_grad_(False),
        fake.requires_grad_(False),
        Noise((4, 4), 0.0, torch.complex64),
        images,
        keys,
        t,
        normal(N, 4, 4, seed=5),
    )
    (grad,) = torch.autograd.grad(loss_function(pair).mean(), gain)
    return float(grad)


@pytest.mark.parametrize(
    "loss", [lambda p: sid_loss(p, 1.0), lambda p: sid_loss(p, 1.2), dmd_loss], ids=["sid 1", "sid 1.2", "dmd"]
)
def test_distillation_drives_the_student_to_the_data(loss):
    assert student_gradient(0.5 * C, loss) < 0
    assert student_gradient(1.5 * C, loss) > 0
    away = abs(student_gradient(1.5 * C, loss))
    assert abs(student_gradient(C, loss)) < 0.02 * away


def test_sds_shrinks_even_the_right_student():
    """Without a fake score the student collapses towards the mode: why the published FID is above 200."""
    assert student_gradient(C, sds_loss) > 0


def test_sid_gradient_against_the_closed_form():
    """For G(z) = g z the loss is quadratic in images and noise, so its gradient is known in expectation."""
    g, alpha = 1.3, 1.2
    f, q = C**2 / (C**2 + T**2), g**2 / (g**2 + T**2)

    def loss(pair):
        return sid_loss(pair, alpha)

    # E Re conj((f-q) v_t) [ (f v_t - v) - alpha (f-q) v_t ] with v = g z, v_t = v + T n; d/dg with f, q fixed.
    d = f - q
    expected = 2 * g * (d * (f - 1) - alpha * d**2)
    # Normalised by <|v - r|> of each item, v - r = (1 - f) v - f T n, complex Gaussian.
    scale = ((1 - f) ** 2 * g**2 + f**2 * T**2) ** 0.5 * (torch.pi**0.5 / 2)
    assert student_gradient(g, loss) == pytest.approx(expected / scale, rel=0.05)


def test_noise_matched_branch_compares_noisy_images():
    corruption = Noise((4, 4), SIGMA, torch.complex64)
    images, n, grain = (normal(5, 4, 4, seed=s) for s in (1, 2, 3))
    keys = [(0, i) for i in range(5)]
    pair = compare(Gain(0.5), Gain(0.4), corruption, images, keys, torch.ones(5), n, grain)
    assert torch.allclose(pair.image, images + SIGMA * grain)
    assert torch.allclose(pair.teacher, 0.5 * (images + SIGMA * grain + n))


def test_masked_loss_ignores_what_is_not_measured():
    law = MaskSettings(acceleration=2.0, acs_lines=4, extra_lines=2)
    corruption = Undersampling(law, torch.ones(1, 1, 8, 16, dtype=torch.complex64), torch.zeros(1), "adjoint")
    keys = [(0, "case", i) for i in range(6)]
    pair = compare(
        Gain(0.5), Gain(0.4), corruption, normal(6, 8, 16, seed=6), keys, torch.ones(6), normal(6, 8, 16, seed=7)
    )
    hidden = normal(6, 8, 16, seed=8)
    hidden = hidden - pair.view(hidden)  # one coil: A^H A is the projection
    moved = type(pair)(pair.image, pair.teacher + hidden, pair.fake, pair.view, pair.t)
    assert torch.allclose(sid_loss(pair, 1.2, masked=True), sid_loss(moved, 1.2, masked=True), rtol=1e-4)
    assert not torch.allclose(sid_loss(pair, 1.2), sid_loss(moved, 1.2), rtol=0.1)


def test_condition_is_the_point_spread_of_the_mask():
    corruption = sense_case()
    operator, _ = corruption.draw([(0, "case", 1)])
    condition = corruption.condition(operator)
    assert isinstance(condition, Condition)
    share = operator.mask.float().mean()
    assert condition.sampling[0, 0] == pytest.approx(float(share))
    full = sense_operator(operator.csm, torch.ones(16))
    delta = corruption.condition(full).sampling[0]
    assert delta[0] == 1
    assert delta[1:32].abs().max() < 1e-6


def test_generator_is_reproducible_by_key_and_not_by_batch():
    from rsd_mri.rsd.generator import noise_for

    corruption = sense_case()
    keys = [(0, "n", i) for i in range(4)]
    assert torch.equal(noise_for(corruption, keys)[2], noise_for(corruption, keys[2:3])[0])
    assert not torch.equal(noise_for(corruption, keys)[2], noise_for(corruption, keys)[3])
    assert generator(1, "a").initial_seed() != generator(1, "b").initial_seed()
