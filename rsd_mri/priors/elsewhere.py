"""How much worse images of scans unlike those of its training were, by the benches: a table beside a prior."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FILE = "elsewhere.json"
Row = TypeVar("Row", bound="DataclassInstance")


@dataclass(frozen=True)
class Elsewhere:
    """One way to differ, and what it cost."""

    differs: str
    """`acceleration`, `noise` or `matrix`; `nothing` for scans as in training."""
    value: float
    """Of what differs: the acceleration, the noise level (prepared units), the lines along the readout."""
    images: int
    """Measured."""
    worse: float
    """PSNR below that of the same heads scanned as in training [dB]."""
    gain: float
    """PSNR of the posterior mean over total variation [dB]."""

    @property
    def words(self) -> str:
        """For the end of a sentence."""
        where = {"acceleration": "R={:g}", "noise": "noise {:g}", "matrix": "{:g} lines"}[self.differs]
        over = f"{self.gain:.1f} dB above" if self.gain >= 0 else f"{-self.gain:.1f} dB below"
        return (
            f"in the benches such images ({where.format(self.value)}, {self.images} heads) were {self.worse:.1f} dB "
            f"worse than those of scans like the card's, and {over} total variation"
        )


def elsewhere_of(prior: Path) -> tuple[Elsewhere, ...]:
    """The table beside a prior's file, or in its folder; empty where there is none or it is damaged."""
    return table_beside(prior, FILE, Elsewhere)


def table_beside(prior: Path, name: str, row: type[Row]) -> tuple[Row, ...]:
    """Read the rows of a JSON table beside a prior's file, or in its folder.

    Parameters
    ----------
    prior
        The file, or its folder.
    name
        Of the table.
    row
        The dataclass of its rows.

    Returns
    -------
    tuple
        Empty where there is no such table, or it is damaged.
    """
    path = (prior if prior.is_dir() else prior.parent) / name
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(row(**{f.name: one[f.name] for f in fields(row)}) for one in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def nearest(table: Sequence[Elsewhere], differs: str, value: float) -> Elsewhere | None:
    """The row of one way to differ that lies nearest, by the ratio; None where that was not measured."""
    rows = [one for one in table if one.differs == differs]
    return min(rows, key=lambda one: max(one.value / value, value / one.value)) if rows and value > 0 else None
