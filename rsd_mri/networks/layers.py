"""Convolutions and attention of complex and of real feature maps.

A complex feature map of C channels is stored as 2C real ones, real parts first. One real convolution with
the block weight [[Wr, -Wi], [Wi, Wr]] is then the complex convolution; it costs the multiplications of the
real layer of 2C channels, has half its parameters, and runs wherever real convolutions run (bf16, MPS).

Every complex layer f commutes with a global phase, f(e^{ia} x) = e^{ia} f(x): convolutions have no bias,
the normalisation divides by a magnitude, the nonlinearity multiplies by a function of the magnitude.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsd_mri.networks import whole_numbers, winograd
from rsd_mri.networks.activations import ComplexGroupNorm, RealGroupNorm

T = TypeVar("T")


def to_channels(image: Tensor) -> Tensor:
    """Complex [batch, channel, ...] to its real storage [batch, 2 channel, ...]."""
    return torch.cat([image.real, image.imag], dim=1)


def to_complex(channels: Tensor) -> Tensor:
    """Inverse of `to_channels`; always complex64 or complex128, whatever the network's precision."""
    wide = channels if channels.dtype == torch.float64 else channels.float()
    real, imag = wide.chunk(2, dim=1)
    return torch.complex(real.contiguous(), imag.contiguous())


@dataclass
class Kept:
    """What is made of parameters for inference, made again when they have changed."""

    _of: tuple[object, ...] = ()
    _made: dict[str, Any] = field(default_factory=dict)

    def __call__(self, what: str, make: Callable[[], T], *parameters: Tensor) -> T:
        """What has that name."""
        of = tuple((p.data_ptr(), p._version, p.dtype, p.device) for p in parameters)
        if of != self._of:
            self._of, self._made = of, {}
        if what not in self._made:
            self._made[what] = make()
        made: T = self._made[what]
        return made


def same_size(
    x: Tensor,
    weight: Callable[[], Tensor],
    bias: Tensor | None,
    kept: Kept,
    *parameters: Tensor,
    under: Tensor | None = None,
) -> Tensor:
    """Convolve to the same size, on a processor by what is quickest there.

    Parameters
    ----------
    x
        [batch, in, y, x].
    weight
        Makes the weights [out, in, kernel, kernel] of the parameters.
    bias
        [out], where there is one.
    kept
        Holds them for inference.
    parameters
        What the weights are made of, [.., .., kernel, kernel]: one real tensor, or real and imaginary part.
    under
        Is added to the result.
    """
    size = parameters[0].shape[-1]
    if not winograd.plain(x):
        return _sum(F.conv2d(x, weight(), bias, padding=size // 2), under)

    def last() -> Tensor:
        return weight().detach().contiguous(memory_format=torch.channels_last)

    def transformed() -> winograd.Matrices:
        # Real and imaginary part apart, where each of them is made of whole vectors.
        return winograd.transformed(*parameters if winograd.in_vectors(parameters[0].shape) else (still,))

    learning = torch.is_grad_enabled()
    still = weight() if learning else kept("weight", last, *parameters)
    if size == 1:  # a product of matrices
        made = F.linear(x.permute(0, 2, 3, 1), still.flatten(1), bias)
        return _sum(made.permute(0, 3, 1, 2), under)
    if not winograd.takes(x, still.shape):
        return _sum(F.conv2d(x, still, bias, padding=size // 2), under)
    if learning:
        out = winograd.convolve_learning(x, still)
        return _sum(out if bias is None else out + bias[:, None, None], under)
    quick = under is None or winograd.plain(under)
    below = under if quick else None
    if len(parameters) == 2 and whole_numbers.takes(x, parameters[0].shape):
        rounded = kept("whole numbers", lambda: whole_numbers.transformed(parameters[0], parameters[1]), *parameters)
        out = whole_numbers.convolve(x, rounded, below)
    else:
        out = winograd.convolve(x, kept("winograd", transformed, *parameters), below)
    out = out if bias is None else out.add_(bias[:, None, None])
    return out if quick else _sum(out, under)


def _sum(made: Tensor, under: Tensor | None) -> Tensor:
    """Both together; what was made may be overwritten."""
    if under is None:
        return made
    return made.add_(under) if made.dtype == under.dtype and not torch.is_grad_enabled() else made + under


def joined(a: Tensor, b: Tensor, is_complex: bool) -> Tensor:
    """Concatenate channels; complex storage keeps real parts first."""
    if not is_complex:
        return torch.cat([a, b], dim=1)
    (ar, ai), (br, bi) = a.chunk(2, dim=1), b.chunk(2, dim=1)
    return torch.cat([ar, br, ai, bi], dim=1)


class ComplexConv2d(nn.Module):
    """Complex 2-D convolution without bias, same size.

    Initialised as Trabelsi et al. 2018 (arXiv 1705.09792, sec. 3.6): E|W|^2 = gain / fan_in.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = 1.0) -> None:
        super().__init__()
        std = math.sqrt(gain / (2 * inputs * kernel**2))
        self.real = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * std)
        self.imag = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * std)
        self._kept = Kept()

    def forward(self, x: Tensor, under: Tensor | None = None) -> Tensor:
        """Map [batch, 2 inputs, y, x] to [batch, 2 outputs, y, x]; what lies `under` it is added."""
        return same_size(x, self._weight, None, self._kept, self.real, self.imag, under=under)

    def add_to(self, out: Tensor, *maps: Tensor) -> Tensor:
        """Add what a layer of kernel 1 makes of maps that lie apart (`activations.takes_apart`), in place."""
        begin, flat = 0, out.permute(0, 2, 3, 1).view(-1, out.shape[1])
        for x in maps:
            end = begin + x.shape[1] // 2

            def columns(begin: int = begin, end: int = end) -> Tensor:
                real, imag = self.real[:, begin:end, 0, 0], self.imag[:, begin:end, 0, 0]
                block = torch.cat([torch.cat([real, -imag], 1), torch.cat([imag, real], 1)])
                return block.detach().T.contiguous()

            weight = self._kept(f"columns from {begin}", columns, self.real, self.imag)
            flat.addmm_(x.permute(0, 2, 3, 1).flatten(0, 2), weight)
            begin = end
        return out

    def _weight(self) -> Tensor:
        top = torch.cat([self.real, -self.imag], dim=1)
        bottom = torch.cat([self.imag, self.real], dim=1)
        return torch.cat([top, bottom], dim=0)


class RealConv2d(nn.Conv2d):
    """Real 2-D convolution with bias, same size."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = 1.0) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.normal_(self.weight, std=math.sqrt(gain / (inputs * kernel**2)))
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]
        self._kept = Kept()

    def forward(self, x: Tensor, under: Tensor | None = None) -> Tensor:
        """Same size; what lies `under` it is added."""
        return same_size(x, lambda: self.weight, self.bias, self._kept, self.weight, under=under)


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
        # With an axis of heads: only then are there kernels that keep no matrix of weights.
        q, k, v = (f(h).flatten(2).transpose(1, 2)[:, None] for f in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(q, k, v)[:, 0]
        out: Tensor = self.out(attended.transpose(1, 2).reshape(x.shape))
        return x + out


class GatedConv2d(nn.Module):
    """Convolution times a learned gate between 0 and 1 (Yu et al. 2019, arXiv 1806.03589).

    In the complex field the gate is computed from the squared magnitudes of the input.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = 1.0, *, is_complex: bool) -> None:
        super().__init__()
        self.is_complex = is_complex
        self.features = (ComplexConv2d if is_complex else RealConv2d)(inputs, outputs, kernel, gain)
        self.gate = RealConv2d(inputs, outputs, kernel)

    def forward(self, x: Tensor, under: Tensor | None = None) -> Tensor:
        """Same shapes as the convolution; what lies `under` it is added."""
        return _sum(self._gated(x), under)

    def _gated(self, x: Tensor) -> Tensor:
        features: Tensor = self.features(x)
        if not self.is_complex:
            return features * torch.sigmoid(self.gate(x))
        real, imag = x.chunk(2, dim=1)
        power = real * real + imag * imag
        gate = torch.sigmoid(self.gate(power * torch.rsqrt(1 + power)))
        return features * gate.repeat(1, 2, 1, 1)
