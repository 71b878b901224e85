"""The complex U-Net against the real one of twice the channels: training speed, and what it learns.

Run with: pytest tests/benchmarks/test_networks.py --override-ini addopts= -s
Steps of the rivals alternate and the shortest of each counts: a busy machine slows both.
"""

import time

import pytest
import torch

from rsd_mri.diffusion import Denoiser
from rsd_mri.diffusion.denoiser import loss_weight
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import UNet
from rsd_mri.protocol import NetworkSettings
from rsd_mri.simulation import draw_head, simulate_slice

# complex channels, multipliers, fold
LAYOUTS = [(8, (1, 2, 2), 1), (16, (1, 2, 2, 2), 1), (32, (1, 2, 2), 2)]


def unet(field, channels, multipliers, fold):
    torch.manual_seed(0)
    settings = NetworkSettings(field=field, channels=channels, multipliers=multipliers, fold=fold)
    return UNet(settings, channels=1 if field == "complex" else 2)


def training_step(net, half, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = net.to(memory_format=layout)
    optimizer = torch.optim.Adam(net.parameters())
    x = normal((8, 2, 64, 64), generator(0, "images"), torch.float32).contiguous(memory_format=layout)
    noise = torch.zeros(8)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = net(x, noise)
        (out.float() - x).square().mean().backward()
        optimizer.step()

    return step


def shortest(calls, rounds=8):
    times = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [min(taken[1:]) for taken in times]


@pytest.mark.parametrize(("half", "channels_last"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize(("channels", "multipliers", "fold"), LAYOUTS)
def test_training_speed(channels, multipliers, fold, half, channels_last, benchmark):
    nets = unet("complex", channels, multipliers, fold), unet("real", 2 * channels, multipliers, fold)
    steps = [training_step(net, half, channels_last) for net in nets]
    ours, peer = shortest(steps, rounds=4 if half else 8)
    print(f"\ncomplex {8 / ours:.1f}, real {8 / peer:.1f} images/s, ratio {peer / ours:.2f}", end="")
    benchmark.extra_info["speed, complex to real"] = peer / ours
    benchmark.pedantic(steps[0])


def patches(case, n_slices, per_slice):
    """Complex patches of 64 x 64 of one head, scaled to unit root mean square, each under its own phase."""
    head = draw_head(0, case, n_slices, 4)
    rng = generator(0, case, "patches")
    for index in range(n_slices):
        image = simulate_slice(head, index, (160, 160))[2]
        image = image / image.abs().square().mean().sqrt() * 0.35
        for _ in range(per_slice):
            y, x = torch.randint(16, 80, (2,), generator=rng).tolist()
            phase = 2 * torch.pi * torch.rand((), generator=rng)
            yield image[y : y + 64, x : x + 64] * torch.polar(torch.ones(()), phase)


def noise_levels(count, rng):
    return torch.exp(torch.randn(count, generator=rng) * 1.2 - 1.6)


LEVELS = (0.05, 0.1, 0.3, 1.0)


def denoising_error(denoiser, images):
    """Mean squared error at each of LEVELS, relative to the images [dB]."""
    noise = normal(images.shape, generator(0, "validation noise"))
    with torch.no_grad():
        outs = [denoiser(images + sigma * noise, torch.full((len(images),), sigma)) for sigma in LEVELS]
    power = images.abs().square().mean()
    return [float(10 * torch.log10((out - images).abs().square().mean() / power)) for out in outs]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_denoising_error(steps=4000, batch=16):
    """Same steps and data: complex, real of the same cost, real of about as many parameters."""
    training = torch.stack([p for case in range(160) for p in patches(case, 3, 8)])
    validation = torch.stack([p for case in range(200, 210) for p in patches(case, 3, 2)])
    rivals = {"complex": ("complex", 16), "real, equal cost": ("real", 32), "real, equal size": ("real", 23)}
    errors = {}
    for name, (field, channels) in rivals.items():
        denoiser = Denoiser(unet(field, channels, (1, 2, 2), 2), 0.35)
        optimizer = torch.optim.Adam(denoiser.parameters(), 2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
        rng = generator(0, "training")
        start = time.process_time()
        for _ in range(steps):
            chosen = torch.randint(len(training), (batch,), generator=rng)
            phase = torch.polar(torch.ones(batch, 1, 1), 2 * torch.pi * torch.rand(batch, 1, 1, generator=rng))
            clean, sigma = training[chosen] * phase, noise_levels(batch, rng)
            noisy = clean + sigma[:, None, None] * normal(clean.shape, rng)
            loss = (denoiser(noisy, sigma) - clean).abs().square().mean((1, 2)) * loss_weight(sigma, 0.35)
            optimizer.zero_grad()
            loss.mean().backward()
            torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        spent = time.process_time() - start
        size = sum(p.numel() for p in denoiser.parameters())
        errors[name] = denoising_error(denoiser, validation)
        row = ", ".join(f"{e:.2f}" for e in errors[name])
        print(f"\n{name}: {size} parameters, {spent:.0f} s, dB at sigma {LEVELS}: {row}", end="", flush=True)
    better = [c - r for c, r in zip(errors["complex"], errors["real, equal size"], strict=True)]
    assert sum(better) < 0
