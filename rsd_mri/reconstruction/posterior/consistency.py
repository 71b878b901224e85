"""Agreement with the data, forced at the end."""

from torch import Tensor

from rsd_mri.operators import LinearOperator
from rsd_mri.operators.conjugate_gradient import conjugate_gradient


def measured_consistency(
    operator: LinearOperator, image: Tensor, adjoint_kspace: Tensor, iterations: int = 20
) -> Tensor:
    """Replace the measured part of an image: z + A^+ (y - A z), arXiv 2606.28448, ideal form.

    Parameters
    ----------
    operator
        A.
    image
        z.
    adjoint_kspace
        A^H y.
    iterations
        Of conjugate gradients on the normal equations, from zero: the pseudo-inverse to that order.
    """
    gram = operator.gram
    return image + conjugate_gradient(gram, adjoint_kspace - gram(image), None, iterations, 1e-4)
