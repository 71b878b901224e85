"""Receiver noise of a scan: its covariance over the coils, measured or estimated."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.acs import centre_slice, to_readout_image
from rsd_mri.coils.null_space import null_space_covariance
from rsd_mri.coils.whitening import noise_covariance
from rsd_mri.scan.sampling import fully_sampled_centre
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.silent_coils import silent_coils
from rsd_mri.scan.trajectory import radius

COLUMN_SHARE = 0.05
"""Share of readout positions taken as free of signal to begin with."""
EDGE_SHARE = 0.01
"""Share of the samples that count as the edge of k-space, where there are many."""
MAX_CENTRE = 24
"""Lines of the centre looked at for its null space."""
MAX_SLICES = 2
"""Slices looked at for it."""
WORTH_IT = {"kspace": 1.0, "lines": 0.65}
"""The null space is believed where its noise power is below this share of what was found there: its own error is near
10 % in amplitude, that of readout positions which are truly empty 1 %."""
BAD_SHARE = 0.05
"""Share of the readout at either end where samples may be bad: the receiver settles, a filter falls off."""
LOUD, QUIET = 4.0, 0.2
"""Power over that of the samples further in, beyond which those at an end are bad."""


def scan_noise(scan: Scan) -> tuple[NDArray[np.complex128] | None, str]:
    """Estimate the noise covariance of a scan, in the unit of its k-space.

    From the noise scan where there is one that is not all zeros. Otherwise parts of the data that should hold
    little but noise are tried: the edge of k-space (`kspace`), readout positions outside the object (`lines`), and
    what neighbouring samples do not explain in the fully sampled centre (`calibration`). Signal left in any of them
    only adds power, so the quietest is taken.

    Returns
    -------
    covariance
        [coil, coil], or None where the data hold no measurable noise.
    source
        `scan`, `lines`, `calibration`, `kspace` or `none`.
    """
    if scan.noise is not None and scan.noise.shape[-1] >= 10 * scan.n_coils and scan.noise.any():
        silent = silent_coils(scan.noise)
        covariance = noise_covariance(scan.noise)
        return (_completed(covariance, silent, data_noise(scan)[0]) if silent.any() else covariance), "scan"
    return data_noise(scan)


def _completed(
    covariance: NDArray[np.complex128], silent: NDArray[np.bool_], estimate: NDArray[np.complex128] | None
) -> NDArray[np.complex128]:
    """Covariance with the variance of silent coils from an estimate, brought to the level of the others."""
    measured = np.diag(covariance).real
    typical = float(np.median(measured[~silent]))
    variances = np.full(len(measured), typical)
    if estimate is not None:
        level = np.diag(estimate).real
        heard = ~silent & (level > 0)
        if heard.any():
            guess = level * float(np.median(measured[heard] / level[heard]))
            variances = np.where(guess > 1e-3 * typical, guess, typical)
    found: NDArray[np.complex128] = covariance.copy()
    found[silent], found[:, silent] = 0, 0
    found[silent, silent] = variances[silent]
    return found


def data_noise(scan: Scan) -> tuple[NDArray[np.complex128] | None, str]:
    """Estimate the noise covariance from the data alone, as `scan_noise` does without a noise scan."""
    sound = sound_readout(scan)
    covariance, source = edge_covariance(scan, sound), "kspace"
    if scan.mask.ndim == 1:
        background = background_covariance(scan, sound)
        if _power(background) < _power(covariance):
            covariance, source = background, "lines"
    middle = scan.size[0] // 2 if scan.trajectory is None else int(_distance(scan).min(axis=1).argmin())
    acquired = scan.kspace[:, :, middle][..., np.broadcast_to(scan.mask, scan.size)[middle]]
    signal = float(np.mean(np.abs(acquired) ** 2, dtype=np.float64))
    if _power(covariance) <= 1e-12 * signal:
        return None, "none"
    if scan.trajectory is not None:
        return covariance, source
    unexplained = null_space_covariance(_centre(scan, sound), covariance)
    if _power(unexplained) < WORTH_IT[source] * _power(covariance):
        covariance, source = unexplained, "calibration"
    return covariance, source


def _centre(scan: Scan, sound: NDArray[np.bool_]) -> NDArray[np.complex64]:
    """The fully sampled centre of a few slices; of whole lines all sound readout samples."""
    height, width = fully_sampled_centre(scan.mask, scan.size)
    places = np.flatnonzero(sound)
    if scan.mask.ndim == 1 and len(places):
        rows = slice(int(places[0]), int(places[-1]) + 1)
    else:
        rows = centre_slice(scan.size[0], height)
    columns = centre_slice(scan.size[1], min(MAX_CENTRE, width))
    return np.stack([scan.kspace[index][:, rows, columns].copy() for index in _evenly(scan.n_slices, MAX_SLICES)])


def _power(covariance: NDArray[np.complex128]) -> float:
    return float(np.trace(covariance).real) / len(covariance)


def _evenly(n: int, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, count)).round().astype(np.int64))


def edge_covariance(scan: Scan, sound: NDArray[np.bool_] | None = None) -> NDArray[np.complex128]:
    """Covariance of the acquired samples farthest from the centre of k-space, in units of its half-widths.

    `sound` is `sound_readout(scan)` where it is known.
    """
    sound = sound_readout(scan) if sound is None else sound
    mask = np.broadcast_to(scan.mask, scan.size) & sound[:, None]
    if not mask.any():
        return np.zeros((scan.n_coils, scan.n_coils), dtype=np.complex128)
    distance = np.where(mask, _distance(scan), 0)
    # As few as give a covariance: every step towards the centre brings signal.
    share = max(EDGE_SHARE, 10 * scan.n_coils / (scan.n_slices * mask.sum()))
    farthest = distance >= np.quantile(distance[mask], 1 - min(share, 1))
    return noise_covariance(np.moveaxis(scan.kspace[..., farthest & mask], 1, 0))


def _distance(scan: Scan) -> NDArray[np.floating]:
    """Distance of every sample from the centre of k-space, [readout, phase_encode]."""
    if scan.trajectory is not None:
        return radius(scan.trajectory, scan.matrix)
    readout, lines = (np.abs(np.arange(n) - n // 2) / (n / 2) for n in scan.size)
    found: NDArray[np.float64] = readout[:, None] + lines
    return found


def sound_readout(scan: Scan) -> NDArray[np.bool_]:
    """Tell which samples of the readout are as good as the others, [readout].

    A partial echo or zero padding leaves zeros. Besides, up to `BAD_SHARE` of those recorded at either end are left
    out where their power jumps up or down against those further in.
    """
    n_readout, n_lines = scan.size
    outer = np.abs(np.arange(n_lines) - n_lines // 2) >= n_lines / 4
    mask = np.broadcast_to(scan.mask, scan.size)
    looked_at = mask & outer if (mask & outer).any() else mask
    power = np.zeros(n_readout)
    sound: NDArray[np.bool_] = np.zeros(n_readout, dtype=bool)
    for one in scan.kspace:
        sound |= ((one != 0).any(axis=0) & mask).any(axis=1)
        power += (np.abs(one) ** 2 * looked_at).sum(axis=(0, 2), dtype=np.float64)
    counts = looked_at.sum(axis=1) * scan.n_coils * scan.n_slices
    places = np.flatnonzero(sound)
    reach = round(BAD_SHARE * len(places))
    good: NDArray[np.bool_] = sound.copy()
    for inwards in (places, places[::-1]):
        further = inwards[reach : 3 * reach + 1]
        further = further[counts[further] > 0]
        usual = float(np.median(power[further] / counts[further])) if reach and len(further) else 0.0
        ends = inwards[:reach]
        # Of a few samples the power scatters by itself.
        loud = np.maximum(LOUD, 1 + 5 / np.sqrt(np.maximum(counts[ends], 1)))
        ratio = power[ends] / np.maximum(counts[ends] * usual, np.finfo(float).tiny)
        bad = (counts[ends] >= 16) & ((ratio > loud) | (ratio < QUIET)) & (usual > 0)
        if bad.any():
            good[ends[: int(np.flatnonzero(bad)[-1]) + 1]] = False
    return good


def background_covariance(scan: Scan, sound: NDArray[np.bool_]) -> NDArray[np.complex128]:
    """Covariance over the readout positions with the least power, in the outer half of the acquired lines.

    `sound` is `sound_readout(scan)`: a bad sample would spread over all positions.
    """
    acquired = np.flatnonzero(scan.mask)
    far = np.abs(acquired - scan.size[1] // 2)
    outer = acquired[far >= np.median(far)]

    def hybrid(index: int) -> NDArray[np.complex64]:
        """Coil, readout position, outer line of one slice; all slices at once would take as much as the scan."""
        return to_readout_image(scan.kspace[index][..., outer] * sound[:, None])

    power = np.stack([np.mean(np.abs(hybrid(index)) ** 2, axis=(0, 2)) for index in range(scan.n_slices)])
    power = np.where(power > 0, power, np.inf)
    n_start = max(4, round(COLUMN_SHARE * np.isfinite(power).sum()))
    quiet = np.sort(power, axis=None)[:n_start]
    # Positions of noise alone scatter by 1 / sqrt(samples); take all that fit the quiet ones.
    limit = np.median(quiet) * (1 + 4 / np.sqrt(scan.n_coils * len(outer)))
    chosen = power <= max(limit, quiet[-1])
    covariance: NDArray[np.complex128] = np.zeros((scan.n_coils, scan.n_coils), dtype=np.complex128)
    for index in np.flatnonzero(chosen.any(axis=1)):
        # Every position has as many lines as the others, so it counts for its share of them.
        covariance += noise_covariance(hybrid(int(index))[:, chosen[index]]) * (chosen[index].sum() / chosen.sum())
    # Zeros in the readout hold no noise; the transform spreads that of the others over all positions.
    whole: NDArray[np.complex128] = covariance / max(float(sound.mean()), 1 / len(sound))
    return whole
