"""The noise covariance over the coils, and the transform that makes noise white with variance one."""

import numpy as np
from numpy.typing import NDArray


def noise_covariance(samples: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
    """Covariance of noise samples: the mean of n n^H. The mean is not subtracted: noise has none.

    Parameters
    ----------
    samples
        [coil, ...] complex, left as it is.

    Returns
    -------
    NDArray
        [coil, coil]; the diagonal is E|n|^2 of each coil.
    """
    flat = samples.reshape(samples.shape[0], -1).astype(np.complex128)
    found: NDArray[np.complex128] = (flat @ flat.conj().T) / max(flat.shape[1], 1)
    return found


def whitening_matrix(
    covariance: NDArray[np.complex128],
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return W with W C W^H = 1, and its inverse.

    A covariance without full rank (a dead coil, too few samples) is lifted by 1e-12 of its largest
    eigenvalue.
    """
    largest = float(np.linalg.eigvalsh(covariance)[-1])
    lifted = covariance + 1e-12 * largest * np.eye(len(covariance))
    factor: NDArray[np.complex128] = np.linalg.cholesky(lifted).astype(np.complex128)
    return np.linalg.inv(factor).astype(np.complex128), factor
