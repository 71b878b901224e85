"""The U-Net of teacher, fake score and generator: one definition, complex or real field."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rsd_mri.networks.activations import ComplexNormAct, RealNormAct, takes_apart
from rsd_mri.networks.layers import Attention, ComplexConv2d, GatedConv2d, RealConv2d, joined
from rsd_mri.protocol import NetworkSettings

NOISE_FREQUENCIES = 16


class UNet(nn.Module):
    """Residual U-Net conditioned on the noise level and on what was sampled.

    It knows nothing of noise scaling: `rsd_mri.diffusion.Denoiser` wraps it.

    Parameters
    ----------
    settings
        Widths, blocks, field.
    channels
        Channels of the image; complex ones in a complex network.
    condition_channels
        Channels of an image-sized condition (the mask of an inpainting problem), 0 for none. A real
        network sees them beside the image; in a complex one they multiply the first features, since adding
        them would break the phase equivariance.
    sampling_features
        Length of the vector that describes the sampling of k-space (`corruption.sampling_features`), 0 for
        none; it joins the noise-level embedding.
    outputs
        Channels of what is predicted; those of the image where not given.
    maps
        Real maps that are predicted beside the image, from the magnitudes of the last features: `with_maps` gives
        them. A global phase of the input does not change them.
    checkpointing
        Compute the blocks once more in the backward pass instead of keeping their features: less memory, about a
        third more time, the same gradients. Also an attribute, which may be changed at any time.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        channels: int = 1,
        condition_channels: int = 0,
        sampling_features: int = 0,
        *,
        outputs: int | None = None,
        maps: int = 0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.settings = settings
        self.is_complex = settings.field == "complex"
        self.channels = channels
        self.condition_channels = condition_channels
        self.sampling_features = sampling_features
        plain = ComplexConv2d if self.is_complex else RealConv2d
        self._conv = partial(GatedConv2d, is_complex=self.is_complex) if settings.gated else plain
        widths = [settings.channels * m for m in settings.multipliers]
        embedding = 4 * settings.channels
        self.noise_embedding = nn.Sequential(
            nn.Linear(2 * NOISE_FREQUENCIES + sampling_features, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
            nn.SiLU(),
        )
        folded = settings.fold**2
        first = channels if self.is_complex else channels + condition_channels
        self.first = plain(first * folded, widths[0])
        self.condition_gain = (
            nn.Conv2d(condition_channels * folded, widths[0], 3, padding=1)
            if self.is_complex and condition_channels
            else None
        )
        block = partial(self._block, embedding)
        self.down = nn.ModuleList()
        skips = [widths[0]]
        width = widths[0]
        for level, wanted in enumerate(widths):
            for _ in range(settings.blocks):
                self.down.append(block(width, wanted, level))
                width = wanted
                skips.append(width)
            if level + 1 < len(widths):
                self.down.append(Downsample())
                skips.append(width)
        self.middle = block(width, width, len(widths) - 1)
        self.up = nn.ModuleList()
        for level, wanted in reversed(list(enumerate(widths))):
            for _ in range(settings.blocks + 1):
                self.up.append(block(width + skips.pop(), wanted, level))
                width = wanted
            if level:
                self.up.append(Upsample())
        self.last_act = (ComplexNormAct if self.is_complex else RealNormAct)(width)
        self.last = plain(width, (outputs or channels) * folded, gain=1e-4)
        self.maps = RealConv2d(width, maps * folded, gain=1e-4) if maps else None

    def _block(self, embedding: int, inputs: int, outputs: int, level: int) -> "Block":
        attends = level in self.settings.attention
        return Block(inputs, outputs, embedding, self._conv, self.is_complex, self.settings.dropout, attends)

    def forward(
        self, x: Tensor, noise: Tensor, condition: Tensor | None = None, sampling: Tensor | None = None
    ) -> Tensor:
        """Predict from a scaled noisy image.

        The parameters are those of `features`.
        """
        h = self.features(x, noise, condition, sampling)
        return self._unfolded(self.last(h), x)

    def with_maps(self, x: Tensor, noise: Tensor, sampling: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Predict the image and the real maps beside it, [batch, map, y, x]."""
        if self.maps is None:
            raise ValueError("this network predicts no maps")
        h = self.features(x, noise, None, sampling)
        size = h
        if self.is_complex:
            real, imag = h.float().chunk(2, dim=1)
            size = (1 + real.square() + imag.square()).log()
        return self._unfolded(self.last(h), x), self._unfolded(self.maps(size), x)

    def _unfolded(self, h: Tensor, like: Tensor) -> Tensor:
        return F.pixel_shuffle(h, self.settings.fold)[..., : like.shape[-2], : like.shape[-1]]

    def features(
        self, x: Tensor, noise: Tensor, condition: Tensor | None = None, sampling: Tensor | None = None
    ) -> Tensor:
        """Last features, normalised, on folded pixels.

        The parameters are those of `encode`.
        """
        return self._decode(self.encode(x, noise, condition, sampling))

    def encode(
        self, x: Tensor, noise: Tensor, condition: Tensor | None = None, sampling: Tensor | None = None
    ) -> "Encoded":
        """What the descending half makes of an image.

        Parameters
        ----------
        x
            Real storage of the image: [batch, channel or 2 channel, y, x], any size.
        noise
            [batch], the noise-level coordinate (ln(sigma) / 4).
        condition
            [batch, condition_channels, y, x], where the network was built for one.
        sampling
            [batch, sampling_features], where the network was built for them.
        """
        height, width = x.shape[-2:]
        fold = self.settings.fold
        step = fold * 2 ** (len(self.settings.multipliers) - 1)
        pad = (0, -width % step, 0, -height % step)
        angles = noise[:, None].float() * torch.exp(
            torch.linspace(0, math.log(64.0), NOISE_FREQUENCIES, device=x.device)
        )
        features = [angles.cos(), angles.sin()]
        if self.sampling_features:
            if sampling is None:
                raise ValueError("this network is conditioned on the sampling; give sampling")
            features.append(sampling.float())
        embedded = self.noise_embedding(torch.cat(features, dim=1))
        if self.condition_channels:
            if condition is None:
                raise ValueError("this network is conditioned on a mask; give condition")
            condition = F.pixel_unshuffle(F.pad(condition.to(x.dtype), pad), fold)
        # Real parts stay first: a channel's pixels become neighbouring channels.
        h = F.pixel_unshuffle(F.pad(x, pad), fold)
        # The layout of matrix units, and of the quickest convolutions of processors; every layer keeps it.
        if h.is_cuda or not (torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")):
            h = h.contiguous(memory_format=torch.channels_last)
        if self.condition_gain is not None:
            h = self.first(h) * (1 + self.condition_gain(condition).repeat(1, 2, 1, 1))
        elif condition is not None and self.condition_channels:
            h = self.first(torch.cat([h, condition], dim=1))
        else:
            h = self.first(h)
        run = self._layers()
        skips = [h]
        for layer in self.down:
            h = run(layer, embedded, h)
            skips.append(h)
        return Encoded(run(self.middle, embedded, h), tuple(skips), embedded)

    def decode(self, encoded: "Encoded", like: Tensor) -> Tensor:
        """Predict from what `encode` made of images of the size of `like`."""
        return self._unfolded(self.last(self._decode(encoded)), like)

    def _decode(self, encoded: "Encoded") -> Tensor:
        h, skips, embedded = encoded.deepest, list(encoded.skips), encoded.embedded
        run = self._layers()
        for layer in self.up:
            h = run(layer, embedded, h) if isinstance(layer, Upsample) else run(layer, embedded, h, skips.pop())
        last: Tensor = self.last_act(h)
        return last

    def _layers(self) -> Callable[..., Tensor]:
        """Run one layer; its intermediate values are kept for the gradient, or made again."""
        if self.checkpointing and torch.is_grad_enabled():
            return partial(checkpoint, self._run, use_reentrant=False)
        return self._run

    def _run(self, layer: nn.Module, embedded: Tensor, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """One layer; joining the skip here lets a checkpoint keep the parts, which others keep too."""
        out: Tensor = layer(x, embedded) if skip is None else layer(x, embedded, skip)
        return out


@dataclass(frozen=True)
class Encoded:
    """The descending half's view of a batch of images."""

    deepest: Tensor
    """[batch, feature, y, x] at the lowest resolution."""
    skips: tuple[Tensor, ...]
    """Features kept for the ascending half, in the order they were made."""
    embedded: Tensor
    """[batch, embedding] of noise level and sampling."""

    def __getitem__(self, items: slice) -> "Encoded":
        return Encoded(self.deepest[items], tuple(skip[items] for skip in self.skips), self.embedded[items])


class Downsample(nn.Module):
    """Halve the resolution by averaging 2x2 pixels."""

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:  # noqa: ARG002 - the layers' common call
        """[batch, channel, y, x] to [batch, channel, y / 2, x / 2]."""
        return F.avg_pool2d(x, 2)


class Upsample(nn.Module):
    """Double the resolution by repeating pixels; the convolutions after it smooth them."""

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:  # noqa: ARG002
        """[batch, channel, y, x] to [batch, channel, 2 y, 2 x]."""
        return F.interpolate(x, scale_factor=2, mode="nearest")


class Block(nn.Module):
    """Residual block: norm, nonlinearity, convolution, twice; the embedding scales the second norm."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        embedding: int,
        conv: "partial[GatedConv2d] | type[ComplexConv2d] | type[RealConv2d]",
        is_complex: bool,
        dropout: float,
        attends: bool,
    ) -> None:
        super().__init__()
        act = ComplexNormAct if is_complex else RealNormAct
        self.is_complex = is_complex
        self.act1, self.conv1, self.act2 = act(inputs), conv(inputs, outputs), act(outputs)
        self.conv2 = conv(outputs, outputs, gain=0.1)
        self.scale = nn.Linear(embedding, outputs)
        nn.init.zeros_(self.scale.weight)
        nn.init.zeros_(self.scale.bias)
        plain = ComplexConv2d if is_complex else RealConv2d
        self.skip = plain(inputs, outputs, 1) if inputs != outputs else None
        self.dropout = ChannelDropout(dropout, is_complex) if dropout else None
        self.attention = Attention(outputs, is_complex) if attends else None

    def forward(self, x: Tensor, embedded: Tensor, beside: Tensor | None = None) -> Tensor:
        """Same spatial size; channels from inputs, the last of which may lie `beside` the others, to outputs."""
        parts = (x,) if beside is None else (x, beside)
        # Maps of inference that nothing but norm, gate and a product of matrices reads need not be joined.
        apart = self.is_complex and isinstance(self.skip, ComplexConv2d) and takes_apart(*parts)
        if beside is not None and not apart:
            x, beside = joined(x, beside, self.is_complex), None
        h: Tensor = self.conv1(self.act1(x) if beside is None else self.act1(x, None, beside))
        h = self.act2(h, 1 + self.scale(embedded))
        if self.dropout is not None:
            h = self.dropout(h)
        if isinstance(self.skip, ComplexConv2d) and apart:
            out: Tensor = self.skip.add_to(self.conv2(h).contiguous(memory_format=torch.channels_last), *parts)
        else:
            out = self.conv2(h, x if self.skip is None else self.skip(x))
        return out if self.attention is None else cast(Tensor, self.attention(out))


class ChannelDropout(nn.Module):
    """Dropout of single features; a complex feature is dropped with both its parts."""

    def __init__(self, share: float, is_complex: bool) -> None:
        super().__init__()
        self.share = share
        self.is_complex = is_complex

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share of the features in training, scale the others up."""
        if not self.training:
            return x
        shape = list(x.shape)
        if self.is_complex:
            shape[1] //= 2
        keep = (torch.rand(shape, device=x.device) >= self.share).to(x.dtype) / (1 - self.share)
        return x * (keep.repeat(1, 2, 1, 1) if self.is_complex else keep)
