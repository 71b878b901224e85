"""The denoiser: a network inside the EDM preconditioning."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rsd_mri.networks import UNet, to_channels, to_complex
from rsd_mri.operators.linear_operator import require_rank

USUAL_MAGNITUDE = 0.35
"""Of prepared images, root mean square: for a network that is built before its data are known."""


@dataclass(frozen=True)
class Condition:
    """What a denoiser is told about the corruption, beside the image itself."""

    mask: Tensor | None = None
    """[batch, condition_channels, y, x]: an image-sized mask."""
    sampling: Tensor | None = None
    """[batch, sampling_features]: a description of the sampling of k-space."""

    def joined(self, other: "Condition") -> "Condition":
        """The conditions of a batch and of another after it."""
        return Condition(_joined(self.mask, other.mask), _joined(self.sampling, other.sampling))

    def __getitem__(self, items: Tensor | slice) -> "Condition":
        return Condition(
            None if self.mask is None else self.mask[items],
            None if self.sampling is None else self.sampling[items],
        )


def _joined(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return None if a is None or b is None else torch.cat([a, b])


class Denoiser(nn.Module):
    """D(u, t) = c_skip u + c_out F(c_in u, ln(t)/4), Karras et al. 2022 (arXiv 2206.00364), table 1.

    c_out is the error that is left to the network: that of Karras et al. for the noise, and `sigma_hidden` for what the
    corruption hides, at every noise level. Without it the network would have to give outputs that grow as 1 / t to
    fill what is hidden, and the loss would count little but the lowest levels.

    `u` is what the network sees of the noisy image: the image itself, or W A~^H A~ of it. The skip path is
    taken from `u` as well: noise of the unmeasured subspace must not reach the output, since no loss on
    measurements could remove it.

    Images are complex [batch, y, x] for a complex network of one channel and real [batch, channel, y, x]
    otherwise; a real network of two channels also takes complex images. Noise levels count the whole
    complex number: E|n|^2 = t^2.

    Parameters
    ----------
    network
        The U-Net.
    sigma_data
        Root mean square magnitude of the images.
    sigma_hidden
        Root mean square magnitude of what the network is not shown of them; 0 where it sees whole images.
    """

    def __init__(self, network: UNet, sigma_data: float, sigma_hidden: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data
        self.sigma_hidden = sigma_hidden
        self.autocast_to: torch.dtype | None = None
        """bfloat16 or float16: what the network alone computes in (autocast); scaling and physics never do."""

    def forward(self, u: Tensor, sigma: Tensor, condition: Condition | None = None) -> Tensor:
        """Estimate the clean image.

        Parameters
        ----------
        u
            Noisy image.
        sigma
            [batch] noise level.
        condition
            Where the network was built for one.

        Raises
        ------
        ValueError
            If the image has other axes than those of the class, as two sets of maps give it.
        """
        condition = condition or Condition()
        scaled = self._scaled(u, sigma)
        with self._precision(u):
            out = self.network(scaled, sigma.log() / 4, condition.mask, condition.sampling)
        return self._estimate(u, sigma, out)

    def with_deepest(
        self, u: Tensor, sigma: Tensor, condition: Condition | None = None, count: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Estimate the first `count` clean images (all without it), and return the network's deepest features of all.

        Parameters
        ----------
        u, sigma, condition
            As for `forward`.
        count
            Of the images to estimate.

        Returns
        -------
        Tensor, Tensor
            Estimates; features [batch, feature, y, x].
        """
        condition = condition or Condition()
        scaled = self._scaled(u, sigma)
        with self._precision(u):
            encoded = self.network.encode(scaled, sigma.log() / 4, condition.mask, condition.sampling)
            out = self.network.decode(encoded[:count], scaled)
        return self._estimate(u[:count], sigma[:count], out), encoded.deepest

    def _precision(self, u: Tensor) -> AbstractContextManager[object]:
        return torch.autocast(u.device.type, self.autocast_to) if self.autocast_to is not None else nullcontext()

    def _scaled(self, u: Tensor, sigma: Tensor) -> Tensor:
        """Real storage of the image at unit magnitude: c_in u."""
        if u.is_complex():
            require_rank(u, 3, "batch, y, x", "a denoiser of complex images")
        else:
            require_rank(u, 4, "batch, channel, y, x", "a denoiser of real images")
        scaled = u * expand(1 / self._magnitude(sigma), u)
        return to_channels(scaled[:, None]) if u.is_complex() else scaled

    def _magnitude(self, sigma: Tensor) -> Tensor:
        """Of noisy images, root mean square."""
        return (sigma**2 + self.sigma_data**2).sqrt()

    def _estimate(self, u: Tensor, sigma: Tensor, out: Tensor) -> Tensor:
        """c_skip u + c_out F."""
        c_skip = self.sigma_data**2 / self._magnitude(sigma) ** 2
        c_out = loss_weight(sigma, self.sigma_data, self.sigma_hidden).rsqrt()
        predicted = to_complex(out)[:, 0] if u.is_complex() else out.to(u.dtype)
        return u * expand(c_skip, u) + predicted * expand(c_out, u)


def loss_weight(sigma: Tensor, sigma_data: float, sigma_hidden: float = 0.0) -> Tensor:
    """1 / c_out^2, which makes every noise level count the same at the start.

    EDM's (t^2 + sd^2) / (t sd)^2 where nothing is hidden.
    """
    return 1 / ((sigma * sigma_data) ** 2 / (sigma**2 + sigma_data**2) + sigma_hidden**2)


def squared(x: Tensor) -> Tensor:
    """|x|^2 per element, real."""
    return x.real.square() + x.imag.square() if x.is_complex() else x.square()


def per_item_mean(x: Tensor) -> Tensor:
    """Mean over everything but the batch."""
    return x.flatten(1).mean(dim=1)


def expand(values: Tensor, like: Tensor) -> Tensor:
    """Give [batch] values the axes of `like`."""
    return values.to(like.device).reshape(-1, *(1,) * (like.ndim - 1))
