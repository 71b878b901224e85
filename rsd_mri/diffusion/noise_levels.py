"""Noise levels: schedules for sampling, laws for training."""

import torch
from torch import Tensor

LOWEST = 0.002
"""Karras et al. 2022 (arXiv 2206.00364), table 1."""


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Return `steps` levels from sigma_max to sigma_min; Karras et al. 2022 (arXiv 2206.00364), eq. 5.

    float64 [steps]; no zero is appended.
    """
    if steps == 1:
        return torch.tensor([sigma_max], dtype=torch.float64)
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    found: Tensor = (high + ramp * (low - high)) ** rho
    return found


def geometric(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Return `steps` levels from sigma_max to sigma_min with a constant ratio; float64 [steps]."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    return sigma_max * (sigma_min / sigma_max) ** ramp


def log_normal(uniform: Tensor, mean: float, std: float, lowest: Tensor | float = 0.0, clamped: bool = False) -> Tensor:
    """Map uniform numbers to log-normal noise levels above `lowest`.

    By default the law is truncated: clamped draws sit at t = sigma, where Ambient Tweedie's loss is zero with zero
    gradient.

    Parameters
    ----------
    uniform
        Numbers in [0, 1), [batch].
    mean, std
        Of ln(t).
    lowest
        Bound from below, a number or [batch].
    clamped
        Raise what falls below the bound to it instead, as the reference code of arXiv 2505.13377 does.
    """
    low = torch.as_tensor(lowest, dtype=torch.float64)
    if clamped:
        return torch.maximum(log_normal(uniform, mean, std).double(), low).float()
    floor = torch.special.ndtr((low.clamp_min(1e-12).log() - mean) / std)
    floor = torch.where(low > 0, floor, torch.zeros_like(floor))
    share = floor + (1 - floor) * uniform.double()
    levels = (mean + std * torch.special.ndtri(share.clamp(1e-7, 1 - 1e-7))).exp()
    return torch.maximum(levels, low).float()


def log_normal_below(uniform: Tensor, mean: float, std: float, highest: Tensor) -> Tensor:
    """Map uniform numbers [batch] to log-normal noise levels, of mean and std of ln(t), below `highest` [batch]."""
    ceiling = torch.special.ndtr((highest.double().log() - mean) / std)
    levels = (mean + std * torch.special.ndtri((ceiling * uniform.double()).clamp(1e-7, 1 - 1e-7))).exp()
    return torch.minimum(levels, highest.double()).float()


def distillation_levels(uniform: Tensor, t_max: int, sigma_min: float = LOWEST, sigma_max: float = 80.0) -> Tensor:
    """Noise levels of the distillation: uniform over the lowest `t_max` of 1000 Karras steps (rho 7).

    Of uniform numbers [batch] in [0, 1). Zhou et al. 2024 (arXiv 2404.04057), algorithm 1; t_max = 800 gives levels
    from 0.002 to 24.4.
    """
    share = uniform.double() * t_max / 1000
    low, high = sigma_min ** (1 / 7), sigma_max ** (1 / 7)
    found: Tensor = ((low + share * (high - low)) ** 7).float()
    return found
