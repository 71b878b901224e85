"""Layers for complex and for real feature maps.

A complex feature map of C channels is stored as 2C real ones, real parts first. One real convolution with
the block weight [[Wr, -Wi], [Wi, Wr]] is then the complex convolution; it costs the multiplications of the
real layer of 2C channels, has half its parameters, and runs wherever real convolutions run (bf16, MPS).

Every complex layer f commutes with a global phase, f(e^{ia} x) = e^{ia} f(x): convolutions have no bias,
the normalisation divides by a magnitude, the nonlinearity multiplies by a function of the magnitude.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def to_channels(image: Tensor) -> Tensor:
    """Complex [batch, channel, ...] to its real storage [batch, 2 channel, ...]."""
    return torch.cat([image.real, image.imag], dim=1)


def to_complex(channels: Tensor) -> Tensor:
    """Inverse of `to_channels`; always complex64 or complex128, whatever the network's precision."""
    wide = channels if channels.dtype == torch.float64 else channels.float()
    real, imag = wide.chunk(2, dim=1)
    return torch.complex(real.contiguous(), imag.contiguous())


class ComplexConv2d(nn.Module):
    """Complex 2-D convolution without bias, same size.

    Initialised as Trabelsi et al. 2018 (arXiv 1705.09792, sec. 3.6): E|W|^2 = gain / fan_in.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = 1.0) -> None:
        super().__init__()
        std = math.sqrt(gain / (2 * inputs * kernel**2))
        self.real = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * std)
        self.imag = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * std)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, 2 inputs, y, x] to [batch, 2 outputs, y, x]."""
        top = torch.cat([self.real, -self.imag], dim=1)
        bottom = torch.cat([self.imag, self.real], dim=1)
        weight = torch.cat([top, bottom], dim=0)
        return F.conv2d(x, weight, padding=self.real.shape[-1] // 2)


class RealConv2d(nn.Conv2d):
    """Real 2-D convolution with bias, same size."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = 1.0) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.normal_(self.weight, std=math.sqrt(gain / (inputs * kernel**2)))
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]


class ComplexGroupNorm(nn.Module):
    """Divide each group of channels by its root mean square magnitude; no mean is taken out.

    Subtracting the mean would commute with a global phase too, but would remove the smooth image that
    carries the contrast.
    """

    def __init__(self, channels: int, groups: int = 8, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups = math.gcd(groups, channels)
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(channels))

    def factor(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """What each channel is multiplied by, [batch, channel] float32."""
        batch, stored = x.shape[:2]
        channels = stored // 2
        grouped = x.reshape(batch, 2, self.groups, -1)
        power = 2 * grouped.float().square().mean(dim=(1, 3))  # E|x|^2, [batch, group]
        factor = torch.rsqrt(power + self.eps).repeat_interleave(channels // self.groups, dim=1) * self.gain
        return factor if scale is None else factor * scale

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Normalise; `scale` [batch, channel] multiplies the learned gain."""
        return x * self.factor(x, scale).to(x.dtype).repeat(1, 2)[:, :, None, None]


class RealGroupNorm(nn.GroupNorm):
    """Group normalisation with the same call as `ComplexGroupNorm`."""

    def __init__(self, channels: int, groups: int = 8, eps: float = 1e-5) -> None:
        super().__init__(math.gcd(groups, channels), channels, eps)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Normalise; `scale` [batch, channel] multiplies."""
        out = super().forward(x)
        return out if scale is None else out * scale.to(out.dtype)[:, :, None, None]


class MagnitudeGate(nn.Module):
    """z -> z sigmoid(a |z|^2 / (1 + |z|^2)^(1/2) + b) with learned a, b per channel.

    Smooth at zero, close to the identity for large magnitudes where a > 0; the complex counterpart of SiLU.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels,), 2.0))
        self.offset = nn.Parameter(torch.full((channels,), -1.0))

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        """Apply to [batch, 2 channel, y, x], after multiplying channels by `factor` [batch, channel]."""
        if factor is None:
            factor = x.new_ones(x.shape[0], x.shape[1] // 2, dtype=torch.float32)
        return _Gate.apply(x, factor.to(x.dtype), self.slope.to(x.dtype), self.offset.to(x.dtype))


class _Gate(torch.autograd.Function):
    """out = x k with k = f sigmoid(a s + b), s = q (1 + q)^(-1/2), q = f^2 |x|^2, in few passes over memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
        batch, stored, *size = x.shape
        pair = x.reshape(batch, 2, stored // 2, *size)
        f, a, b = factor[:, :, None, None], slope[:, None, None], offset[:, None, None]
        q = pair[:, 0].square().addcmul_(pair[:, 1], pair[:, 1]).mul_(f.square())
        gate = torch.rsqrt(1 + q).mul_(q).mul_(a).add_(b).sigmoid_()
        ctx.save_for_backward(x, factor, slope, offset)
        return pair.mul((gate.mul_(f))[:, None]).reshape(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, factor, slope, offset = ctx.saved_tensors
        batch, stored, *size = x.shape
        pair, out = x.reshape(batch, 2, stored // 2, *size), grad.reshape(batch, 2, stored // 2, *size)
        f, a, b = factor[:, :, None, None], slope[:, None, None], offset[:, None, None]
        power = pair[:, 0].square().addcmul_(pair[:, 1], pair[:, 1])
        q = power * f.square()
        root = torch.rsqrt(1 + q)
        s = q * root
        gate = (s * a).add_(b).sigmoid_()
        along = (pair[:, 0] * out[:, 0]).addcmul_(pair[:, 1], out[:, 1])  # d loss / d k
        inner = (1 - gate).mul_(gate).mul_(along).mul_(f)  # d loss / d (a s + b)
        d_offset = inner.sum((0, 2, 3))
        d_slope = (inner * s).sum((0, 2, 3))
        inner.mul_(a).mul_(root.pow(3)).mul_(q.mul_(0.5).add_(1))  # d loss / d q
        d_factor = along.mul_(gate).addcmul_(inner * power, 2 * f).sum((2, 3))
        grad_x = out.mul(gate.mul_(f)[:, None]).addcmul_(pair, (inner.mul_(2 * f.square()))[:, None])
        return grad_x.reshape(x.shape), d_factor, d_slope, d_offset


class ComplexNormAct(nn.Module):
    """`ComplexGroupNorm`, then `MagnitudeGate`, fused."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ComplexGroupNorm(channels)
        self.gate = MagnitudeGate(channels)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Normalise and gate; `scale` [batch, channel] multiplies the norm's gain."""
        return self.gate(x, self.norm.factor(x, scale))


class RealNormAct(nn.Module):
    """Group normalisation, then SiLU; the same call as `ComplexNormAct`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RealGroupNorm(channels)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Normalise and apply SiLU; `scale` [batch, channel] multiplies in between."""
        return F.silu(self.norm(x, scale))


class Attention(nn.Module):
    """Self-attention over pixels, one head; for complex features the weights come from Re(q^H k).

    Stored as real channels, Re(q^H k) is the plain inner product, so one definition serves both fields.
    """

    def __init__(self, channels: int, is_complex: bool) -> None:
        super().__init__()
        conv = ComplexConv2d if is_complex else RealConv2d
        norm = ComplexGroupNorm if is_complex else RealGroupNorm
        self.norm = norm(channels)
        self.query = conv(channels, channels, 1)
        self.key = conv(channels, channels, 1)
        self.value = conv(channels, channels, 1)
        self.out = conv(channels, channels, 1, gain=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Add the attended values to x."""
        h = self.norm(x)
        q, k, v = (f(h).flatten(2).transpose(1, 2) for f in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(attended.transpose(1, 2).reshape(x.shape))


class GatedConv2d(nn.Module):
    """Convolution times a learned gate between 0 and 1 (Yu et al. 2019, arXiv 1806.03589).

    In the complex field the gate is computed from the squared magnitudes of the input.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = 1.0, *, is_complex: bool) -> None:
        super().__init__()
        self.is_complex = is_complex
        self.features = (ComplexConv2d if is_complex else RealConv2d)(inputs, outputs, kernel, gain)
        self.gate = RealConv2d(inputs, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Same shapes as the convolution."""
        if not self.is_complex:
            return self.features(x) * torch.sigmoid(self.gate(x))
        real, imag = x.chunk(2, dim=1)
        power = real * real + imag * imag
        gate = torch.sigmoid(self.gate(power * torch.rsqrt(1 + power)))
        return self.features(x) * gate.repeat(1, 2, 1, 1)
