"""The critic knows what it should: the ratio of two laws, no global phase; its gradient points to what was measured."""

import math

import pytest
import torch

from rsd_mri.corruption.identity import Noise
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.errors import InputError
from rsd_mri.experiment.restoring import last_restored
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import UNet
from rsd_mri.protocol import NetworkSettings, build
from rsd_mri.protocol import Protocol as Recipe
from rsd_mri.rsd.adversarial import Critic, passing_loss, telling_loss
from rsd_mri.rsd.objectives import compare


def network(field="complex"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = UNet(NetworkSettings(field=field, channels=4, multipliers=(1, 2)))
        for weight in made.parameters():  # layers that begin at zero would hide what is tested
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.1)
        return made


def images(count, *name):
    return normal((count, 8, 8), generator(0, *name), torch.complex64)


def test_features_come_beside_the_same_estimate():
    denoiser, u = Denoiser(network(), 0.5, 0.1), images(5, "seen")
    t = torch.linspace(0.1, 2, 5)
    whole, deepest = denoiser.with_deepest(u, t)
    assert torch.equal(whole, denoiser(u, t))
    part, all_features = denoiser.with_deepest(u, t, count=3)
    torch.testing.assert_close(part, whole[:3])
    assert torch.equal(all_features, deepest) and len(deepest) == 5


def test_a_global_phase_is_not_seen():
    denoiser, u, t = Denoiser(network(), 0.5), images(4, "phase"), torch.full((4,), 0.3)
    critic = Critic(denoiser.network)
    torch.nn.init.normal_(critic.read.weight)
    logits = critic(denoiser.with_deepest(u, t)[1])
    turned = critic(denoiser.with_deepest(u * torch.exp(torch.tensor(1.1j)), t)[1])
    assert logits.std() > 0
    torch.testing.assert_close(turned, logits, rtol=1e-4, atol=1e-5)


def test_the_best_critic_is_the_log_of_the_ratio_of_laws():
    """Of what is made p, of what is measured q: Goodfellow et al. 2014 (arXiv 1406.2661), proposition 1."""
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.2, 0.3, 0.5])
    logits = torch.zeros(3, requires_grad=True)
    descent = torch.optim.LBFGS([logits], max_iter=100, tolerance_grad=1e-7)

    def loss():
        descent.zero_grad()
        values = logits[:, None, None]
        # The loss is a sum of one term of the made and one of the measured.
        none = torch.full_like(values, -math.inf)
        made, measured = telling_loss(values, -none), telling_loss(none, values)
        total = (p * made + q * measured).sum()
        total.backward()
        return total

    descent.step(loss)
    torch.testing.assert_close(logits.detach(), (q / p).log(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("field", ["complex", "real"])
def test_what_is_made_too_bright_is_asked_to_be_darker(field):
    """Made images are twice as bright as measured ones; nothing else tells them apart."""
    denoiser = Denoiser(network(field), 1.0)
    critic = Critic(denoiser.network)
    shape = (16, 8, 8) if field == "complex" else (16, 1, 8, 8)
    dtype = torch.complex64 if field == "complex" else torch.float32
    descent = torch.optim.Adam([*denoiser.parameters(), *critic.parameters()], 1e-2)
    t = torch.full((16,), 0.2)
    for step in range(40):
        made, measured, noise = (normal(shape, generator(step, name), dtype) for name in ("made", "measured", "noise"))
        _, deepest = denoiser.with_deepest(
            torch.cat([2 * made, measured]) + 0.2 * torch.cat([noise, noise]), t.repeat(2)
        )
        logits = critic(deepest)
        loss = telling_loss(logits[:16], logits[16:]).mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
    assert loss < 0.8 * 2 * math.log(2)
    brightness = torch.tensor(2.0, requires_grad=True)
    corruption = Noise(shape[1:], 0.0, dtype)
    made, noise = (normal(shape, generator(99, name), dtype) for name in ("made", "noise"))
    keys = [(0, i) for i in range(16)]
    pair = compare(denoiser, denoiser, corruption, brightness * made, keys, t, noise, deepest=True)
    passing_loss(critic(pair.deepest)).mean().backward()
    assert brightness.grad > 0


def test_a_run_without_restored_slices_says_what_to_do(tmp_path):
    protocol = build(Recipe, {"denoiser": {"rounds": 2}}, "test")
    with pytest.raises(InputError, match=r"round-2.*--stage denoiser first, or set it to 0"):
        last_restored(protocol, tmp_path)
