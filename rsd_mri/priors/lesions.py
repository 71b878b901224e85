"""What became of small lesions under a prior, by the bench: a table beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rsd_mri.priors.elsewhere import table_beside

FILE = "lesions.json"
MOST_HIDDEN = 0.1
"""Share of lesions of a size that may be hidden where that size still counts as kept."""


@dataclass(frozen=True)
class Lesions:
    """Lesions of one size at one acceleration, by one method."""

    method: str
    acceleration: float
    size: float
    """Diameter [pixels]."""
    contrast: float
    """By which share the signal is higher or lower there."""
    lesions: int
    """Measured."""
    hidden: float
    """Share of which less than half of the contrast was left."""


def lesions_of(prior: Path) -> tuple[Lesions, ...]:
    """The table beside a prior's file, or in its folder; empty where there is none or it is damaged."""
    return table_beside(prior, FILE, Lesions)


def lesion_checks(table: Sequence[Lesions], method: str, acceleration: float) -> dict[str, float]:
    """How small a lesion may be and still be kept, at the acceleration measured that is nearest.

    Parameters
    ----------
    table
        `lesions_of` a prior.
    method, acceleration
        Of the reconstruction.

    Returns
    -------
    dict
        `lesion_lost`, the largest size of which more than `MOST_HIDDEN` were hidden [pixels], 0 where there is none;
        `lesion_hidden` and `lesion_contrast`, how many of these and how strong they were; `lesion_least`, the next
        larger size, of which fewer were hidden, where there is one; `lesion_acceleration`, where this was measured.
        Empty without a table.
    """
    rows = [one for one in table if one.method == method]
    if not rows:
        return {}
    nearest = min((one.acceleration for one in rows), key=lambda r: max(r / acceleration, acceleration / r))
    here = sorted((one for one in rows if one.acceleration == nearest), key=lambda one: one.size)
    lost = [one for one in here if one.hidden > MOST_HIDDEN]
    worst = lost[-1] if lost else None
    kept = [one.size for one in here if worst is None or one.size > worst.size]
    found = {"lesion_acceleration": nearest, "lesion_lost": 0.0 if worst is None else worst.size}
    if worst is not None:
        found |= {"lesion_hidden": worst.hidden, "lesion_contrast": worst.contrast}
    return found | ({"lesion_least": kept[0]} if kept else {})
