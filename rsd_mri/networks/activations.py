"""Normalisation and nonlinearity of complex and of real feature maps.

Both complex ones commute with a global phase: the norm divides by a magnitude, the gate multiplies by a function
of the magnitude.
"""

import math
from functools import lru_cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rsd_mri.networks import winograd
from rsd_mri.networks.lanes import LANES


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

    def scaled_gain(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return the learned gain times `scale`, [batch, channel]."""
        return self.gain.expand(len(x), -1) if scale is None else self.gain * scale

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Normalise; `scale` [batch, channel] multiplies the learned gain."""
        pair = _wide(x.unflatten(1, (2, -1)))
        factor = _inverse_rms(pair.square().sum(dim=1), self.groups, self.eps) * self.scaled_gain(x, scale)
        return (pair * factor[:, None, :, None, None]).flatten(1, 2).to(x.dtype)


class RealGroupNorm(nn.GroupNorm):
    """Group normalisation with the same call as `ComplexGroupNorm`."""

    def __init__(self, channels: int, groups: int = 8, eps: float = 1e-5) -> None:
        super().__init__(math.gcd(groups, channels), channels, eps)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
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

    def forward(self, x: Tensor) -> Tensor:
        """Apply to [batch, 2 channel, y, x]."""
        pair = _wide(x.unflatten(1, (2, -1)))
        q = pair.square().sum(dim=1)
        gate = torch.sigmoid(self.slope[:, None, None] * q * torch.rsqrt(1 + q) + self.offset[:, None, None])
        return (pair * gate[:, None]).flatten(1, 2).to(x.dtype)


class ComplexNormAct(nn.Module):
    """`ComplexGroupNorm`, then `MagnitudeGate`; in one pass where no compiler fuses them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ComplexGroupNorm(channels)
        self.gate = MagnitudeGate(channels)

    def forward(self, x: Tensor, scale: Tensor | None = None, beside: Tensor | None = None) -> Tensor:
        """Normalise and gate; `scale` [batch, channel] multiplies the norm's gain.

        Channels `beside` those of x come after them, where `takes_apart` holds of both.
        """
        if torch.compiler.is_compiling():
            plain: Tensor = self.gate(self.norm(x, scale))
            return plain
        gain = self.norm.scaled_gain(x, scale)
        given = x, gain, self.gate.slope, self.gate.offset, self.norm.groups, self.norm.eps
        if beside is not None or not torch.is_grad_enabled():
            from rsd_mri.networks import kernels  # the compiler is loaded with the first network that runs

            if kernels.takes(x):
                return kernels.forward(*given, beside)[0]
        fused: Tensor = _NormGate.apply(*given)
        return fused


def takes_apart(*maps: Tensor) -> bool:
    """Whether `ComplexNormAct` takes maps that lie apart unjoined: of inference, whole vectors of complex channels."""
    return all(winograd.of_inference(x) and x.shape[1] % (2 * LANES) == 0 for x in maps)


class RealNormAct(nn.Module):
    """Group normalisation, then SiLU; the same call as `ComplexNormAct`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RealGroupNorm(channels)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Normalise and apply SiLU; `scale` [batch, channel] multiplies in between."""
        return F.silu(self.norm(x, scale))


class _NormGate(torch.autograd.Function):
    """Norm and gate together: out = x f sigmoid(a s + b), f = gain / rms; only x is kept for the gradient.

    With q = f^2 |x|^2 and w = (1 + q)^(-1/2) the argument is s = q w, and ds/dq = w (1 + w^2) / 2. On a processor
    the compiled `kernels` do the same, on a GPU `gpu_kernels`.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, slope: Tensor, offset: Tensor, groups: int, eps: float) -> Tensor:
        compiled = _compiled(x)
        if compiled is not None:
            out, inverse = compiled.forward(x, gain, slope, offset, groups, eps)
        else:
            pair = _wide(x).unflatten(1, (2, -1))
            q = _power(pair)
            inverse = _inverse_rms(q, groups, eps)
            f = (inverse * gain)[:, :, None, None]
            q.mul_(f.square())
            gate = q.add(1).rsqrt_().mul_(q).mul_(slope[:, None, None]).add_(offset[:, None, None]).sigmoid_().mul_(f)
            out = (pair * gate[:, None]).flatten(1, 2)
        ctx.save_for_backward(x, gain, slope, offset, inverse)
        ctx.groups = groups
        made: Tensor = out.to(x.dtype)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, slope, offset, inverse = ctx.saved_tensors
        compiled = _compiled(x)
        method = _gradients if compiled is None else compiled.backward
        d_x, d_gain, d_slope, d_offset = method(grad, x, gain, slope, offset, inverse, ctx.groups)
        return d_x.to(x.dtype), d_gain, d_slope.sum(0), d_offset.sum(0), None, None


def _compiled(x: Tensor) -> ModuleType | None:
    """The compiled form of norm and gate for such maps, where there is one."""
    from rsd_mri.networks import kernels  # the compiler is loaded with the first network that runs

    if kernels.takes(x):
        return kernels
    return _gpu_kernels() if x.is_cuda and x.dtype != torch.float64 else None


@lru_cache(maxsize=1)
def _gpu_kernels() -> ModuleType | None:
    """Triton comes with torch's builds for CUDA alone."""
    try:
        from rsd_mri.networks import gpu_kernels
    except ImportError:
        return None
    return gpu_kernels


def _gradients(
    grad: Tensor, x: Tensor, gain: Tensor, slope: Tensor, offset: Tensor, inverse: Tensor, groups: int
) -> tuple[Tensor, ...]:
    """Gradients of x, and of gain, slope and offset for each item, [batch, channel]."""
    pair, out = _wide(x).unflatten(1, (2, -1)), _wide(grad).unflatten(1, (2, -1))
    factor = inverse * gain
    f, a, b = factor[:, :, None, None], slope[:, None, None], offset[:, None, None]
    q = _power(pair).mul_(f.square())
    w = q.add(1).rsqrt_()
    s = q.mul_(w)
    gate = (s * a).add_(b).sigmoid_()
    inner = (pair[:, 0] * out[:, 0]).addcmul_(pair[:, 1], out[:, 1]).mul_(gate)
    d_factor = inner.sum((2, 3))
    inner.addcmul_(inner, gate, value=-1)  # d loss / d (a s + b), over f
    d_offset, d_slope = factor * inner.sum((2, 3)), factor * s.mul_(inner).sum((2, 3))
    w2 = w.square()
    d_factor += slope * s.addcmul_(s, w2).sum((2, 3))
    # The mean square of a group is over its channels and pixels.
    d_rms = (d_factor * gain).unflatten(1, (groups, -1)).mean(-1, keepdim=True).expand(-1, -1, gain.shape[1] // groups)
    share = d_rms.flatten(1) * inverse**3 / -x[0, 0].numel()
    inner.mul_(w).addcmul_(inner, w2).mul_(a * f**3).add_(share[:, :, None, None])
    d_x = (out * gate.mul_(f)[:, None]).addcmul_(pair, inner[:, None])
    return d_x.flatten(1, 2), d_factor * inverse, d_slope, d_offset


def _wide(x: Tensor) -> Tensor:
    """At least single precision: the statistics are never in half."""
    return x if x.dtype == torch.float64 else x.float()


def _power(pair: Tensor) -> Tensor:
    """|x|^2 of [batch, 2, channel, y, x]."""
    return pair[:, 0].square().addcmul_(pair[:, 1], pair[:, 1])


def _inverse_rms(power: Tensor, groups: int, eps: float) -> Tensor:
    """1 / (E|x|^2 + eps)^(1/2) of each channel's group, [batch, channel]."""
    mean = power.mean((2, 3)).unflatten(1, (groups, -1))
    return torch.rsqrt(mean.mean(-1, keepdim=True) + eps).expand_as(mean).flatten(1)
