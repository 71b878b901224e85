"""The linear theory: generators whose distillation has a closed form."""

from rsd_mri.rsd.linear import LinearCase, LinearModel, OperatorName, describe
from rsd_mri.rsd.linear import LinearResult as LinearResult


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
    return describe(model, model.minimise(restarts, steps=steps))
