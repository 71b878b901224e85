"""Reasons to distrust a reconstruction: what the data say of it, and what they cannot say."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rsd_mri.operators import Sense, fft2c
from rsd_mri.randomness import generator
from rsd_mri.reconstruction.conjugate_gradient import conjugate_gradient, energy

HELD_OUT = 0.15
"""Share of the acquired outer lines that are left out to be predicted."""


def residual_ratio(operator: Sense, kspace: Tensor, image: Tensor, sigma: float) -> float:
    """Chi-square of the data: ||A x - y||^2 over its expectation under the noise alone, 1 if consistent with it."""
    points = int(operator.mask.expand(1, 1, *kspace.shape[-2:]).sum()) * kspace.shape[1]
    return float(energy(operator.forward(image) - kspace).sum()) / (points * sigma**2)


def prior_part(operator: Sense, image: Tensor, sigma: float, power: float, iterations: int = 30) -> Tensor:
    """What the data do not determine of an image: w (A^H A + w)^-1 x with w = sigma^2 / p.

    The rest, x minus this, is what the data determine. A component that they see with less than the noise counts as
    the prior's.

    Parameters
    ----------
    operator
        A.
    image
        x, [item, ...].
    sigma
        Noise level of the k-space.
    power
        p, the mean of |x|^2.
    iterations
        Of conjugate gradients, from zero.
    """
    gram, weight = operator.gram, sigma**2 / power
    return conjugate_gradient(lambda v: gram(v) + weight * v, weight * image, None, iterations, 1e-3)


def dispersion(operator: Sense, samples: Tensor) -> tuple[float, float]:
    """Spread of posterior samples where k-space was measured (MSD) and where it was not (USD).

    Root mean square over coils and frequencies of the unbiased standard deviation of F S_c z (arXiv 2606.28448).
    MSD should be near the noise, or below; USD is what the prior leaves open.

    Parameters
    ----------
    operator
        A, with a batch of one.
    samples
        [sample, ...], two or more.
    """
    n = len(samples)
    mean = samples.mean(0, keepdim=True)
    total = sum(fft2c(operator.coils.forward(one[None] - mean)).abs().square() for one in samples)
    assert isinstance(total, Tensor)  # noqa: S101 - for the type checker
    variance = total / (n - 1)
    mask = operator.mask.expand_as(variance)
    unmeasured = variance[~mask]
    return (
        float(variance[mask].mean().sqrt()),
        float(unmeasured.mean().sqrt()) if unmeasured.numel() else 0.0,
    )


def hold_out(mask: Tensor, key: tuple[int | str, ...], acs: tuple[int, int]) -> Tensor:
    """Choose acquired outer lines (or points) to leave out.

    Parameters
    ----------
    mask
        [phase_encode] or [readout, phase_encode], boolean.
    key
        Of the draw.
    acs
        Fully sampled centre (readout, phase_encode), which is kept.

    Returns
    -------
    Tensor
        What is left out, boolean, in the shape of the mask; empty where nothing lies outside the centre.
    """
    outer = mask.clone()
    centre = tuple(
        slice(max(n // 2 - width // 2, 0), n // 2 - width // 2 + width)
        for n, width in zip(mask.shape, acs[-mask.ndim :], strict=True)
    )
    outer[centre] = False
    places = outer.nonzero()
    count = round(HELD_OUT * len(places)) or min(len(places), 1)
    chosen = places[torch.randperm(len(places), generator=generator(*key))[:count]]
    left = torch.zeros_like(mask)
    left[tuple(chosen.T)] = True
    return left


def held_out_error(
    operator: Sense, kspace: Tensor, sigma: float, left: Tensor, reconstruct: Callable[[Sense, Tensor], Tensor]
) -> float:
    """Reconstruct without some acquired lines, and predict them.

    Parameters
    ----------
    operator, kspace, sigma
        Of one slice.
    left
        As `hold_out` chose.
    reconstruct
        From an operator and its k-space to an image.

    Returns
    -------
    float
        Energy of the error on the lines left out over that of their signal, both without the noise: 0 is a perfect
        prediction, 1 as bad as zero.
    """
    mask = operator.mask.clone()
    kept = mask & ~left.to(mask.device).reshape(1, 1, -1, left.shape[-1])
    short = operator.with_mask(kept[:, 0])
    image = reconstruct(short, short.sampling(kspace))
    tested = operator.with_mask((mask & ~kept)[:, 0])
    measured = tested.sampling(kspace)
    noise = float((mask & ~kept).expand(1, 1, *kspace.shape[-2:]).sum()) * kspace.shape[1] * sigma**2
    error = float(energy(tested.forward(image) - measured).sum()) - noise
    signal = float(energy(measured).sum()) - noise
    return max(error, 0.0) / signal if signal > 0 else float("nan")


def distance_from_card(
    card: dict[str, Any], sigma_data: float, *, acceleration: float, sigma: float, size: tuple[int, int], rms: float
) -> list[str]:
    """Say where a scan lies outside what its prior was trained on.

    Parameters
    ----------
    card
        The prior's.
    sigma_data
        Root mean square magnitude of the images the prior's network is scaled for.
    acceleration, sigma, size, rms
        Of the scan: realised acceleration, noise level in prepared units, matrix, root mean square of the image.

    Returns
    -------
    list of str
        One plain sentence for each way in which it differs.
    """
    found = []
    trained = card.get("acceleration")
    if trained and acceleration > 1.25 * float(trained):
        found.append(f"The scan's R={acceleration:.1f} is above the R={float(trained):.1f} the prior was learned at")
    low, high = card.get("sigma_range", (0.0, float("inf")))
    if not low / 2 <= sigma <= 2 * high:
        found.append(f"The scan's noise {sigma:.3g} is outside the {low:.3g} to {high:.3g} the prior was learned from")
    matrix = card.get("matrix")
    if matrix and not all(0.5 * m <= n <= 2 * m for m, n in zip(matrix, size, strict=True)):
        found.append(
            f"The matrix {size[0]}x{size[1]} is far from the {matrix[0]}x{matrix[1]} of the prior's training scans: "
            "details have another size in pixels"
        )
    if not 0.4 <= rms / sigma_data <= 2.5:
        found.append(f"The image's mean brightness {rms:.2f} is far from the {sigma_data:.2f} the prior was scaled for")
    return found


def reasons(checks: dict[str, float]) -> list[str]:
    """Say in plain sentences what the figures of a learned reconstruction mean.

    Parameters
    ----------
    checks
        `prior_share`, and where known `held_out_error`, `held_out_error_cg_sense`, `held_out_seconds`.
    """
    found = [f"{100 * checks['prior_share']:.2g} % of the image's energy comes from the prior, not from the data"]
    if "held_out_error" in checks:
        ours, linear = checks["held_out_error"], checks["held_out_error_cg_sense"]
        others, best = f"CG-SENSE: {linear:.1%}", linear
        if "held_out_error_tv" in checks:
            others = f"total variation: {checks['held_out_error_tv']:.1%}, {others}"
            best = min(linear, checks["held_out_error_tv"])
        found.append(
            f"Acquired lines left out of a quick reconstruction are predicted with {ours:.1%} error in energy "
            f"({others}); this took {checks['held_out_seconds']:.1f} s"
        )
        if ours > 1.1 * best:
            found.append("The prior predicts this scan's own lines worse than no prior does: distrust its detail")
        elif ours > best:
            found.append(
                "The prior predicts this scan's own lines no better than no prior does: compare with --method tv "
                "before you believe a detail"
            )
    return found
