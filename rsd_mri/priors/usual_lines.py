"""What lines left out usually say of a sampler's samples under a prior: a table beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rsd_mri.priors.elsewhere import table_beside

FILE = "usual-lines.json"


@dataclass(frozen=True)
class UsualLines:
    """How far off what was measured lies, over how far samples lie from each other, on scans of one law."""

    prior_hash: str
    """Of the network that drew the samples."""
    sampler: str
    levels: int
    along_lines: bool
    """Whether the scans left out lines; else points, or shots of a trajectory."""
    acceleration: float
    """Realised, mean over the scans."""
    factor: float
    """Error over spread on the lines left out, geometric mean over the scans."""
    scatter: float
    """Standard deviation of its logarithm from scan to scan: within heads and within real images of all scans of this
    kind of sampling, and between the two, since a scan in hand may show neither."""
    scans: int


def usual_lines_of(prior: Path) -> tuple[UsualLines, ...]:
    """The table beside a prior's file, or in its folder; empty where there is none or it is damaged."""
    return table_beside(prior, FILE, UsualLines)


def usual_at(
    table: Sequence[UsualLines], made: tuple[str, int, str], along_lines: bool, acceleration: float
) -> tuple[float, float] | None:
    """The usual factor at an acceleration, and its scatter; None where that was not measured.

    Parameters
    ----------
    table
        `usual_lines_of` a prior.
    made
        Sampler, levels and hash of the network, as `made_by` gives them.
    along_lines, acceleration
        Of the scan. Between two accelerations the factor is interpolated by logarithms, beyond them it is the nearest.
    """
    rows = [r for r in table if (r.sampler, r.levels, r.prior_hash) == made and r.along_lines == along_lines]
    if not rows:
        return None
    rows.sort(key=lambda one: one.acceleration)
    below = max((r for r in rows if r.acceleration <= acceleration), key=lambda r: r.acceleration, default=rows[0])
    above = min((r for r in rows if r.acceleration >= acceleration), key=lambda r: r.acceleration, default=rows[-1])
    if below.acceleration == above.acceleration:
        return below.factor, below.scatter
    share = math.log(acceleration / below.acceleration) / math.log(above.acceleration / below.acceleration)
    return below.factor ** (1 - share) * above.factor**share, (1 - share) * below.scatter + share * above.scatter
