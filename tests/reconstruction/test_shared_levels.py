"""Samples of a slice that share their first levels, and are shown to the denoiser turned each its own way."""

from dataclasses import replace

import pytest
import torch

from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.networks import UNet
from rsd_mri.operators import sense_operator
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import WHOLE_IMAGES, Prior
from rsd_mri.protocol import NetworkSettings, Protocol
from rsd_mri.reconstruction.posterior.restorers import WAYS, restorer_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, DiffPIR
from rsd_mri.reconstruction.posterior_method import Posterior

LEVELS = 5


class Shifting(Denoiser):
    """Moves an image by one pixel along its rows, whatever lies there: an error that turns with the image."""

    seen = 0

    def forward(self, u, sigma, condition=None):  # noqa: ARG002
        self.seen += len(u)
        return u.roll(1, -2)


@pytest.fixture
def prior(tmp_path):
    protocol = Protocol(network=NetworkSettings(channels=4, multipliers=(1, 2)))
    denoiser = Shifting(UNet(protocol.network, channels=1), 0.35)
    return Prior(denoiser, "denoiser", WHOLE_IMAGES, protocol, Card(), tmp_path / "x", "0" * 64)


@pytest.mark.parametrize("size", [(17, 17), (15, 19)])
@pytest.mark.parametrize("sets", [1, 2])
def test_errors_of_the_denoiser_point_another_way_in_each_sample(prior, size, sets):
    middle = (size[0] // 2, size[1] // 2)
    operator = sense_operator(torch.ones(1, sets, 1, *size, dtype=torch.complex64), torch.ones(size[1]))
    x = torch.zeros(WAYS, sets, *size, dtype=torch.complex64)
    x[:, :, middle[0], middle[1]] = 1
    level = torch.full((WAYS,), 0.1)
    together = restorer_of(prior, operator, turns=range(WAYS)).denoise(x, level, 3)
    expected = torch.zeros(size, dtype=torch.complex64)
    for row, column in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        expected[middle[0] + row, middle[1] + column] = 0.25
    for one in range(sets):
        torch.testing.assert_close(together[:, one].mean(0), expected)
    for item, turn in enumerate(range(WAYS)):
        alone = restorer_of(prior, operator, turns=[turn]).denoise(x[:1], level[:1], 3)
        torch.testing.assert_close(together[item : item + 1], alone)
    same = restorer_of(prior, operator).denoise(x, level, 3)
    torch.testing.assert_close(same, same[:1].expand(same.shape))


@pytest.mark.parametrize("apart", [None, 0, 1, 2, LEVELS, LEVELS + 3])
def test_samples_take_what_they_share_from_one_of_their_slice(prior, apart):
    """Two slices of three samples: one call a slice until they part, whatever is computed at once."""
    mask = torch.arange(16) % 2 == 0
    operator = sense_operator(torch.ones(2, 1, 16, 16, dtype=torch.complex64), mask)
    rng = torch.Generator().manual_seed(0)
    kspace = operator(torch.randn(2, 16, 16, dtype=torch.complex64, generator=rng))
    method = Posterior(prior, DiffPIR(levels=LEVELS, apart=apart, turned=True, start="zero-filled"), 3)
    keys = [(0, "scan", slice_number, sample) for slice_number in range(2) for sample in range(3)]
    found = method.run(operator, kspace, 0.05, keys)
    own = LEVELS if apart is None else min(apart, LEVELS)
    assert prior.denoiser.seen == 2 * (LEVELS - own) + 6 * own
    for item, key in enumerate(keys):
        one = operator.with_maps(operator.csm[:1], mask)
        alone = replace(method, samples=1).run(one, kspace[item // 3 : item // 3 + 1], 0.05, [key])
        torch.testing.assert_close(alone[0], found[item], atol=1e-4, rtol=1e-4)
    apart_by = (found.unflatten(0, (2, 3)).var(1).mean((1, 2)) > 1e-8).tolist()
    assert apart_by == [own > 0] * 2


@pytest.mark.parametrize("chains", [2, 3])
def test_samples_take_what_they_share_from_their_chain(prior, chains):
    """Two slices of four samples, computed together, in any part, and each alone: every chain goes its own way."""
    mask = torch.arange(16) % 2 == 0
    operator = sense_operator(torch.ones(2, 1, 16, 16, dtype=torch.complex64), mask)
    rng = torch.Generator().manual_seed(0)
    kspace = operator(torch.randn(2, 16, 16, dtype=torch.complex64, generator=rng))
    sampler = DiffPIR(levels=LEVELS, apart=2, chains=chains, start="zero-filled")
    method = Posterior(prior, sampler, 4)
    keys = [(0, "scan", slice_number, sample) for slice_number in range(2) for sample in range(4)]
    found = method.run(operator, kspace, 0.05, keys)
    assert prior.denoiser.seen == 2 * chains * (LEVELS - 2) + 8 * 2
    for item, key in enumerate(keys):
        one, y = operator.with_maps(operator.csm[:1], mask), kspace[item // 4 : item // 4 + 1]
        alone = replace(method, samples=1).run(one, y, 0.05, [key])
        torch.testing.assert_close(alone[0], found[item], atol=1e-4, rtol=1e-4)
        if key[3] < chains:  # the first chain is that of samples that share all
            all_one = replace(method, samples=1, sampler=replace(sampler, chains=None)).run(one, y, 0.05, [key])
            assert torch.allclose(all_one, alone, atol=1e-4) == (key[3] % chains == 0)
    # Without the last levels samples of a chain are one image, and those of others are others.
    shared = replace(method, sampler=replace(sampler, apart=0)).run(operator, kspace, 0.05, keys).unflatten(0, (2, 4))
    for a in range(4):
        for b in range(4):
            same = torch.allclose(shared[:, a], shared[:, b], atol=1e-6)
            assert same == (a % chains == b % chains)


def test_the_sampler_of_a_mean_of_four_calls_the_network_a_third_as_often():
    sampler = SAMPLERS["shared"]
    calls = sampler.levels - sampler.apart + 4 * sampler.apart
    assert calls <= 0.4 * 4 * SAMPLERS["diffpir"].levels
    assert sampler.parameters()["apart"] == 2 and "apart" not in SAMPLERS["diffpir"].parameters()
