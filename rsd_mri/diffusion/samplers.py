"""Samplers of the prior: plain functions of a denoiser."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(noisy image [batch, ...], noise level [batch]) to the estimated clean image."""


@torch.no_grad()
def heun(
    denoise: Denoise,
    noise: Tensor,
    levels: Tensor,
    stop_at: float = 0.0,
    callback: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Deterministic second-order sampler; Karras et al. 2022 (arXiv 2206.00364), algorithm 1.

    Parameters
    ----------
    denoise
        D(x, t).
    noise
        Standard normal start, [batch, ...].
    levels
        Decreasing noise levels [steps] without the final zero; `2 * steps - 1` network calls.
    stop_at
        Truncated sampling: return D(x, t) as soon as the next level lies below this noise level (a standard
        deviation, not a variance). 0 samples in full.
    callback
        Called with (step, current estimate).
    """
    x = noise * float(levels[0])
    ends = torch.cat([levels[1:], levels.new_zeros(1)])
    for step, (t, t_next) in enumerate(zip(levels.tolist(), ends.tolist(), strict=True)):
        estimate = denoise(x, torch.full((x.shape[0],), t, device=x.device))
        if callback is not None:
            callback(step, estimate)
        if t_next < stop_at or t_next == 0:
            return estimate
        slope = (x - estimate) / t
        ahead = x + (t_next - t) * slope
        slope_ahead = (ahead - denoise(ahead, torch.full((x.shape[0],), t_next, device=x.device))) / t_next
        x = x + (t_next - t) * (slope + slope_ahead) / 2
    return x


@torch.no_grad()
def multistep(
    denoise: Denoise,
    noise: Tensor,
    levels: Tensor,
    stop_at: float = 0.0,
    callback: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Deterministic second-order sampler of one call a level; Lu et al. 2022 (arXiv 2211.01095), DPM-Solver++(2M).

    Between two levels the estimate changes about linearly in the logarithm of the level, by as much as it did between
    the two before; of an estimate that is linear there the flow is known in closed form.

    Parameters
    ----------
    denoise, noise, stop_at, callback
        As of `heun`.
    levels
        Decreasing noise levels [steps] without the final zero; `steps` network calls.
    """
    x = noise * float(levels[0])
    ends = torch.cat([levels[1:], levels.new_zeros(1)])
    before: tuple[Tensor, float] | None = None
    for step, (t, t_next) in enumerate(zip(levels.tolist(), ends.tolist(), strict=True)):
        estimate = denoise(x, torch.full((x.shape[0],), t, device=x.device))
        if callback is not None:
            callback(step, estimate)
        if t_next < stop_at or t_next == 0:
            return estimate
        width = math.log(t / t_next)
        middle = estimate
        if before is not None:
            earlier, earlier_width = before
            middle = estimate + (estimate - earlier) * (width / (2 * earlier_width))
        x = middle + (t_next / t) * (x - middle)
        before = estimate, width
    return x


SOLVERS: Mapping[str, Callable[..., Tensor]] = {"heun": heun, "multistep": multistep}
"""By the name in `SamplerSettings.solver`."""
