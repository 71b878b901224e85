"""Half widths of intervals: by a calibration, by the package's, by the scan's own lines left out."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from rsd_mri.errors import InputError
from rsd_mri.priors import PRIORS
from rsd_mri.priors.usual_lines import FILE, usual_at, usual_lines_of
from rsd_mri.reconstruction.calibration import Calibration, deviation_of, made_by, read_calibration
from rsd_mri.reconstruction.full_scans import body_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, DiffPIR
from rsd_mri.results.reconstruction import PosteriorPart, Reconstruction

HARDER = 0.12
"""By how much lines left out, which leave a hole, are harder to predict than lines never acquired: difference of the
logarithms on scans whose image is known (protocols/trust.md). The width is not shortened by it, for the images of
patients need it; it counts to how far the width may be off."""
OWN_COVERAGE = 0.9
"""What an interval from the scan's own lines is to cover."""
OF_LINES, OF_POINTS, PACKAGE_SCATTER = 0.3, 0.13, 0.5
"""By how much the logarithm of the width misses, whole scans apart: by a scan's own lines, or groups of points, beyond
what their differences say (those never acquired are not quite like them), and by the package's calibration."""


def with_interval(rec: Reconstruction, calibration: Calibration) -> Reconstruction:
    """Add the calibrated half width, and say where the calibration does not fit.

    Raises
    ------
    InputError
        If the reconstruction has no standard deviation.
    """
    if rec.posterior is None or not rec.posterior.std.any():
        raise InputError(
            f"--calibration needs two posterior samples or more; take --method posterior --samples "
            f"{calibration.samples}"
        )
    notes = [
        f"The half width covers {calibration.coverage:.0%} of the body in at least {calibration.confidence:.0%} of "
        f"images like the {calibration.images} it was calibrated on, and says nothing of others"
    ]
    sampler, levels, hashed = made_by(rec.method, rec.parameters, rec.prior)
    differs = {
        "prior": hashed != calibration.prior_hash,
        "sampler": sampler != calibration.sampler,
        "number of levels": levels != calibration.levels,
        "number of samples": rec.parameters.get("samples", 1) != calibration.samples,
        "kind of sampling": (rec.mask.ndim == 1) != calibration.along_lines,
        "acceleration": abs(rec.acceleration / calibration.acceleration - 1) > 0.2,
    }
    if any(differs.values()):
        names = ", ".join(name for name, other in differs.items() if other)
        notes.append(f"The calibration was made with another {names}: its coverage does not hold here")
    return _with_half_width(rec, rec.posterior, calibration.factor, calibration.coverage, *notes)


def with_own_interval(rec: Reconstruction) -> Reconstruction:
    """Add the half width that the package's calibration and the scan's own lines together give.

    The package's calibration, where it has one of this prior, sampler and number of levels (of several that with the
    nearest acceleration), says how wide the interval is on simulated heads; acquired lines left out of this scan, how
    large the error is here (`own_factor`), drawn towards what such lines usually say of this sampler (`drawn`), where
    that was measured. Both are taken for what they are worth: the mean of their logarithms, weighted by how well each
    is known. For patterns in two
    directions, which the package was not calibrated on, and for other samplers the lines speak alone. Without either,
    or without a standard deviation, nothing is added. By what factor the width itself may be off, with 90 %, is
    `half_width_within` of the checks.
    """
    if rec.posterior is None or rec.prior is None or not rec.posterior.std.any():
        return rec
    known = [read_calibration(path) for path in sorted(PRIORS.glob("*/calibration-*.json"))]
    made, deviation = made_by(rec.method, rec.parameters, rec.prior), deviation_of(rec.parameters)
    fitting = [c for c in known if (c.sampler, c.levels, c.prior_hash) == made and c.deviation == deviation]
    nearest = min(fitting, key=lambda c: abs(math.log(c.acceleration / rec.acceleration)), default=None)
    along_lines = rec.mask.ndim == 1
    ratio, lines, how = _by_lines(rec, made)
    own = own_factor(rec, ratio)
    if own is None:
        if nearest is None:
            return rec
        note = (
            "That calibration is the package's, on simulated heads, and nothing of this scan checked it; make your "
            "own with `rsd-mri calibrate`"
        )
        done = with_interval(rec, nearest)
        return _known_to(PACKAGE_SCATTER, replace(done, notes=(*done.notes, note)))
    if nearest is None or not along_lines:
        note = (
            f"The half width is to cover {OWN_COVERAGE:.0%} of the body; its scale is from acquired lines left out of "
            f"this scan{how}"
        )
        return _known_to(lines, _with_half_width(rec, rec.posterior, own, OWN_COVERAGE, note))
    weight = PACKAGE_SCATTER**2 / (PACKAGE_SCATTER**2 + lines**2)
    scale = (own / nearest.factor) ** weight
    note = (
        f"The half width is to cover {nearest.coverage:.0%} of the body: that of simulated heads, times {scale:.2f} by "
        f"the acquired lines left out of this scan{how}"
    )
    done = _with_half_width(rec, rec.posterior, nearest.factor * scale, nearest.coverage, note)
    return _known_to(math.sqrt(weight) * lines, done)


def drawn(factor: float, error: float, usual: tuple[float, float]) -> tuple[float, float]:
    """A factor that few lines show, drawn towards the usual one: the mean of a normal law given both.

    Half of what it differs by from scan to scan says nothing of the scan (protocols/trust.md).

    Parameters
    ----------
    factor, error
        What the lines say, and the standard error of its logarithm.
    usual
        What lines usually say, and by how much its logarithm differs between scans.

    Returns
    -------
    tuple
        The factor, and the standard error of its logarithm.
    """
    mean, scatter = math.log(usual[0]), usual[1]
    share = scatter**2 / (scatter**2 + error**2)
    return math.exp(mean + share * (math.log(factor) - mean)), math.sqrt(share) * error


def _by_lines(rec: Reconstruction, made: tuple[str, int, str]) -> tuple[float | None, float, str]:
    """Factor by the scan's own lines, what the logarithm of the width misses by it, and how it was found."""
    along_lines, ratio = rec.mask.ndim == 1, rec.checks.get("own_lines_factor")
    error = math.hypot(OF_LINES if along_lines else OF_POINTS, rec.checks.get("own_lines_error", 0.0))
    table = [row for path in sorted(PRIORS.glob(f"*/{FILE}")) for row in usual_lines_of(path)]
    usual = usual_at(table, made, along_lines, rec.acceleration)
    if ratio is None or usual is None:
        return ratio, error, ""
    factor, error = drawn(ratio, error, usual)
    return factor, math.hypot(error, HARDER * along_lines), " and from what they usually say of this sampler"


def own_factor(rec: Reconstruction, ratio: float | None) -> float | None:
    """Half width over standard deviation by the scan's own lines; None where they are too few, or there is no spread.

    Error over spread on lines left out (`ratio`), times the samples' spread in the body, is the size of the image's
    error there: over frequencies the spread falls off as the error does, however much too small it is. To it comes the
    noise of what was acquired, which the samples do not have. The standard deviation gives the shape alone, wherever it
    is from: twice as large everywhere, it makes the same interval.
    """
    if ratio is None or rec.posterior is None or rec.samples is None or len(rec.samples) < 2:
        return None
    size, shape, noise = 0.0, 0.0, rec.checks.get("noise", 0.0)
    for image, samples, std in zip(rec.magnitude, rec.samples.swapaxes(0, 1), rec.posterior.std, strict=True):
        body = body_of(image)
        size += float((ratio**2 * samples[:, body].var(axis=0, ddof=1) + noise**2).sum())
        shape += float(np.square(std[body]).sum())
    if not size or not shape:
        return None
    return NormalDist().inv_cdf((1 + OWN_COVERAGE) / 2) * longer_of(rec) * math.sqrt(size / shape)


def longer_of(rec: Reconstruction) -> float:
    """`Sampler.longer` of what drew the samples; that of the default where it is unknown."""
    return SAMPLERS.get(str(rec.parameters.get("sampler")), DiffPIR()).longer


def _with_half_width(
    rec: Reconstruction, posterior: PosteriorPart, factor: float, coverage: float, *notes: str
) -> Reconstruction:
    posterior = replace(posterior, half_width=(factor * posterior.std).astype(np.float32))
    checks = {**rec.checks, "half_width_coverage": coverage}
    return replace(rec, posterior=posterior, notes=(*rec.notes, *notes), checks=checks)


def _known_to(error: float, rec: Reconstruction) -> Reconstruction:
    """Say by what factor the half width may be off, of which the logarithm has a standard error."""
    within = math.exp(NormalDist().inv_cdf((1 + OWN_COVERAGE) / 2) * error)
    note = f"As a whole the half width may be off by a factor of up to {within:.1f} (with {OWN_COVERAGE:.0%})"
    return replace(rec, notes=(*rec.notes, note), checks={**rec.checks, "half_width_within": within})
