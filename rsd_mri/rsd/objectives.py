"""The objectives of Restoration Score Distillation, written once for every corruption.

All of them compare what a denoiser says with what was measured, through A only; nothing here knows
whether A is MRI, inpainting or the identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from rsd_mri.corruption.corruption import Corruption, Key, Measurements
from rsd_mri.diffusion.denoiser import Denoiser, expand, loss_weight, per_item_mean, squared
from rsd_mri.operators import LinearOperator


def restoration_loss(
    denoiser: Denoiser,
    corruption: Corruption,
    data: Measurements,
    further: LinearOperator,
    t: Tensor,
    noise: Tensor,
    loss_on: Literal["acquired", "further"] = "acquired",
) -> Tensor:
    """Weighted loss of a denoiser that is given less than was measured; the teacher's and the fake score's.

    With s^2 = t^2 - sigma^2 and c = sigma^2 / t^2, the denoiser sees W~ u of u = A~^H y + s A~^H A~ n and
    its estimate x0 is judged by

        r = W [(A^H A x0 - A^H y) - c (A~^H A~ x0 - u)],

    where W is the corruption's preconditioner, the identity for all but MRI. There W A^H A is close to a projection:
    what the coils can unfold is unfolded before the network, and every direction that was measured counts the same.

    With W = 1 and without data noise (c = 0) this is Fourier Ambient Diffusion (Aali et al. 2024, arXiv 2403.08728)
    for MRI and Ambient Diffusion (Daras et al. 2023, arXiv 2305.19256) for inpainting. With A~ = A = 1 it is Ambient
    Tweedie (Daras et al. 2024, arXiv 2404.10177): r = (1 - c) x0 + c x_t - y. In a mixture the correction
    acts only on what the denoiser saw, since the noise of the rest is independent of its input.

    Parameters
    ----------
    denoiser
        The network under training.
    corruption
        Says what the denoiser is told about the operators.
    data
        Measurements y of operators A with noise levels sigma.
    further
        A~, one per item.
    t
        [batch] noise levels, at least sigma.
    noise
        Standard normal images n.
    loss_on
        `acquired`: on A. `further`: on A~ only, as the reference code trains its fake score.

    Returns
    -------
    Tensor
        [batch], real: w(t) times the mean of |r|^2.
    """
    u = noisy_adjoint(data, further, t, noise)
    estimate = denoiser(corruption.preconditioner(further)(u), t, corruption.condition(further))
    return estimate_loss(denoiser, corruption, data, further, t, u, estimate, loss_on)


def estimate_loss(
    denoiser: Denoiser,
    corruption: Corruption,
    data: Measurements,
    further: LinearOperator,
    t: Tensor,
    u: Tensor,
    estimate: Tensor,
    loss_on: Literal["acquired", "further"] = "acquired",
) -> Tensor:
    """Weighted loss of estimates that were already made of u, from `noisy_adjoint`; see `restoration_loss`."""
    share = expand(data.sigma**2 / t**2, u)
    judged = further if loss_on == "further" else data.operator
    error = judged.gram(estimate) - judged.adjoint(data.y)
    residual = corruption.preconditioner(judged)(error - share * (further.gram(estimate) - u))
    return loss_weight(t, denoiser.sigma_data, denoiser.sigma_hidden) * per_item_mean(squared(residual))


def noisy_adjoint(data: Measurements, further: LinearOperator, t: Tensor, noise: Tensor) -> Tensor:
    """Data at noise level t: u = A~^H y + (t^2 - sigma^2)^(1/2) A~^H A~ n, in the shape of the noise.

    Parameters
    ----------
    data
        y and sigma [batch].
    further
        A~.
    t
        [batch], at least sigma.
    noise
        n, standard normal images.
    """
    extra = (t**2 - data.sigma**2).clamp_min(0).sqrt()
    return further.adjoint(data.y) + expand(extra, noise) * further.gram(noise)


@dataclass(frozen=True)
class Comparison:
    """What teacher and fake score make of the same corrupted, noisy generated image."""

    image: Tensor
    """v: the generated image in the teacher's space."""
    teacher: Tensor
    """r = f(v_t, t)."""
    fake: Tensor
    """q = psi(v_t, t)."""
    view: LinearOperator
    """W A~^H A~: what both saw it through."""
    t: Tensor
    deepest: Tensor | None = None
    """Deepest features of the fake score, [batch, feature, y, x], where they were asked for."""


def compare(
    teacher: Denoiser,
    fake: Denoiser,
    corruption: Corruption,
    images: Tensor,
    keys: Sequence[Key],
    t: Tensor,
    noise: Tensor,
    grain: Tensor | None = None,
    deepest: bool = False,
) -> Comparison:
    """Show generated images to teacher and fake score, through fresh operators and with noise of level t.

    Parameters
    ----------
    teacher, fake
        Networks in the teacher's space.
    corruption
        Draws the operators.
    images
        Of the generator, [batch, *corruption.generator_shape].
    keys
        Of the operators, one an image.
    t
        [batch]: noise level.
    noise
        Standard normal, of the teacher's space.
    grain
        The same again: data noise of the operators' level is added to the images first, which makes the branch
        noise-matched.
    deepest
        Whether the fake score's deepest features are wanted too.
    """
    v = corruption.to_teacher(images)
    operator, sigma = corruption.draw(keys)
    if grain is not None:
        v = v + expand(sigma, v) * grain
    further = corruption.further(operator, keys).to(v.device)
    view = corruption.view(further)
    u = view(v + expand(t, v) * noise)
    condition = corruption.condition(further)
    real = teacher(u, t, condition)
    other, features = fake.with_deepest(u, t, condition) if deepest else (fake(u, t, condition), None)
    project = corruption.project
    return Comparison(project(v, further), project(real, further), project(other, further), view, t, features)


def real_inner(a: Tensor, b: Tensor) -> Tensor:
    """Re(conj(a) b) per element."""
    return a.real * b.real + a.imag * b.imag if a.is_complex() else a * b


def sid_loss(pair: Comparison, alpha: float, masked: bool = False, normalised: bool = True) -> Tensor:
    """Score identity distillation; Zhou et al. 2024 (arXiv 2404.04057), eqs. 22-23.

    (r - q) [(r - v) - alpha (r - q)] over the mean of |v - r|, which is taken as a constant. The gradient
    flows through v, r and q, never into the weights of teacher and fake score.

    Parameters
    ----------
    pair
        From `compare`.
    alpha
        1 to 1.2.
    masked
        Let the loss act on what the operator measures only.
    normalised
        Divide by the scale of each item. Without it the loss is quadratic in images and noise, and its
        expectation over Gaussians is exact (`rsd_mri.rsd.linear`).

    Returns
    -------
    Tensor
        [batch], real.
    """
    difference, error = pair.teacher - pair.fake, pair.teacher - pair.image
    if masked:
        # Numerator and scale both see the measured part only, so an emptier mask does not shrink the loss.
        difference, error = pair.view(difference), pair.view(error)
    inner = per_item_mean(real_inner(difference, error - alpha * difference))
    return inner / per_item_mean(error.abs()).clamp_min(1e-5).detach() if normalised else inner


def dmd_loss(pair: Comparison) -> Tensor:
    """Distribution matching distillation; Yin et al. 2024 (arXiv 2311.18828), eqs. 7-8. Returns [batch]."""
    scale = per_item_mean((pair.image - pair.teacher).abs()).clamp_min(1e-5)
    direction = ((pair.fake - pair.teacher) / expand(scale, pair.image)).detach()
    return 0.5 * per_item_mean(squared(pair.image - (pair.image - direction).detach()))


def sds_loss(pair: Comparison) -> Tensor:
    """Score distillation sampling; Poole et al. 2023 (arXiv 2209.14988), eq. 3, without the U-Net Jacobian.

    Returns [batch]. The fake score plays no part.
    """
    scale = per_item_mean((pair.image - pair.teacher).abs()).clamp_min(1e-5)
    direction = ((pair.image - pair.teacher) / expand(scale, pair.image)).detach()
    return 0.5 * per_item_mean(squared(pair.image - (pair.image - direction).detach()))
