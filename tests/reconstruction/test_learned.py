"""How samplers use a prior: orientations of the image in turn, a data step that knows the acceleration."""

from pathlib import Path

import pytest
import torch

from rsd_mri.operators import sense_operator
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import WHOLE_IMAGES, Prior
from rsd_mri.protocol import Protocol
from rsd_mri.reconstruction.posterior.restorers import restorer_of
from rsd_mri.reconstruction.posterior_method import width_of


class Right(torch.nn.Module):
    """Moves every pixel one to the right: as unlike its mirror image as can be."""

    def forward(self, x, t, condition):
        return torch.roll(x, 1, -1)


def neighbours(x):
    return sum(torch.roll(x, shift, axis) for shift in (1, -1) for axis in (-2, -1)) / 4


def test_errors_of_a_lopsided_network_average_out_over_eight_steps():
    prior = Prior(Right(), "denoiser", WHOLE_IMAGES, Protocol(), Card(), Path("x"), "0" * 64)
    rng = torch.Generator().manual_seed(0)
    for shape in ((1, 1, 3, 12, 9), (1, 2, 3, 8, 11)):
        csm = torch.randn(*shape, dtype=torch.complex64, generator=rng)
        operator = sense_operator(csm if shape[1] == 2 else csm[:, 0], torch.ones(shape[-1], dtype=torch.bool))
        image = torch.randn(2, *shape[1:2], *shape[-2:], dtype=torch.complex64, generator=rng)
        image = image if shape[1] == 2 else image[:, 0]
        denoise = restorer_of(prior, operator, [("a",), ("b",)]).denoise
        seen = [denoise(image, torch.full((2,), 0.1), step) for step in range(8)]
        assert torch.allclose(sum(seen) / 8, neighbours(image), atol=1e-5)
        assert torch.equal(seen[0], torch.roll(image, 1, -1))
        assert not torch.allclose(seen[1], seen[0])


@pytest.mark.parametrize(
    ("every", "sigma", "width"),
    [(1, 0.0, 1.0), (2, 0.0, 1.0), (2, 0.01, 1.25), (2, 0.02, 1.5), (1, 0.1, 1.5), (3, 0.01, 1.5), (6, 0.1, 2.0)],
)
def test_width_of_the_data_step_is_half_the_acceleration_or_what_noise_asks_for(every, sigma, width):
    csm = torch.ones(1, 2, 8, 24, dtype=torch.complex64)
    operator = sense_operator(csm, torch.arange(24) % every == 0)
    assert width_of(operator, sigma) == pytest.approx(width)
    several = width_of(operator, torch.tensor([sigma, 0.03], dtype=torch.float64))
    assert several.tolist() == pytest.approx([width, width_of(operator, 0.03)])
