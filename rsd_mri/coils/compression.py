"""Coil compression by principal components (Buehrer et al. 2007, doi:10.1002/mrm.21237)."""

import numpy as np
from numpy.typing import NDArray


def compression_matrix(
    calibration: NDArray[np.complexfloating], virtual_coils: int, coil_energy: float = 1.0
) -> tuple[NDArray[np.complex128], float]:
    """Find the combinations of coils that hold the most energy.

    Parameters
    ----------
    calibration
        Whitened samples [slice, coil, ...] complex.
    virtual_coils
        Combinations kept, at most.
    coil_energy
        Stop once this share of the energy is kept.

    Returns
    -------
    matrix
        [virtual coil, coil] with orthonormal rows, the strongest first. The phase of each is fixed by the
        data, so that a unitary mixing of the coils gives the same virtual coils.
    energy_kept
        Share of the energy of `calibration` in the virtual coils.
    """
    samples = np.moveaxis(calibration, 1, 0).reshape(calibration.shape[1], -1).astype(np.complex128)
    values, vectors = np.linalg.eigh(samples @ samples.conj().T)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    total = float(values.sum())
    shares = np.cumsum(values) / total if total > 0 else np.ones(len(values))
    enough = int(np.searchsorted(shares, coil_energy * (1 - 1e-12))) + 1 if coil_energy < 1 else len(values)
    n_virtual = max(1, min(virtual_coils, len(values), enough))
    matrix = vectors[:, :n_virtual].conj().T
    virtual = matrix @ samples
    turn = (virtual * np.abs(virtual)).sum(axis=1)
    size = np.abs(turn)
    phase = np.where(size > 0, turn.conj() / np.where(size > 0, size, 1), 1)
    return matrix * phase[:, None], float(min(shares[n_virtual - 1], 1.0))
