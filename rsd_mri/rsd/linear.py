"""The method in the linear Gaussian model, where everything is known in closed form.

Images x = E c with c ~ N(0, I_r) and orthonormal E [d, r]; measurements y = A x + sigma e; a linear
generator G(z) = U z with U [d, k]. Teacher and fake score are the exact denoisers of the measurements and of
the generator's measurements, so what is left is the distillation loss itself: `sid_loss`, as it trains
networks, in exact expectation.

The loss is quadratic in the Gaussians, so its expectation is an exact mean over a few points. At
alpha = 1/2, with the exact fake score, its value is half the Fisher divergence and its gradient, which never
enters the fake score, is the full gradient of that value; it can be minimised by L-BFGS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from rsd_mri.about.plain import Json
from rsd_mri.corruption.identity import Noise
from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.machine.one_thread import one_thread
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.rsd.objectives import compare, sid_loss

LEVELS = (0.1, 0.3, 1.0, 3.0)
OperatorName = Literal["identity", "square", "wide", "masks"]
OPERATORS: tuple[OperatorName, ...] = ("identity", "square", "wide", "masks")
MASKS = 6


@dataclass(frozen=True)
class LinearCase:
    """One setting of the model."""

    d: int
    """Size of an image."""
    r: int
    """Rank of the clean images."""
    k: int
    """Rank of the generator."""
    sigma: float
    operator: OperatorName
    matched: bool
    """Whether the data noise is added to the generator's images too (b = sigma^2), or not (b = 0)."""
    seed: int = 0


class GaussianDenoiser:
    """E[v | v_t] of v ~ N(0, F F^T + b I) and v_t = v + t n, per operator.

    D(v_t, t) = v_t - t^2 (F F^T + (b + t^2) I)^-1 v_t, with the inverse by Woodbury's identity.

    Parameters
    ----------
    factor
        F, [operator, m, rank]. Taken as a constant.
    variance
        b.
    levels
        Noise levels t, [level].
    """

    def __init__(self, factor: Tensor, variance: float, levels: Tensor) -> None:
        self.factor = factor.detach()[:, None]
        self.total = (variance + levels**2)[:, None, None]
        self.gain = (levels**2)[:, None, None] / self.total
        small = self.factor.mT @ self.factor + self.total * torch.eye(factor.shape[-1], dtype=factor.dtype)
        self.weights = torch.linalg.inv(small)

    def __call__(self, u: Tensor, t: Tensor, condition: Condition | None = None) -> Tensor:  # noqa: ARG002
        """Denoise [operator * level * point, m], in this order; the levels are those it was made for."""
        rows = u.reshape(len(self.factor), len(self.gain), -1, u.shape[-1])
        explained = rows @ self.factor @ self.weights @ self.factor.mT
        found: Tensor = (rows - self.gain * (rows - explained)).reshape(u.shape)
        return found


class LinearModel:
    """A case with its matrices, and the distillation loss of a generator."""

    def __init__(self, case: LinearCase, levels: Sequence[float] = LEVELS) -> None:
        self.case = case
        self.levels = torch.tensor(levels, dtype=torch.float64)
        self.subspace = torch.linalg.qr(_normal((case.d, case.r), case, "subspace"))[0]
        self.matrices = draw_matrices(case)
        self.student_variance = case.sigma**2 if case.matched else 0.0
        self.teacher = GaussianDenoiser(self.matrices @ self.subspace, case.sigma**2, self.levels)
        m = self.matrices.shape[1]
        self._points = _sigma_points(case.k, m if self.student_variance else 0, m)
        shape = (len(self.matrices), len(self.levels), len(self._points[0]))
        self._t = self.levels[None, :, None].expand(shape).reshape(-1)
        self._noise = self._points[2].expand(*shape, m).reshape(-1, m)
        self._corruption = Noise((m,), case.sigma, torch.float64)

    def loss(self, u: Tensor, alpha: float) -> Tensor:
        """Expected `sid_loss` of G(z) = U z against the exact fake score, summed over noise levels.

        Each level counts by 1 / t^2, so that at alpha = 1/2 this is half the Fisher divergence
        sum_t t^2 E |score difference|^2. Differentiable in U; the gradient is the generator's in training.
        """
        z, grain, _ = self._points
        made = self.matrices @ u
        images = z @ made.mT
        if self.student_variance:
            images = images + self.student_variance**0.5 * grain
        images = images[:, None].expand(-1, len(self.levels), -1, -1).reshape(len(self._t), -1)
        fake = GaussianDenoiser(made, self.student_variance, self.levels)
        # Plain functions stand in for the two networks.
        pair = compare(self.teacher, fake, self._corruption, images, [], self._t, self._noise)  # type: ignore[arg-type]
        # sid_loss is a mean over the m numbers of a measurement; the divergence is a sum.
        items = sid_loss(pair, alpha, normalised=False) * images.shape[-1] / self._t**2
        return items.mean() * len(self.levels)

    def minimise(self, restarts: int = 1, tolerance: float = 1e-6, steps: int = 150) -> Tensor:
        """Generator U [d, k] of the smallest Fisher divergence, from random starts, by L-BFGS.

        Starts end early at a divergence of zero, which a student with matched noise can reach.
        """
        case = self.case
        best: tuple[float, Tensor] | None = None
        for attempt in range(restarts):
            start = 0.5 * _normal((case.d, case.k), case, "start", attempt) / case.d**0.5
            found = minimize(
                self._value_and_gradient,
                start.numpy().ravel(),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": steps, "ftol": 1e-12, "gtol": tolerance, "maxcor": 20},
            )
            u = torch.from_numpy(found.x.reshape(case.d, case.k))
            if best is None or found.fun < best[0]:
                best = (float(found.fun), u)
            if best[0] < 1e-7:
                break
        return best[1] if best is not None else torch.zeros(case.d, case.k, dtype=torch.float64)

    def _value_and_gradient(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        u = torch.from_numpy(flat.reshape(self.case.d, self.case.k)).requires_grad_()
        value = self.loss(u, 0.5)
        (gradient,) = torch.autograd.grad(value, u)
        return float(value.detach()), gradient.numpy().ravel()


def draw_matrices(case: LinearCase) -> Tensor:
    """A of a case, [operator, m, d].

    One fixed matrix: the identity, or a random one, square or with 3/5 of the rows, whose singular values
    lie between 1/2 and 3/2. Or several random masks, each beside the one that keeps the other half.
    """
    d = case.d
    if case.operator == "identity":
        return torch.eye(d, dtype=torch.float64)[None]
    if case.operator == "masks":
        orders = [torch.randperm(d, generator=_generator(case, "mask", i)) for i in range(MASKS // 2)]
        rows = [half.sort().values for order in orders for half in order.split(d // 2)]
        return torch.eye(d, dtype=torch.float64)[torch.stack(rows)]
    m = d if case.operator == "square" else d * 3 // 5
    left, right = (torch.linalg.qr(_normal((n, m), case, side, n))[0] for n, side in ((m, "left"), (d, "right")))
    found: Tensor = (left * torch.linspace(0.5, 1.5, m, dtype=torch.float64) @ right.T)[None]
    return found


def expected_covariance(model: LinearModel) -> Tensor | None:
    """U U^T in closed form; None where there is none.

    With A = I: E E^T where the student carries the data noise too (any k), and (1 + sigma^2) E E^T where it
    does not and k = r.
    """
    case = model.case
    if case.operator != "identity" or (case.k > case.r and not case.matched):
        return None
    inflation = 1.0 if case.matched else 1 + case.sigma**2
    found: Tensor | None = inflation * model.subspace @ model.subspace.T
    return found


@dataclass(frozen=True)
class LinearResult:
    """What a linear generator G(z) = U z got right of images on a subspace."""

    eigenvalues: list[float]
    """Of U U^T; those of clean images are 1."""
    cosines: list[float]
    """Of the principal angles between its leading directions and the clean images."""
    cosines_seen: list[float]
    """The same on what the operators measure."""
    w2_squared: float
    """Squared Wasserstein distance to the clean images."""
    fisher: float
    """The divergence that was minimised."""
    w2_squared_noisy: float | None = None
    """Distance of noisy images, where everything is measured."""
    error: float | None = None
    """Difference from the closed form, where there is one."""

    def as_dict(self) -> dict[str, Json]:
        """Plain values of what applies."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def angles(self) -> list[float]:
        """Principal angles [degrees]."""
        return [float(a) for a in np.degrees(np.arccos(self.cosines))]

    @property
    def angles_seen(self) -> list[float]:
        """Principal angles on what the operators measure [degrees]."""
        return [float(a) for a in np.degrees(np.arccos(self.cosines_seen))]


@dataclass(frozen=True)
class Distilled:
    """A case, and what its generator got right."""

    case: LinearCase
    result: LinearResult

    def as_dict(self) -> dict[str, Json]:
        """Plain values in one row."""
        return {**vars(self.case), **self.result.as_dict()}


@dataclass(frozen=True)
class DistilledCases:
    """What was found, case by case."""

    cases: tuple[Distilled, ...]

    @property
    def errors(self) -> list[float]:
        """Differences from the closed forms, of the cases that have one."""
        return [one.result.error for one in self.cases if one.result.error is not None]

    @property
    def max_error(self) -> float:
        """The largest of them."""
        return max(self.errors, default=float("nan"))


def describe(model: LinearModel, u: Tensor) -> LinearResult:
    """What a generator U got right: directions and cosines are of its r leading ones, `error` an operator norm."""
    case, e = model.case, model.subspace
    clean, made = torch.linalg.eigvalsh(u.T @ u), u
    rows = model.matrices.reshape(-1, case.d)
    _, values, right = torch.linalg.svd(rows, full_matrices=False)
    measured = right[values > 1e-9 * values[0]].T
    noisy = None
    if case.operator == "identity":
        gap = ((1 + case.sigma**2) ** 0.5 - 1) ** 2
        noisy = case.r * gap + (case.d - case.r) * case.sigma**2
    expected = expected_covariance(model)
    return LinearResult(
        eigenvalues=clean.flip(0).tolist(),
        cosines=_cosines(made, e, case.r),
        cosines_seen=_cosines(measured @ (measured.T @ made), measured @ (measured.T @ e), case.r),
        w2_squared=_w2_squared(made, e),
        fisher=2 * float(model.loss(u, 0.5)),
        w2_squared_noisy=noisy,
        error=None if expected is None else float(torch.linalg.matrix_norm(u @ u.T - expected, ord=2)),
    )


def run_linear(cases: Sequence[LinearCase] | None = None, progress: Progress = SILENT) -> DistilledCases:
    """Distil linear generators.

    Parameters
    ----------
    cases
        What to run; `mini_cases()` by default.
    progress
        Told the share done.
    """
    cases = mini_cases() if cases is None else cases
    found = []
    # The matrices are tiny: on a busy machine threads would wait for each other most of the time.
    with one_thread():
        for case, _ in progress.each(cases):
            model = LinearModel(case)
            found.append(Distilled(case, describe(model, model.minimise())))
    return DistilledCases(tuple(found))


def linear_cases(
    operators: Sequence[OperatorName] = OPERATORS,
    sizes: Sequence[int] = (20, 50),
    ranks: Sequence[int] = (2, 4, 8),
    sigmas: Sequence[float] = (0.0, 0.1, 0.2, 0.5, 1.0),
    seed: int = 0,
) -> list[LinearCase]:
    """The whole grid; k is r or 2 r, and without noise both kinds of student are the same."""
    return [
        LinearCase(d, r, k, sigma, operator, matched, seed)
        for operator in operators
        for d in sizes
        for r in ranks
        for k in (r, 2 * r)
        for sigma in sigmas
        for matched in ((False, True) if sigma else (True,))
    ]


def mini_cases(seed: int = 0) -> list[LinearCase]:
    """Every case that has a closed form; of the other operators the small images and three noise levels."""
    whole = linear_cases(("identity",), seed=seed)
    return whole + linear_cases(("square", "wide", "masks"), (20,), sigmas=(0.0, 0.2, 1.0), seed=seed)


def _sigma_points(*sizes: int) -> tuple[Tensor, ...]:
    """Points whose second moments are those of independent standard normals of these sizes.

    A loss that is even needs no mirrored points.
    """
    n = sum(sizes)
    found: tuple[Tensor, ...] = (torch.eye(n, dtype=torch.float64) * n**0.5).split(list(sizes), dim=1)
    return found


def _cosines(made: Tensor, e: Tensor, r: int) -> list[float]:
    leading = torch.linalg.svd(made, full_matrices=False)[0][:, :r]
    basis = torch.linalg.qr(e)[0]
    found: list[float] = torch.linalg.svdvals(leading.T @ basis).clamp(max=1).tolist()
    return found


def _w2_squared(u: Tensor, e: Tensor) -> float:
    """Squared Wasserstein distance of N(0, U U^T) and N(0, E E^T)."""
    overlap = torch.linalg.svdvals(e.T @ u).sum()
    return float((u.square().sum() + e.shape[1] - 2 * overlap).clamp_min(0))


def _generator(case: LinearCase, *what: int | str) -> torch.Generator:
    return generator(case.seed, "linear", case.d, case.r, *what)


def _normal(shape: tuple[int, ...], case: LinearCase, *what: int | str) -> Tensor:
    return normal(shape, _generator(case, *what), torch.float64)
