"""Receiver noise: its covariance over the coils, and the transform that makes it white with variance one."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.calibration import to_readout_image
from rsd_mri.scan.scan import Scan

COLUMN_SHARE = 0.05
"""Share of readout positions taken as free of signal to begin with."""


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
    return (flat @ flat.conj().T) / max(flat.shape[1], 1)


def whitening_matrix(
    covariance: NDArray[np.complex128],
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return W with W C W^H = 1, and its inverse.

    A covariance without full rank (a dead coil, too few samples) is lifted by 1e-9 of its largest
    eigenvalue.
    """
    largest = float(np.linalg.eigvalsh(covariance)[-1])
    lifted = covariance + 1e-9 * largest * np.eye(len(covariance))
    factor = np.linalg.cholesky(lifted)
    return np.linalg.inv(factor), factor


def scan_noise(scan: Scan) -> tuple[NDArray[np.complex128] | None, str]:
    """Estimate the noise covariance of a scan, in the unit of its k-space.

    From the noise scan where there is one. Otherwise two parts of the data that should hold little but
    noise are tried: readout positions outside the object in the lines far from the centre (`lines`), and
    the edge of k-space (`kspace`). What signal is left in either only adds power, so the quieter one is
    taken.

    Returns
    -------
    covariance
        [coil, coil], or None where the data hold no measurable noise.
    source
        `scan`, `lines`, `kspace` or `none`.
    """
    if scan.noise is not None and scan.noise.shape[-1] >= scan.n_coils:
        return noise_covariance(scan.noise), "scan"
    candidates = [(edge_covariance(scan), "kspace")]
    if scan.mask.ndim == 1:
        candidates.append((background_covariance(scan), "lines"))
    covariance, source = min(candidates, key=lambda c: float(np.trace(c[0]).real))
    energy = float(np.mean(np.abs(scan.kspace[:, :, scan.size[0] // 2]) ** 2))
    if float(np.trace(covariance).real) / scan.n_coils <= 1e-12 * energy:
        return None, "none"
    return covariance, source


def edge_covariance(scan: Scan) -> NDArray[np.complex128]:
    """Covariance of the acquired samples farthest from the centre of k-space, in units of its half-widths."""
    n_readout, n_lines = scan.size
    readout = np.abs(np.arange(n_readout) - n_readout // 2) / (n_readout / 2)
    lines = np.abs(np.arange(n_lines) - n_lines // 2) / (n_lines / 2)
    mask = np.broadcast_to(scan.mask, scan.size)
    distance = np.where(mask, np.minimum(readout[:, None], 1) + lines, 0)
    farthest = distance >= np.quantile(distance[mask], 0.95)
    return noise_covariance(np.moveaxis(scan.kspace, 1, 0)[..., farthest & mask])


def background_covariance(scan: Scan) -> NDArray[np.complex128]:
    """Covariance over the readout positions with the least power, in the outer half of the acquired lines."""
    acquired = np.flatnonzero(scan.mask)
    far = np.abs(acquired - scan.size[1] // 2)
    outer = acquired[far >= np.median(far)]
    hybrid = to_readout_image(scan.kspace[..., outer])
    power = np.mean(np.abs(hybrid) ** 2, axis=(0, 1, 3))
    n_start = max(4, round(COLUMN_SHARE * len(power)))
    quiet = np.sort(power)[:n_start]
    # Columns of noise alone scatter by 1 / sqrt(samples); take all that fit the quiet ones.
    samples = hybrid.shape[0] * hybrid.shape[1] * hybrid.shape[3]
    limit = np.median(quiet) * (1 + 4 / np.sqrt(samples))
    chosen = power <= max(limit, quiet[-1])
    return noise_covariance(np.moveaxis(hybrid, 1, 0)[:, :, chosen])
