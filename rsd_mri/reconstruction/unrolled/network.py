"""The unrolled network: a few calls of one denoiser, and a data step after each."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rsd_mri.networks import UNet, to_channels, to_complex
from rsd_mri.operators import Sense
from rsd_mri.operators.sense import compiled
from rsd_mri.protocol import NetworkSettings
from rsd_mri.reconstruction.classical.methods import total_variation
from rsd_mri.reconstruction.posterior.support import Window, whole_fields
from rsd_mri.reconstruction.unrolled.data_step import data_step

SHOWN = 3
"""Images a call is shown: the latest, what the network made of the one before, and the start."""
MAPS = 2
"""Maps a call gives beside its image: how far it is to be trusted, and the standard deviation after the data step."""
FEATURES = 7
"""Numbers that describe scan and call."""
TYPICAL_SIGMA = 0.02
"""Noise level [prepared units] at which the levels are those of the first column."""
SMALLEST_SIGMA = 0.002
START_ITERATIONS, START_DUAL_STEPS = 12, 2
"""Of total variation for the start: on slices of a real head a fifth of its time brings it to 0.1 to 2.5 dB of where it
ends."""


class Estimate(NamedTuple):
    """The posterior of an image as one call sees it, [item, (set,) readout, phase_encode]."""

    image: Tensor
    """Its mean."""
    std: Tensor
    """Root mean square magnitude of its error, real."""
    call: Tensor
    """What the network gave before the data step."""


class Unrolled(nn.Module):
    """From total variation, cut short: z_k, s_k = D(x_k, z_k-1, x_0), x_k+1 = mean of CN(z_k, s_k^2) given the data.

    One network for all calls, told the noise level of the call, the scan's noise and acceleration. With its first
    weights it is the package's denoiser at falling levels, without noise added: half-quadratic splitting (Zhang et al.
    2021, arXiv 2008.13751) of a few steps; training through the data steps (Aggarwal et al. 2019, arXiv 1712.02862)
    makes of it the posterior mean.

    Parameters
    ----------
    settings
        Of the network, a complex one.
    sigma_data
        Root mean square magnitude of the images.
    calls
        Network calls.
    first, last
        Noise levels of the first and last call before training [prepared units].
    width
        Trust of the data over that of the denoiser before training.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        sigma_data: float,
        calls: int,
        first: float = 0.1,
        last: float = 0.03,
        width: float = 1.5,
    ) -> None:
        super().__init__()
        self.network = UNet(settings, SHOWN, sampling_features=FEATURES, outputs=1, maps=MAPS)
        self.sigma_data, self.calls = sigma_data, calls
        start = torch.zeros(calls, 3)
        start[:, 0] = torch.linspace(math.log(first), math.log(last), calls)
        start[:, 1] = 0.5
        start[:, 2] = 0.3
        self.levels = nn.Parameter(start)
        """[call, 3]: ln of the noise level for 1, ln R / 4 and ln sigma / TYPICAL_SIGMA."""
        self.trust = nn.Parameter(torch.full((calls,), math.log(width)))
        """[call]: ln of how far its image is trusted, over the level."""
        self.spread = nn.Parameter(torch.full((calls,), math.log(0.4)))
        """[call]: ln of the standard deviation after the data step, over the level."""

    def forward(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: Tensor,
        iterations: int = 6,
        windows: Sequence[Window] | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> list[Estimate]:
        """Reconstruct.

        Parameters
        ----------
        operator
            A, one item of it for each of the k-space or one for all.
        kspace
            [item, coil, readout, phase_encode], prepared units.
        sigma
            [item]: its noise level.
        iterations
            Of conjugate gradients in each data step.
        windows
            Where the network looks, for each set of maps; everywhere where not given.
        progress
            Told the share done.

        Returns
        -------
        list of Estimate
            After each call, the best last.
        """
        sigma = sigma.clamp_min(SMALLEST_SIGMA)
        gram, adjoint_kspace = compiled(operator.gram), operator.adjoint(kspace)
        windows = whole_fields(operator.csm) if windows is None else windows
        axes = (-1, *(1,) * (adjoint_kspace.ndim - 1))
        precision = sigma.reshape(axes) ** -2
        with torch.no_grad():
            # Never stopped early: a slice does not depend on those beside it.
            start = total_variation(
                operator,
                kspace,
                sigma,
                iterations=START_ITERATIONS,
                tolerance=0.0,
                dual_steps=START_DUAL_STEPS,
                loops=True,
            )
            support = (operator.csm != 0).any(-3)
        facts = scan_facts(operator, sigma)
        terms = torch.stack([torch.ones_like(sigma), facts[:, 1], facts[:, 0]], 1)
        image, before = start, start
        found = []
        for call in range(self.calls):
            t = (terms @ self.levels[call]).exp()
            made, maps = self._call(call, t, facts, (image, before, start), windows)
            before = made * support
            level = t.reshape(axes)
            trust = level * (self.trust[call] + maps[0]).exp()
            image = data_step(gram, adjoint_kspace, precision, before, trust.square(), iterations)
            found.append(Estimate(image, level * (self.spread[call] + maps[1]).exp(), before))
            if progress is not None:
                progress((call + 1) / self.calls)
        return found

    def _call(
        self, call: int, t: Tensor, facts: Tensor, shown: tuple[Tensor, ...], windows: Sequence[Window]
    ) -> tuple[Tensor, list[Tensor]]:
        """One call: an image, and the logarithms of its two maps, for all sets."""
        one_set = shown[0].ndim == 3
        size = (shown[0].shape[-2], shown[0].shape[-1])
        asked = torch.cat([facts, facts.new_full((len(facts), 1), (call + 1) / self.calls)], 1)
        images, maps = [], []
        for number, window in enumerate(windows):
            parts = [window.cut(one if one_set else one[:, number]) for one in shown]
            image, beside = self._denoised(torch.stack(parts, 1), t, asked)
            images.append(window.paste(image, size))
            maps.append(window.paste(beside, size))
        if one_set:
            return images[0], [maps[0][:, i] for i in range(MAPS)]
        return torch.stack(images, 1), [torch.stack([one[:, i] for one in maps], 1) for i in range(MAPS)]

    def _denoised(self, shown: Tensor, t: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """D(u, t) = c_skip u + c_out F(c_in u, ln(t) / 4) of the first image shown, as `Denoiser` scales it."""
        data = self.sigma_data
        t = t[:, None, None]
        total = (t**2 + data**2).sqrt()
        out, maps = self.network.with_maps(to_channels(shown / total[:, None]), t[:, 0, 0].log() / 4, asked)
        image = shown[:, 0] * (data / total) ** 2 + to_complex(out)[:, 0] * (t * data / total)
        # Bounded: a wild map would stop the iterations of the data step.
        return image, 2.5 * torch.tanh(maps.float() / 2.5)


def scan_facts(operator: Sense, sigma: Tensor) -> Tensor:
    """Numbers that describe a scan, [item, FEATURES - 1].

    ln sigma / TYPICAL_SIGMA, ln R / 4, whether the pattern is of points, whether there are two sets, R of the lines
    (or points) near the edge over all, and the share of the centre.
    """
    mask = operator.cells[:, 0].float()
    n = len(sigma)
    rate = 1 / mask.mean((1, 2)).clamp_min(1e-3)
    middle = mask.shape[-1] // 2
    near = mask[..., middle - max(middle // 8, 1) : middle + max(middle // 8, 1)].mean((1, 2))
    points = mask.new_full((len(mask),), float(mask.shape[1] > 1))
    sets = mask.new_full((len(mask),), float(operator.csm.ndim == 5))
    width = mask.new_full((len(mask),), math.log(mask.shape[-1] / 192))
    values = torch.stack([(rate / 4).log(), points, sets, near, width], 1).expand(n, -1)
    return torch.cat([(sigma / TYPICAL_SIGMA).log()[:, None], values], 1)


def start_weights(model: Unrolled, denoiser: dict[str, Tensor]) -> None:
    """Begin as a denoiser of whole images: what is new is shown to no layer yet.

    Parameters
    ----------
    model
        Untrained.
    denoiser
        State of a `Denoiser` whose network has the same settings.
    """
    own = model.network.state_dict()
    for name, value in denoiser.items():
        name = name.removeprefix("network.")
        if name not in own:
            continue
        target = own[name]
        if target.shape != value.shape:
            # First layers: further images and features come after those that the denoiser knew.
            widened = torch.zeros_like(target)
            widened[:, : value.shape[1]] = value
            value = widened
        own[name] = value
    model.network.load_state_dict(own)
