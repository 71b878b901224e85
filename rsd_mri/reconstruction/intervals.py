"""Half widths of intervals: by a calibration, by the package's, by the scan's own lines left out."""

import math
from dataclasses import replace

import numpy as np

from rsd_mri.errors import InputError
from rsd_mri.priors import PRIORS
from rsd_mri.reconstruction.calibration import Calibration, deviation_of, made_by, read_calibration
from rsd_mri.results.reconstruction import PosteriorPart, Reconstruction

OWN_WEIGHT = 0.5
"""How far to follow a scan's own lines, as a power: they are few, and the lines never acquired are not quite like them.
On 14 scans with known images (protocols/trust.md) 0.5 fitted best, on its own and beside the package's calibration."""
OWN_ALONE, OWN_COVERAGE = 1.9, 0.9
"""Half width over standard deviation where the lines speak alone and the error is the spread, and what it covers; for
Gaussian errors that are known 1.64 would be enough."""
OWN_MIXED, OWN_SHIFT = 1.7, 1.2
"""Where the standard deviation is the root of spread times the reconstructor's: half width over standard deviation and
the root of error over spread, where the lines speak alone; and what the package's half width is taken times beside
error over spread on this scan's lines over what is usual there, which the reconstructor does not know to widen with.
Of 12 scans with known images (protocols/trust.md)."""


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
    posterior = replace(rec.posterior, half_width=calibration.factor * rec.posterior.std)
    return replace(rec, posterior=posterior, notes=(*rec.notes, *notes))


def with_own_interval(rec: Reconstruction) -> Reconstruction:
    """Add the half width that the package's calibration and the scan's own lines together give.

    The package's calibration, where it has one of this prior, sampler and number of levels (of several that with the
    nearest acceleration), says how wide the interval is on average; how the error compares with the spread on lines
    left out of this scan, by the power `OWN_WEIGHT`, how much wider here than on the calibration's. For patterns in two
    directions, which the package was not calibrated on, and for other samplers the lines speak alone. Without either,
    or without a standard deviation, nothing is added.
    """
    if rec.posterior is None or rec.prior is None or not rec.posterior.std.any():
        return rec
    known = [read_calibration(path) for path in sorted(PRIORS.glob("*/calibration-*.json"))]
    made, deviation = made_by(rec.method, rec.parameters, rec.prior), deviation_of(rec.parameters)
    fitting = [c for c in known if (c.sampler, c.levels, c.prior_hash) == made and c.deviation == deviation]
    own, mixed = rec.checks.get("own_lines_factor"), deviation == "both"
    nearest = min(fitting, key=lambda c: abs(math.log(c.acceleration / rec.acceleration)), default=None)
    typical = own if nearest is None or nearest.own_lines is None else nearest.own_lines
    if own is not None and typical is not None and (nearest is None or rec.mask.ndim == 2):
        note = (
            f"The half width is to cover {OWN_COVERAGE:.0%} of the body; its scale is from acquired lines left out of "
            "this scan"
        )
        if mixed:
            return _with_half_width(rec, rec.posterior, OWN_MIXED * own**0.5, note)
        return _with_half_width(rec, rec.posterior, OWN_ALONE * typical * (own / typical) ** OWN_WEIGHT, note)
    if nearest is None:
        return rec
    if own is None or typical is None:
        note = "That calibration is the package's, on simulated heads; make your own with `rsd-mri calibrate`"
        done = with_interval(rec, nearest)
        return replace(done, notes=(*done.notes, note))
    scale = OWN_SHIFT * own / typical if mixed else (own / typical) ** OWN_WEIGHT
    note = (
        f"The half width is to cover {nearest.coverage:.0%} of the body: that of simulated heads, times {scale:.2f} by "
        "the acquired lines left out of this scan"
    )
    return _with_half_width(rec, rec.posterior, nearest.factor * scale, note)


def _with_half_width(rec: Reconstruction, posterior: PosteriorPart, factor: float, note: str) -> Reconstruction:
    posterior = replace(posterior, half_width=(factor * posterior.std).astype(np.float32))
    return replace(rec, posterior=posterior, notes=(*rec.notes, note))
