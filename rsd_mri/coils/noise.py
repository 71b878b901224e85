"""Receiver noise of a scan: its covariance over the coils, measured or estimated."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.coils.background import background
from rsd_mri.coils.heard import heard, of_all_coils
from rsd_mri.coils.null_space import null_space_covariance
from rsd_mri.coils.passband import in_passband
from rsd_mri.coils.steepness import falls_steeply
from rsd_mri.coils.whitening import noise_covariance, whitening_matrix
from rsd_mri.machine.evenly import evenly
from rsd_mri.scan.middle import centre_slice
from rsd_mri.scan.sampling import fully_sampled_centre
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.silent_coils import silent_coils
from rsd_mri.scan.trajectory import radius

EDGE_SHARE = 0.01
"""Share of the samples that count as the edge of k-space, where there are many."""
MAX_CENTRE = 24
"""Lines of the centre looked at for its null space."""
MAX_SLICES = 2
"""Slices looked at for it."""
WORTH_IT = {"kspace": 1.0, "lines": 0.65}
"""The null space is believed where its noise power is below this share of what was found there: its own error is near
10 % in amplitude, that of readout positions which are truly empty 1 %."""
FILTERED = 2.0
"""Noise power of the centre over that of the edge above which the edge was filtered: signal only adds to that, and of
white noise the null space finds at most 1.1 times as much. As many times its power others may find in the centre."""
MOST_BELOW = 3.0
"""By how much the level that data are weighed by lies below the mean at most: by so much the quiet edge of low-field
scans did."""
BELOW = 1.5
"""By how much it lies below the noise of lines of which a filter was taken away: weighed by all of it, the posterior
keeps less of what is one or two pixels wide in low-field scans; by half of it, it loses decibels (docs/choices.md)."""
BLOCKS = 8
"""Blocks of k-space along either axis, from its centre to its edge, in which noise is taken as the same."""
BAD_SHARE = 0.05
"""Share of the readout at either end where samples may be bad: the receiver settles, a filter falls off."""
LOUD, QUIET = 4.0, 0.2
"""Power over that of the samples further in, beyond which those at an end are bad."""


@dataclass(frozen=True)
class ScanNoise:
    """What is known of the noise of a scan."""

    covariance: NDArray[np.complex128] | None
    """[coil, coil], in the unit of its k-space: what its data are weighed by; None where no noise can be measured.
    Under a `taper` in the centre of k-space."""
    source: str
    """`scan`, `lines`, `calibration`, `kspace` or `none`."""
    mean: float = 1.0
    """Level of the noise of what was acquired over that, root mean square: above 1 where a filter of k-space took some
    of it down, and no positions outside the object tell by how much where. The data are then weighed by the part with
    least noise: there they tell what no other part does, while in the centre signal is far above noise."""
    unevenness: float = 1.0
    """Noise where it is strongest in k-space over that where it is weakest, amplitudes."""
    taper: NDArray[np.float32] | None = None
    """[phase_encode]: noise of every line over that of the centre, amplitudes, as a filter of k-space left it; None
    where it is the same for all, or unknown."""


def scan_noise(scan: Scan) -> ScanNoise:
    """Estimate the noise covariance of a scan.

    From the noise scan where there is one that is not all zeros. Otherwise parts of the data that should hold
    little but noise are tried: the edge of k-space (`kspace`), readout positions outside the object (`lines`), and
    what neighbouring samples do not explain in the fully sampled centre (`calibration`). Signal left in any of them
    only adds power, so the quietest is taken; an oversampled readout is cut to the image before, where the receiver's
    filter made its ends quieter. Where a filter took the edge of k-space down, positions outside the
    object show by how much in every line; where there are none, the centre tells what the mean is.
    """
    if scan.noise is not None and scan.noise.shape[-1] >= 10 * scan.n_coils and scan.noise.any():
        silent = silent_coils(scan.noise)
        covariance = noise_covariance(scan.noise)
        if silent.any():
            covariance = _completed(covariance, silent, data_noise(scan).covariance)
        return ScanNoise(covariance, "scan")
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


def data_noise(scan: Scan) -> ScanNoise:
    """Estimate the noise covariance from the data alone, as `scan_noise` does without a noise scan."""
    full, combinations = heard(scan)
    found = _noise_of(full)
    if found.covariance is None:
        return found
    return replace(found, covariance=of_all_coils(found.covariance, combinations))


def _noise_of(scan: Scan) -> ScanNoise:
    """Noise of a scan of which every coil and every slice holds data of its own."""
    scan = in_passband(scan)
    sound = sound_readout(scan)
    covariance, source, outside = edge_covariance(scan, sound), "kspace", None
    if scan.mask.ndim == 1:
        outside = background(scan, sound)
        if _power(outside.outer) < _power(covariance):
            covariance, source = outside.outer, "lines"
    middle = scan.size[0] // 2 if scan.trajectory is None else int(_distance(scan).min(axis=1).argmin())
    acquired = scan.kspace[:, :, middle][..., np.broadcast_to(scan.mask, scan.size)[middle]]
    signal = float(np.mean(np.abs(acquired) ** 2, dtype=np.float64))
    if _power(covariance) <= 1e-12 * signal:
        return ScanNoise(None, "none")
    if scan.trajectory is not None:
        return ScanNoise(covariance, source)
    unexplained = null_space_covariance(_centre(scan, sound), covariance)
    quiet, allowed = _power(covariance), FILTERED * _power(unexplained)
    # Signal falls off from the centre as well, but is more there than what the coils do not explain.
    if outside is not None and outside.taper is not None and _power(outside.central) < allowed:
        there = outside.taper[scan.mask]
        unevenness = float(there.max() / there.min())
        return ScanNoise(outside.central / BELOW**2, "lines", BELOW, unevenness, outside.taper)
    if _power(unexplained) < WORTH_IT[source] * quiet:
        return ScanNoise(unexplained, "calibration")
    # One coil relates samples by the outline of the object alone, which a square centre may hold no empty part of.
    related = scan.n_coils > 1 or scan.mask.ndim == 1
    if _power(unexplained) > FILTERED * quiet and (related or falls_steeply(scan)):
        share, unevenness = filtered_share(scan, unexplained)
        return _uneven(unexplained * share, "calibration", quiet, unevenness)
    return ScanNoise(covariance, source)


def _uneven(covariance: NDArray[np.complex128], source: str, quiet: float, unevenness: float) -> ScanNoise:
    """Noise of this mean covariance, of which a quiet part has that power."""
    mean = float(np.clip(np.sqrt(_power(covariance) / quiet), 1.0, MOST_BELOW))
    return ScanNoise(covariance / mean**2, source, mean, unevenness)


def _centre(scan: Scan, sound: NDArray[np.bool_]) -> NDArray[np.complex64]:
    """The fully sampled centre of a few slices; of whole lines all sound readout samples."""
    height, width = fully_sampled_centre(scan.mask, scan.size)
    places = np.flatnonzero(sound)
    if scan.mask.ndim == 1 and len(places):
        rows = slice(int(places[0]), int(places[-1]) + 1)
    else:
        rows = centre_slice(scan.size[0], height)
    columns = centre_slice(scan.size[1], min(MAX_CENTRE, width))
    return np.stack([scan.kspace[index][:, rows, columns].copy() for index in evenly(scan.n_slices, MAX_SLICES)])


def filtered_share(scan: Scan, centre: NDArray[np.complex128]) -> tuple[float, float]:
    """Noise power of what was acquired over that of the centre, where a filter took the edge of k-space down.

    Where there is less power than in the noise of the centre, that is all the noise there can be; elsewhere the noise
    is taken as that of the centre, so that the level is too high rather than too low.

    Parameters
    ----------
    scan
        On a Cartesian grid.
    centre
        [coil, coil], covariance of the noise in its centre.

    Returns
    -------
    tuple
        Mean share of the power; and the noise where it is strongest over that where it is weakest, amplitudes.
    """
    mask = np.broadcast_to(scan.mask, scan.size)
    rows, columns = (BLOCKS * np.abs(np.arange(n) - n // 2) // (n // 2 + 1) for n in scan.size)
    block = (rows[:, None] * BLOCKS + columns)[mask]
    whiten = whitening_matrix(centre)[0]
    power = np.zeros(BLOCKS**2)
    for one in scan.kspace:
        white = np.abs(np.einsum("vc,cn->vn", whiten, one[:, mask])) ** 2
        power += np.bincount(block, white.mean(axis=0), BLOCKS**2) / scan.n_slices
    count = np.bincount(block, minlength=BLOCKS**2)
    there = count > 0
    share = np.minimum(power[there] / count[there], 1.0)
    least = float(np.quantile(share, 0.05))
    return float(np.average(share, weights=count[there])), float(1 / np.sqrt(max(least, 1e-6)))


def _power(covariance: NDArray[np.complex128]) -> float:
    return float(np.trace(covariance).real) / len(covariance)


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
