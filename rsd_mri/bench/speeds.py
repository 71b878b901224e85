"""Images a second of networks, and the operations a second that a device reaches at all."""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rsd_mri.about.plain import Json
from rsd_mri.diffusion.denoiser import Denoiser, per_item_mean, squared
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import UNet
from rsd_mri.protocol import NetworkSettings
from rsd_mri.training.fabric import PRECISIONS

WARM_UP = 3
"""Calls before the clock starts: kernels are chosen and memory is taken in the first ones."""
Field = Literal["complex", "real"]
FIELDS: tuple[Field, ...] = ("complex", "real")
COMPLEX_COST = 2
"""A complex network costs as much as a real one of so many times its channels."""


@dataclass(frozen=True)
class Case:
    """A network at work."""

    pixels: int
    """Of a side of the square image."""
    batch: int
    precision: str
    """A name of `training.fabric.PRECISIONS`."""
    channels: int
    multipliers: tuple[int, ...]
    attention: tuple[int, ...] = ()


_SMALL: dict[str, Any] = {"channels": 8, "multipliers": (1, 2, 2)}
_LARGE: dict[str, Any] = {"channels": 16, "multipliers": (4, 5, 6), "attention": (1, 2)}
CASES = {
    "mini": [Case(32, 16, "32", **_SMALL), Case(64, 8, "32", **_SMALL), Case(64, 8, "bf16", **_SMALL)],
    "gpu": [
        Case(64, 256, "32", **_LARGE),
        *(Case(64, batch, "bf16", **_LARGE) for batch in (64, 256, 512)),
        Case(128, 64, "bf16", **_LARGE),
        Case(256, 16, "bf16", **_LARGE),
    ],
}


@dataclass(frozen=True)
class Speed:
    """What was timed of a network."""

    field: str
    pixels: int
    batch: int
    precision: str
    compiled: bool
    parameters: int
    """Real numbers."""
    training: float
    """Images a second of a training step: forward, backward, Adam."""
    forward: float
    """Images a second without a gradient."""
    flops: float
    """Operations a second of the training step, as `torch.utils.flop_counter` counts them."""

    @property
    def beside(self) -> tuple[int, int, str, bool]:
        """What a network of the other field shares with it."""
        return self.pixels, self.batch, self.precision, self.compiled

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Limit:
    """What a device does at best, as far as a library's own call shows it."""

    name: str
    value: float
    unit: Literal["FLOP/s", "B/s"]

    def line(self) -> str:
        """For a person."""
        return f"{self.name} {self.value / 1e12:.3g} T{self.unit}"

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return asdict(self)


def timed(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Seconds a call takes, the mean over as many as fit."""
    for _ in range(WARM_UP):
        call()
    count, begun, passed = 0, _now(device), 0.0
    while passed < seconds or not count:
        call()
        count += 1
        if count % 4 == 0 or device.type == "cpu":
            passed = _now(device) - begun
    return (_now(device) - begun) / count


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def speed(
    field: Field,
    case: Case,
    compiled: bool,
    device: torch.device,
    seconds: float,
    seed: int = 0,
) -> Speed:
    """Time a training step and a forward pass of a network of random weights.

    Parameters
    ----------
    field
        `complex`, or `real`: the real network has twice the channels, and takes two channels of the same images.
    case
        Sizes and precision.
    compiled
        Compile the network.
    device
        Where.
    seconds
        Of timing, for each of the two.
    seed
        Of weights and images.
    """
    rng = generator(seed, "throughput")
    doubled = case.channels * (COMPLEX_COST if field == "real" else 1)
    settings = NetworkSettings(
        field=field,
        channels=doubled,
        multipliers=case.multipliers,
        fold=2,
        attention=case.attention,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = UNet(settings, channels=1 if field == "complex" else 2)
    denoiser = Denoiser(network, 0.45).to(device).to(memory_format=torch.channels_last)
    denoiser.autocast_to = PRECISIONS[case.precision]
    parameters = sum(p.numel() * (2 if p.is_complex() else 1) for p in denoiser.parameters())
    images = normal((case.batch, case.pixels, case.pixels), rng).to(device)
    level = (torch.rand(case.batch, generator=rng) + 0.1).to(device)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=1e-4)

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        _loss(denoiser, images, level).backward()
        optimizer.step()

    @torch.no_grad()
    def call() -> Tensor:
        found: Tensor = denoiser(images, level)
        return found

    with FlopCounterMode(display=False) as counter:
        train()
    if compiled:
        denoiser.network.compile()
    step, once = timed(train, device, seconds), timed(call, device, seconds)
    return Speed(
        field,
        case.pixels,
        case.batch,
        case.precision,
        compiled,
        parameters,
        case.batch / step,
        case.batch / once,
        counter.get_total_flops() / step,
    )


def _loss(denoiser: nn.Module, images: Tensor, level: Tensor) -> Tensor:
    return per_item_mean(squared(denoiser(images, level) - images)).mean()


def limits(device: torch.device, seconds: float, large: bool) -> tuple[str, Sequence[Limit]]:
    """Name of the device, and its best matrix product, convolution and copy."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or device.type
    side, batch, channels = (8192, 512, 192) if large else (512, 8, 32)
    half = torch.bfloat16 if device.type == "cuda" else torch.float32
    rng = generator("limits")

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng).to(device, half)

    a, b = drawn(side, side), drawn(side, side)
    images = drawn(batch, channels, 32, 32).contiguous(memory_format=torch.channels_last)
    kernel = drawn(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
    target = torch.empty_like(images)
    product = 2 * side**3 / timed(lambda: a @ b, device, seconds)
    with torch.no_grad():
        taken = timed(lambda: torch.nn.functional.conv2d(images, kernel, padding=1), device, seconds)
    convolution = 2 * 9 * channels**2 * 32 * 32 * batch / taken
    copied = 2 * images.nbytes / timed(lambda: target.copy_(images), device, seconds)
    kind = str(half).removeprefix("torch.")
    return name, [
        Limit(f"{kind} product", product, "FLOP/s"),
        Limit(f"{kind} convolution of {channels} channels", convolution, "FLOP/s"),
        Limit("copy", copied, "B/s"),
    ]
