"""Preconditioning, noise levels and the Heun sampler against closed forms."""

import math

import pytest
import torch
from scipy import stats

from rsd_mri.diffusion import Denoiser, heun, multistep
from rsd_mri.diffusion.denoiser import loss_weight
from rsd_mri.diffusion.noise_levels import distillation_levels, geometric, karras, log_normal
from rsd_mri.networks import UNet
from rsd_mri.protocol import NetworkSettings


def small(field="complex"):
    torch.manual_seed(0)
    channels = 1 if field == "complex" else 2
    return Denoiser(UNet(NetworkSettings(field=field, channels=8, multipliers=(1, 2)), channels=channels), 0.5)


def test_untrained_denoiser_is_the_wiener_filter_of_white_images():
    """With the network silent only c_skip is left: sd^2 / (t^2 + sd^2)."""
    denoiser = small()
    with torch.no_grad():
        denoiser.network.last.real.zero_()
        denoiser.network.last.imag.zero_()
    u = torch.randn(3, 8, 9, dtype=torch.complex64)
    t = torch.tensor([0.1, 0.5, 3.0])
    assert torch.allclose(denoiser(u, t), u * (0.25 / (t**2 + 0.25))[:, None, None])


def test_what_is_hidden_needs_no_larger_outputs_at_lower_noise():
    """c_out is the error of the best linear guess: of the noise in what is seen, and of what is hidden."""
    sd, hidden = 0.5, 0.2
    t = torch.tensor([1e-4, 0.5, 100.0])
    found = loss_weight(t, sd, hidden).rsqrt()
    noise = torch.tensor([1e-4, 0.5 / 2**0.5, 0.5])  # of a Gaussian of power sd^2, given itself with noise t
    assert torch.allclose(found, (noise**2 + hidden**2).sqrt(), rtol=1e-3)
    u = torch.randn(3, 8, 9, dtype=torch.complex64)
    outputs = []
    for part in (hidden, 0.0):
        denoiser = Denoiser(small().network, sd, part)
        shrunk = u * (sd**2 / (t**2 + sd**2))[:, None, None]
        outputs.append((denoiser(u, t) - shrunk).abs().mean((1, 2)))
    assert torch.allclose(outputs[0] / outputs[1], found / noise, rtol=0.01)


@pytest.mark.parametrize("field", ["complex", "real"])
def test_complex_images_in_either_field(field):
    out = small(field)(torch.randn(2, 9, 8, dtype=torch.complex64), torch.ones(2))
    assert out.shape == (2, 9, 8)
    assert out.dtype == torch.complex64


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2, 2, 9, 8), torch.complex64), ((9, 8), torch.complex64), ((2, 9, 8), torch.float32)]
)
def test_images_of_other_axes_are_refused_with_those_expected(shape, dtype):
    """Two sets of maps have an axis more; a single image has one less."""
    with pytest.raises(ValueError, match=r"images expects . axes \[batch, "):
        small()(torch.ones(shape, dtype=dtype), torch.ones(shape[0]))


def test_karras_levels():
    levels = karras(18, 0.002, 80.0)
    assert levels[0] == pytest.approx(80.0)
    assert levels[-1] == pytest.approx(0.002)
    middle = (0.5 * (80 ** (1 / 7) + 0.002 ** (1 / 7))) ** 7
    assert karras(3, 0.002, 80.0)[1] == pytest.approx(middle)
    assert geometric(3, 0.01, 1.0).tolist() == pytest.approx([1.0, 0.1, 0.01])


def test_distillation_levels_match_the_published_shares():
    """t in [0.002, 24.4], of which 26, 33 and 40 % lie below 0.1, 0.2 and 0.4."""
    t = distillation_levels(torch.linspace(0, 1, 20001)[:-1], 800)
    assert t.min() == pytest.approx(0.002, rel=1e-3)
    assert t.max() == pytest.approx(24.4, rel=2e-3)
    for level, share in ((0.1, 0.26), (0.2, 0.33), (0.4, 0.40)):
        assert (t < level).float().mean() == pytest.approx(share, abs=0.01)


def test_truncated_log_normal_against_scipy():
    uniform = torch.rand(20000, generator=torch.Generator().manual_seed(0))
    t = log_normal(uniform, -1.2, 1.2, torch.full((20000,), 0.2))
    assert t.min() >= 0.2
    assert (t == 0.2).float().mean() < 1e-3  # truncated, not clamped
    law = stats.truncnorm((math.log(0.2) + 1.2) / 1.2, math.inf, loc=-1.2, scale=1.2)
    assert stats.kstest(t.log().numpy(), law.cdf).pvalue > 1e-3


def test_heun_transports_a_gaussian_to_a_gaussian():
    """For images CN(0, c^2) the flow from t_max to 0 is linear: x_0 = x_T c / sqrt(c^2 + T^2)."""
    c = 0.7
    noise = torch.randn(4, 5, 5, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    levels = karras(200, 0.002, 80.0)
    calls = []

    def denoise(x, t):
        calls.append(len(x))
        return x * (c**2 / (c**2 + t[0] ** 2))

    out = heun(denoise, noise, levels)
    assert len(calls) == 2 * 200 - 1
    expected = noise * 80.0 * c / math.sqrt(c**2 + 80.0**2)
    assert (out - expected).abs().max() < 2e-3 * expected.abs().max()


def _off_the_flow(solver, steps):
    """Relative distance from the flow's end, of an image of two sizes of part, and the calls that it took."""
    c = torch.tensor([0.2, 0.9], dtype=torch.float64)
    calls = []

    def denoise(x, t):
        calls.append(len(x))
        return x * (c**2 / (c**2 + t[0] ** 2))

    noise = torch.ones(1, 2, dtype=torch.float64)
    expected = 80.0 * c / (c**2 + 80.0**2).sqrt()
    out = solver(denoise, noise, karras(steps, 1e-4, 80.0))
    return float((out / expected - 1).abs().max()), len(calls)


def test_multistep_is_of_second_order_in_half_the_calls_of_heun():
    errors = [_off_the_flow(multistep, steps)[0] for steps in (20, 40, 80)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.3)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.3)
    for steps in (18, 40):
        (once, calls), (twice, more) = _off_the_flow(multistep, steps), _off_the_flow(heun, steps)
        assert (calls, more) == (steps, 2 * steps - 1)
        assert once < 1.5 * twice


@pytest.mark.parametrize("solver", [heun, multistep])
def test_truncated_sampling_stops_at_a_standard_deviation(solver):
    seen = []

    def denoise(x, t):
        seen.append(float(t[0]))
        return 0 * x

    solver(denoise, torch.zeros(1, 2, 2), torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5]), stop_at=1.5)
    assert min(seen) == 2.0
