"""Coil compression by principal components (Buehrer et al. 2007, doi:10.1002/mrm.21237)."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.heard import ROUNDING


def compression_matrix(
    calibration: NDArray[np.complexfloating], virtual_coils: int, coil_energy: float = 1.0
) -> tuple[NDArray[np.complex128], float]:
    """Find the combinations of coils that hold the most energy.

    Parameters
    ----------
    calibration
        Whitened samples [slice, coil, ...] complex.
    virtual_coils
        Combinations kept, at most; those that hold nothing, as of a dead coil, are none.
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
    # Slice by slice: copies of all slices of a volume would take more than its coil maps.
    slices = [one.reshape(len(one), -1) for one in calibration]
    gram = np.sum([one @ one.conj().T for one in (s.astype(np.complex128) for s in slices)], axis=0)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    total = float(values.sum())
    shares = np.cumsum(values) / total if total > 0 else np.ones(len(values))
    enough = int(np.searchsorted(shares, coil_energy * (1 - 1e-12))) + 1 if coil_energy < 1 else len(values)
    n_virtual = max(1, min(virtual_coils, int((values > ROUNDING * values[0]).sum()), enough))
    matrix = vectors[:, :n_virtual].conj().T
    turn = np.sum([(virtual * np.abs(virtual)).sum(axis=1) for virtual in (matrix @ s for s in slices)], axis=0)
    size = np.abs(turn)
    phase = np.where(size > 0, turn.conj() / np.where(size > 0, size, 1), 1)
    return matrix * phase[:, None], float(min(shares[n_virtual - 1], 1.0))
