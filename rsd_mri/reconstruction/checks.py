"""Reasons to distrust a reconstruction: what the data say of it, and what they cannot say."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from rsd_mri.operators import Sense, fft2c
from rsd_mri.operators.conjugate_gradient import conjugate_gradient, energy
from rsd_mri.priors.card import Card
from rsd_mri.priors.elsewhere import Elsewhere, nearest
from rsd_mri.results.trust import WITHOUT_LEARNING


def residual_ratio(operator: Sense, kspace: Tensor, image: Tensor, sigma: float) -> float:
    """Chi-square of the data: ||A x - y||^2 over its expectation under the noise alone, 1 if consistent with it.

    Parameters
    ----------
    operator, kspace
        A and y of one slice, [1, coil, readout, phase_encode].
    image
        x, [1, (set,) readout, phase_encode], prepared units as y.
    sigma
        Standard deviation of the complex noise.
    """
    operator, kspace = operator.acquired(kspace)
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
    squares = (fft2c(operator.coils.forward(one[None] - mean)).abs().square() for one in samples)
    # One at a time: all at once would hold the coil images of every sample.
    variance = sum(squares, samples.real.new_zeros(())) / (n - 1)
    mask = operator.cells.expand_as(variance)
    unmeasured = variance[~mask]
    return (
        float(variance[mask].mean().sqrt()),
        float(unmeasured.mean().sqrt()) if unmeasured.numel() else 0.0,
    )


MAPS_WRONG = 1.5
"""Residual of the fully sampled centre above which its maps are in doubt. Of 14 scans with known images
(protocols/trust.md) eleven had 0.3 to 1.2; the three others, 1.8 to 2.6, had the largest errors."""


@dataclass(frozen=True)
class Difference:
    """A way in which a scan lies outside what its prior was trained on."""

    said: str
    measured: Elsewhere | None
    """What images of such scans cost in the benches, where that was measured."""

    @property
    def sentence(self) -> str:
        """For a person."""
        return self.said if self.measured is None else f"{self.said}: {self.measured.words}"


def distance_from_card(
    card: Card,
    sigma_data: float,
    *,
    acceleration: float,
    sigma: float,
    size: tuple[int, int],
    rms: float,
    elsewhere: Sequence[Elsewhere] = (),
) -> list[Difference]:
    """Say where a scan lies outside what its prior was trained on.

    Parameters
    ----------
    card
        The prior's.
    sigma_data
        Root mean square magnitude of the images the prior's network is scaled for.
    acceleration, sigma, size, rms
        Of the scan: realised acceleration, noise level in prepared units, matrix, root mean square of the image.
    elsewhere
        What was measured of scans unlike those of its training.

    Returns
    -------
    list of Difference
        One for each way in which it differs.
    """
    found = []
    if card.acceleration and acceleration > 1.25 * card.acceleration:
        said = f"The scan's R={acceleration:.1f} is above the R={card.acceleration:.1f} the prior was learned at"
        found.append(Difference(said, nearest(elsewhere, "acceleration", acceleration)))
    low, high = card.sigma_range or (0.0, float("inf"))
    if not low / 2 <= sigma <= 2 * high:
        said = f"The scan's noise {sigma:.3g} is outside the {low:.3g} to {high:.3g} the prior was learned from"
        # Less noise than in training was not measured, and is no loss.
        found.append(Difference(said, nearest(elsewhere, "noise", sigma) if sigma > high else None))
    matrix = card.matrix
    if matrix and not all(0.5 * m <= n <= 2 * m for m, n in zip(matrix, size, strict=True)):
        said = (
            f"The matrix {size[0]}x{size[1]} is far from the {matrix[0]}x{matrix[1]} of the prior's training scans: "
            "details have another size in pixels"
        )
        small = size[0] < matrix[0]
        found.append(Difference(said, nearest(elsewhere, "matrix", float(size[0])) if small else None))
    if not 0.4 <= rms / sigma_data <= 2.5:
        said = f"The image's mean brightness {rms:.2f} is far from the {sigma_data:.2f} the prior was scaled for"
        found.append(Difference(said, None))
    return found


def reasons(checks: dict[str, float]) -> list[str]:
    """Say in plain sentences what the figures of a learned reconstruction mean.

    Parameters
    ----------
    checks
        `prior_share`, and where known `held_out_error` with that of a method of `WITHOUT_LEARNING`, `held_out_seconds`.
    """
    found = [f"{100 * checks['prior_share']:.2g} % of the image's energy comes from the prior, not from the data"]
    if "held_out_error" in checks:
        ours = checks["held_out_error"]
        others = {name: checks[key] for key, name in WITHOUT_LEARNING.items() if key in checks}
        best, said = min(others.values()), ", ".join(f"{name}: {error:.1%}" for name, error in others.items())
        of = "all frames" if "held_out_error_temporal_tv" in checks else "a quick reconstruction"
        found.append(
            f"Acquired lines left out of {of} are predicted with {ours:.1%} error in energy ({said}); this took "
            f"{checks['held_out_seconds']:.1f} s"
        )
        if ours > 1.1 * best:
            found.append("The prior predicts this scan's own lines worse than no prior does: distrust its detail")
        elif ours > best:
            found.append(
                "The prior predicts this scan's own lines no better than no prior does: compare with --method tv "
                "before you believe a detail"
            )
    if checks.get("centre_residual", 0.0) > MAPS_WRONG:
        found.append(
            f"The image explains the fully sampled centre {checks['centre_residual']:.1f} times as badly as noise "
            "allows, so the coil maps are not quite those of this scan: intervals meant for 90 % covered 76 to 93 % of "
            "the body where this was so"
        )
    if checks.get("own_lines"):
        low, high = checks["own_lines_low"], checks["own_lines_high"]
        found.append(
            f"What was measured on {checks['own_lines']:.0f} lines (or groups of points) that were left out lies "
            f"{checks['own_lines_factor']:.1f} times as far off as the samples from each other; so many tell it to lie "
            f"between {low:.1f} and {high:.1f} times, with 90 %"
        )
    elif "own_lines" in checks:
        found.append("Too few acquired lines can be left out to tell whether the samples' spread is right on this scan")
    return found
