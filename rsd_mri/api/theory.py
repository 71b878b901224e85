"""The linear theory: generators whose distillation has a closed form."""

from dataclasses import dataclass

import numpy as np

from rsd_mri.rsd.linear import LinearCase, LinearModel, OperatorName, describe


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

    @property
    def angles(self) -> list[float]:
        """Principal angles [degrees]."""
        return [float(a) for a in np.degrees(np.arccos(self.cosines))]

    @property
    def angles_seen(self) -> list[float]:
        """Principal angles on what the operators measure [degrees]."""
        return [float(a) for a in np.degrees(np.arccos(self.cosines_seen))]


def distil_linear(
    d: int = 20,
    r: int = 3,
    k: int = 3,
    sigma: float = 0.2,
    operator: OperatorName = "identity",
    matched: bool = True,
    *,
    seed: int = 0,
    restarts: int = 1,
    steps: int = 150,
) -> LinearResult:
    """Distil a linear generator from a teacher that is known exactly.

    Parameters
    ----------
    d, r, k
        Size of an image, dimension of the clean images, and of the generator's noise.
    sigma
        Noise of the data.
    operator
        `identity`, `square`, `wide` or `masks`.
    matched
        The student's images carry the data's noise too.
    seed, restarts, steps
        Of the search.
    """
    model = LinearModel(LinearCase(d, r, k, sigma, operator, matched, seed))
    return LinearResult(**describe(model, model.minimise(restarts, steps=steps)))
